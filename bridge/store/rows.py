"""Decisions to rows and back, without a database: column lists, the numbers that stand for words, two codecs.

The numbers are for ever: a new member takes a new one, and none is used again. No verdict is 0, so that a
column nobody filled never reads as OK. A negative zero comes back as zero and not-a-number as nothing; every
other float comes back as it was.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from math import isnan, nan
from typing import Any, Final, TypeAlias

from bridge.messages import (
    Box,
    Decision,
    Failure,
    Goal,
    HeatMap,
    Judgement,
    Origin,
    PictureFacts,
    Spot,
    Stage,
    Verdict,
    ViewDecision,
)
from bridge.store.records import Kind, Second, Stratum
from bridge.store.words import restored, stored

Row: TypeAlias = tuple[Any, ...]
"""What sqlite3 takes and gives; its types are the schema's."""
Number: TypeAlias = Callable[[str], int | None]
"""A word to its number."""
Text: TypeAlias = Callable[[int | None], str]
"""A number to its word."""

VERDICTS: Final[Mapping[Verdict | None, int | None]] = {None: None, Verdict.OK: 1, Verdict.NG: 2}
STAGES: Final[Mapping[Stage, int]] = {Stage.SHADOW: 1, Stage.LIVE: 2}
ORIGINS: Final[Mapping[Origin | None, int | None]] = {
    None: None,
    Origin.LEGACY: 1,
    Origin.MODEL: 2,
    Origin.FALLBACK: 3,
    Origin.OPERATOR: 4,
}
FAILURES: Final[Mapping[Failure | None, int | None]] = {
    None: None,
    Failure.DEADLINE: 1,
    Failure.JUDGE_DOWN: 2,
    Failure.IMAGE_MISSING: 3,
    Failure.IMAGE_REPEATED: 4,
    Failure.IMAGE_UNREADABLE: 5,
    Failure.IMAGE_UNTIED: 6,
    Failure.RECIPE_UNKNOWN: 7,
    Failure.VIEWS_MISSING: 8,
    Failure.LEGACY_MISSING: 9,
    Failure.NOT_RECORDED: 10,
}
KINDS: Final[Mapping[Kind, int]] = {"shadow": 1, "late": 2, "answered": 3, "guard": 4}
WITHOUT_VERDICT: Final = 3
"""Asked, and no verdict came: distinct from NULL, which is not asked."""

_VERDICT = {number: verdict for verdict, number in VERDICTS.items()}
_STAGE = {number: stage for stage, number in STAGES.items()}
_ORIGIN = {number: origin for origin, number in ORIGINS.items()}
_FAILURE = {number: failure for failure, number in FAILURES.items()}
_KIND = {number: kind for kind, number in KINDS.items()}

PART_COLUMNS = (
    "id, line, part, key, recipe, goal, stage, legacy, model, operator, final, origin, failures, degraded, error, "
    "backlog, rechecked, sequence, bundle, config, event_at, latency_ms, judge_ms, bypassed, lot, counter, "
    "said, defect, ng_views"
)
VIEW_COLUMNS = (
    "name, legacy, defect, image, final, model, failure, score, threshold, label, bundle, judge_ms, "
    "brightness, contrast, sharpness"
)
HEAT_COLUMNS = "boxes, spots, explains, map_rows, map_columns, map_values, map_corners"
SECOND_COLUMNS = (
    "id, kind, at, model, goal_1, goal_2, goal_3, failures, bundle, judge_ms, final, origin, error, "
    "fallback_1, fallback_2, fallback_3, in_time, stratum, chance, drawn"
)


def hexadecimal(text: str, size: int) -> bytes:
    """Return the bytes of an id or a hash.

    Raises:
        ValueError: the text is not ``size`` bytes in lower-case hexadecimal, so it would come back as another.
    """
    data = bytes.fromhex(text)
    if len(data) != size or data.hex() != text:
        raise ValueError(f"{text!r} is not {2 * size} lower-case hexadecimal digits")
    return data


def part_row(decision: Decision, number: Number) -> Row:
    """Return the values of PART_COLUMNS."""
    d = decision
    return (
        hexadecimal(d.id, 16),
        number(d.line),
        stored(d.part),
        None if d.key is None else stored(d.key),
        number(d.recipe),
        int(d.goal),
        STAGES[d.stage],
        VERDICTS[d.legacy],
        VERDICTS[d.model],
        VERDICTS[d.operator],
        VERDICTS[d.final],
        ORIGINS[d.origin],
        _packed(d.failures),
        d.degraded,
        d.error,
        d.backlog,
        d.rechecked,
        d.sequence,
        number(d.bundle),
        number(d.config),
        d.event_at,
        d.latency_ms,
        d.judge_ms,
        d.bypassed,
        number(d.lot),
        d.counter,
        VERDICTS[d.said],
        number(d.defect),
        d.ng_views,
    )


def decision(number: int, row: Row, views: tuple[ViewDecision, ...], text: Text) -> Decision:
    """Return the decision of a row of PART_COLUMNS, recorded and, for a PLC, long expired."""
    (id_, line, part, key, recipe, goal, stage, legacy, model, operator, final, origin, failures, *rest) = row
    (degraded, error, backlog, rechecked, sequence, bundle, config, event_at, latency_ms, *last) = rest
    judge_ms, bypassed, lot, counter, said, defect, ng_views = last
    return Decision(
        id=id_.hex(),
        line=text(line),
        goal=Goal(goal),
        stage=_STAGE[stage],
        part=restored(part),
        key=None if key is None else restored(key),
        recipe=text(recipe),
        legacy=_VERDICT[legacy],
        model=_VERDICT[model],
        operator=_VERDICT[operator],
        final=_VERDICT[final],
        origin=_ORIGIN[origin] or Origin.LEGACY,
        failures=failures_of(failures),
        degraded=bool(degraded),
        error=bool(error),
        views=views,
        number=number,
        recorded=True,
        backlog=bool(backlog),
        rechecked=bool(rechecked),
        expires=float("-inf"),
        sequence=sequence,
        bundle=text(bundle),
        config=text(config),
        event_at=event_at,
        latency_ms=latency_ms,
        judge_ms=judge_ms,
        bypassed=bool(bypassed),
        lot=text(lot),
        counter=counter,
        said=_VERDICT[said],
        defect=text(defect),
        ng_views=ng_views,
    )


def view_rows(owner: int, views: Sequence[ViewDecision], number: Number) -> list[Row]:
    """Return the views of one part or second record: its number, the place, and VIEW_COLUMNS."""
    return [(owner, place, *_view_row(view, number)) for place, view in enumerate(views)]


def _view_row(view: ViewDecision, number: Number) -> Row:
    seen = (
        number(view.name),
        VERDICTS[view.legacy],
        number(view.defect),
        hexadecimal(view.image, 32) if view.image else None,
        VERDICTS[view.final],
    )
    judged = view.judgement
    if judged is None:
        return (*seen, *(None,) * 10)
    return (
        *seen,
        _asked(judged.verdict),
        FAILURES[judged.failure],
        judged.score,
        judged.threshold,
        number(judged.label),
        number(judged.bundle),
        judged.judge_ms,
        *((None,) * 3 if (one := judged.picture) is None else (one.brightness, one.contrast, one.sharpness)),
    )


def heat_rows(owner: int, views: Sequence[ViewDecision], number: Number) -> list[Row]:
    """Return where the judge looked, of the views of which it told: owner, place, and HEAT_COLUMNS."""
    judged = ((place, view.judgement) for place, view in enumerate(views))
    told = ((place, one) for place, one in judged if one and (one.boxes or one.heat_map))
    return [
        (owner, place, _boxes_packed(one.boxes), _spots_packed(one.boxes, number), *_map_row(one.heat_map, number))
        for place, one in told
    ]


def _boxes_packed(boxes: Sequence[Box]) -> bytes | None:
    return _doubles([side for one in boxes for side in (one.cx, one.cy, one.w, one.h)]) or None


def _spots_packed(boxes: Sequence[Box], number: Number) -> bytes | None:
    """Return what else is known of each box; not-a-number stands for what is not, 0 for a spot without a class."""
    if not any(isinstance(one, Spot) for one in boxes):
        return None
    return _doubles([fact for one in boxes for fact in _facts(one, number)])


def _facts(one: Box, number: Number) -> tuple[float, float, float]:
    if not isinstance(one, Spot):
        return (nan, nan, nan)
    score, area = (nan if fact is None else fact for fact in (one.score, one.area))
    return (number(one.label) or 0, score, area)


def _map_row(seen: HeatMap | None, number: Number) -> Row:
    if seen is None:
        return (None, None, None, None, None)
    corners = _doubles([place for corner in seen.corners for place in corner])
    return (number(seen.label), seen.rows, seen.columns, seen.values, corners)


def _doubles(numbers: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def _numbers(data: bytes | None) -> tuple[float, ...]:
    return struct.unpack(f"<{len(data or b'') // 8}d", data or b"")


def view_decision(row: Row, text: Text) -> ViewDecision:
    """Return the view of a row of VIEW_COLUMNS and HEAT_COLUMNS."""
    (name, legacy, defect, image, final, model, failure, score, threshold, label, bundle, judge_ms, *more) = row
    looks, heat = more[:3], more[3:]
    judged = (
        None
        if model is None
        else Judgement(
            verdict=_answer(model),
            failure=_FAILURE[failure],
            score=score,
            threshold=threshold,
            label=text(label),
            bundle=text(bundle),
            judge_ms=judge_ms,
            boxes=_boxes(heat[0], heat[1], text),
            heat_map=_map(heat[2:], text),
            picture=_picture(*looks),
        )
    )
    return ViewDecision(
        name=text(name),
        legacy=_VERDICT[legacy],
        defect=text(defect),
        image=image.hex() if image else "",
        judgement=judged,
        final=_VERDICT[final],
    )


def _picture(brightness: float | None, contrast: float | None, sharpness: float | None) -> PictureFacts | None:
    if brightness is None or contrast is None or sharpness is None:
        return None
    return PictureFacts(brightness=brightness, contrast=contrast, sharpness=sharpness)


def _boxes(data: bytes | None, spots: bytes | None, text: Text) -> tuple[Box, ...]:
    sides, facts = _numbers(data), _numbers(spots)
    boxes = tuple(Box(cx=x, cy=y, w=w, h=h) for x, y, w, h in zip(*(sides[at::4] for at in range(4)), strict=True))
    if not facts:
        return boxes
    return tuple(
        _spot(box, known, text) for box, *known in zip(boxes, *(facts[at::3] for at in range(3)), strict=True)
    )


def _spot(box: Box, known: Sequence[float], text: Text) -> Box:
    word, score, area = (None if isnan(fact) else fact for fact in known)
    if word is None:
        return box
    label = text(int(word) or None)
    return Spot(cx=box.cx, cy=box.cy, w=box.w, h=box.h, label=label, score=score, area=area)


def _map(columns: Sequence[Any], text: Text) -> HeatMap | None:
    explains, rows, wide, values, corners = columns
    if values is None:
        return None
    places = _numbers(corners)
    pairs = tuple(zip(places[::2], places[1::2], strict=True))
    return HeatMap(label=text(explains), rows=rows, columns=wide, values=values, corners=pairs)


def second_row(second: Second, number: Number) -> Row:
    """Return the values of SECOND_COLUMNS."""
    return (
        hexadecimal(second.id, 16),
        KINDS[second.kind],
        second.at,
        VERDICTS[second.model],
        *(_asked(second.goals[goal]) if goal in second.goals else None for goal in Goal),
        _packed(second.failures),
        number(second.bundle),
        second.judge_ms,
        VERDICTS[second.final],
        ORIGINS[second.origin],
        second.error,
        *(_asked(second.fallbacks[goal]) if goal in second.fallbacks else None for goal in Goal),
        second.in_time,
        second.stratum,
        second.chance,
        second.drawn,
    )


def second(row: Row, views: tuple[ViewDecision, ...], text: Text) -> Second:
    """Return the second record of a row of SECOND_COLUMNS."""
    (id_, kind, at, model, *said) = row
    goals, (failures, bundle, judge_ms, final, origin, error), fallbacks = said[:3], said[3:9], said[9:12]
    in_time, stratum, chance, drawn = said[12:]
    return Second(
        id=id_.hex(),
        kind=_KIND[kind],
        at=at,
        model=_VERDICT[model],
        goals=_of_goals(goals),
        failures=failures_of(failures),
        views=views,
        bundle=text(bundle),
        judge_ms=judge_ms,
        final=_VERDICT[final],
        origin=_ORIGIN[origin],
        error=bool(error),
        fallbacks=_of_goals(fallbacks),
        in_time=None if in_time is None else bool(in_time),
        stratum=None if stratum is None else Stratum(stratum),
        chance=chance,
        drawn=bool(drawn),
    )


def _of_goals(columns: Sequence[int | None]) -> dict[Goal, Verdict | None]:
    return {goal: _answer(said) for goal, said in zip(Goal, columns, strict=True) if said is not None}


def verdict_of(number: int | None) -> Verdict | None:
    """Return the verdict of a column."""
    return _VERDICT[number]


def origin_of(number: int | None) -> Origin | None:
    """Return the origin of a column."""
    return _ORIGIN[number]


def _packed(failures: Sequence[Failure]) -> bytes | None:
    """Return one byte per failure, keeping their order."""
    return bytes(FAILURES[failure] or 0 for failure in failures) or None


def failures_of(data: bytes | None) -> tuple[Failure, ...]:
    """Return the failures of a column, one byte each."""
    return tuple(failure for number in data or b"" if (failure := _FAILURE[number]))


def _asked(said: Verdict | None) -> int:
    """Return the number of an answer that was asked for, which may be none."""
    return VERDICTS[said] or WITHOUT_VERDICT


def _answer(number: int) -> Verdict | None:
    return None if number == WITHOUT_VERDICT else _VERDICT[number]
