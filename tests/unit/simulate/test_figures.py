"""The figures of a run, from hand-made runs whose answers are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import Decision, Goal, Origin, Stage, Verdict
from bridge.plugin.peers import Taken
from bridge.simulate.figures import Figures, figures, percentile
from bridge.simulate.parts import Played
from bridge.simulate.play import Shown

OK, NG = Verdict.OK, Verdict.NG


def shown(serial: str, truth: Verdict, legacy: Verdict, final: Verdict | None, at: float = 0.010) -> Shown:
    """One part as it was played; ``final`` None: the PLC heard nothing."""
    part = Played(serial=serial, truth=truth, oddness=0.0, images={}, legacy=legacy)
    readable = None if final is None else at
    taken = Taken(part=serial, passed=final is OK, verdict=final, readable_at=readable, why="")
    return Shown(part=part, sent_at=0.0, taken=taken, answer=None)


def decision(serial: str, final: Verdict, legacy: Verdict = NG, judge_ms: float = 4.0) -> Decision:
    """What the journal holds."""
    return Decision(
        id=serial.rjust(32, "0"),
        line="a",
        goal=Goal.CUT_FALSE_CALLS,
        stage=Stage.LIVE,
        part=serial,
        legacy=legacy,
        final=final,
        origin=Origin.MODEL,
        judge_ms=judge_ms,
    )


def run(played: list[Shown], decisions: list[Decision], told: list[str], *, inline: bool = True) -> Figures:
    """The figures of a line whose MES was told these parts."""
    documents = [{"part": serial, "id": str(number)} for number, serial in enumerate(told)]
    return figures("a", 1, "live", played, documents, decisions, inline=inline)


def test_false_calls_and_escapes_are_counted_against_the_truth() -> None:
    """One false call is cut, one true NG is wrongly overruled."""
    played = [
        shown("1", OK, NG, OK),
        shown("2", OK, NG, NG),
        shown("3", NG, NG, OK),
        shown("4", NG, NG, NG),
        shown("5", NG, OK, OK),
    ]
    finals = {"1": OK, "2": NG, "3": OK, "4": NG, "5": OK}
    made = run(played, [decision(s, v) for s, v in finals.items()], list(finals))
    assert (made.false_calls_before, made.false_calls_after) == (2, 1)
    assert (made.escapes_before, made.escapes_after) == (1, 2)
    assert (made.true_ng, made.overruled_true_ng) == (2, 1)
    assert made.overruled_upper_95 == pytest.approx(0.97468, abs=1e-5)
    assert (made.lost, made.duplicated, made.ejected) == (0, 0, 2)


def test_the_judges_time_is_not_overhead() -> None:
    """Ten milliseconds to the registers of which the judge took four."""
    made = run([shown("1", OK, NG, OK)], [decision("1", OK)], ["1"])
    assert (made.overhead_p50_ms, made.judge_p50_ms) == (6.0, 4.0)


def test_what_the_journal_or_the_mes_lacks_is_lost() -> None:
    """Part 1 was never decided, part 2 never told."""
    made = run([shown("1", OK, OK, None), shown("2", OK, OK, OK)], [decision("2", OK)], [])
    assert made.lost == 2
    assert made.plc_reported == 1


def test_beside_a_tap_only_what_is_left_to_us_is_owed() -> None:
    """The old machine reports the rest by itself."""
    played = [shown("1", OK, OK, None), shown("2", OK, NG, OK)]
    made = run(played, [decision("1", OK, legacy=OK), decision("2", OK)], ["2"], inline=False)
    assert made.lost == 0


def test_one_part_under_two_ids_is_duplicated() -> None:
    """Told twice under a new id is a bug, and it is counted."""
    assert run([shown("1", OK, OK, OK)], [decision("1", OK)], ["1", "1"]).duplicated == 1


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.01, 1))
def test_percentile_covers_its_share(values: list[float], share: float) -> None:
    """At least that share is not above it, and it is one of the values."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_no_values_have_no_percentile() -> None:
    """A run without a part claims nothing."""
    assert percentile([], 0.5) == 0.0


def test_a_line_that_tells_no_mes_loses_only_what_was_never_decided() -> None:
    """In shadow the journal alone hears of a part."""
    played = [shown("1", OK, NG, None), shown("2", OK, NG, None)]
    made = figures("a", 1, "shadow", played, None, [decision("2", NG)], inline=False)
    assert (made.lost, made.mes_reported, made.duplicated) == (1, 0, 0)
