"""Two halves ↔ one part: the id by which they meet, the key of the whole, and what of each half counts.

Pure: no clock, no disk. The verdict half says what the inspector thinks; the picture half brings what can be seen.
Nothing becomes OK by joining: any NG is NG, a word that was not understood on either road leaves no verdict, and
halves that contradict each other are not tied.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bridge.plugin import Fetch, Inspection, Unavailable, Verdict, View
from bridge_join.halves import Side

KEY_LENGTH = 200
"""A longer key of a half becomes a hash of it."""
MISSING = "(missing)"
"""The view that stands for pictures that did not come, where no other view shows that something is missing."""


@dataclass(frozen=True)
class Ids:
    """How part ids are compared: without blanks around them, in any case if wanted, by what a pattern finds."""

    pattern: re.Pattern[str] | None = None
    """Matches a whole id; its group ``part`` is what counts. An id that it does not match is none."""
    any_case: bool = False

    def __call__(self, part: str) -> str:
        """Return the id as both roads spell it; empty where there is none."""
        name = part.strip()
        if self.pattern is not None:
            found = self.pattern.fullmatch(name)
            name = (found["part"] or "").strip() if found else ""
        return name.casefold() if self.any_case else name


def half_name(side: Side, key: str | None) -> str:
    """Return by what a half is known when it comes again; empty where it has no key: it is new each time."""
    return f"{side}:{_bounded(key)}" if key else ""


def joined_key(verdict: Inspection | None, pictures: Sequence[Inspection]) -> str | None:
    """Return the key of a part: that of its verdict, which tells one presentation from the next.

    Where the verdict has none it is the pictures'; None where no half can come again.
    """
    if verdict is not None and verdict.key:
        return half_name(Side.VERDICT, verdict.key)
    keys = sorted(part.key for part in pictures if part.key)
    return half_name(Side.PICTURES, keys[0] if len(keys) == 1 else "\n".join(keys)) or None


def _bounded(key: str) -> str:
    if len(key) <= KEY_LENGTH and key.isprintable():
        return key
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def held_until(part: Inspection, arrived: float, window: float) -> float:
    """Return until when (monotonic seconds) a half may wait for its partner.

    The window counts from the half's own event, for so does the line's deadline; a part in a hurry spends at most
    half of its own deadline on it. For backlog no PLC waits, so it has the whole window from now.
    """
    if part.backlog:
        return arrived + window
    event = arrived if part.event is None else min(part.event, arrived)
    hurry = window if part.deadline_ms is None else part.deadline_ms / 2000
    return event + min(window, hurry)


def contradiction(verdict: Inspection | None, pictures: Sequence[Inspection], ids: Ids) -> str:
    """Return what shows that halves are not of one part; empty where nothing does."""
    halves = [*([verdict] if verdict else ()), *pictures]
    for what, said in (
        ("part ids", {ids(half.part) for half in halves} - {""}),
        ("recipes", {half.recipe for half in halves} - {""}),
        ("verdicts", {_says(half) for half in halves} - {None}),
    ):
        if len(said) > 1:
            return f"different {what}: {', '.join(sorted(map(str, said)))}"
    return ""


def _says(half: Inspection) -> Verdict | None:
    said = {half.legacy, *(view.legacy for view in half.views)}
    return Verdict.NG if Verdict.NG in said else half.legacy


def joined(
    verdict: Inspection | None, pictures: Sequence[Inspection], *, tied: bool = True, whole: bool = True
) -> Inspection:
    """Return the part that these halves make; at least one is there.

    Args:
        verdict: what says verdict, defect, recipe, lot, counts and sequence; without it there is no verdict. An
            NG that the pictures bring counts all the same, and so does a shorter deadline.
        pictures: what bring the views.
        tied: whether the pictures are surely of this part.
        whole: whether all pictures are there; else a view without a picture shows it.
    """
    halves = [*([verdict] if verdict else ()), *pictures]
    told = verdict or replace(pictures[0], legacy=None)
    views = _views(verdict.views if verdict else (), [view for part in pictures for view in part.views], tied=tied)
    if not verdict:
        views = tuple(replace(view, legacy=None) for view in views)
    if not whole and views and all(view.image is not None or view.reference for view in views):
        views += (View(name=MISSING),)
    return replace(
        told,
        legacy=Verdict.NG if verdict and any(half.legacy is Verdict.NG for half in halves) else told.legacy,
        part=_first(half.part for half in halves),
        recipe=_first(half.recipe for half in halves),
        lot=_first(half.lot for half in halves),
        legacy_understood=all(half.legacy_understood for half in halves),
        views=views,
        key=joined_key(verdict, pictures),
        event=min((half.event for half in halves if half.event is not None), default=None),
        deadline_ms=min((half.deadline_ms for half in halves if half.deadline_ms is not None), default=None),
        backlog=any(half.backlog for half in halves),
    )


def _first(said: Iterator[str]) -> str:
    return next((word for word in said if word.strip()), "")


def _views(told: Sequence[View], shown: Sequence[View], *, tied: bool) -> tuple[View, ...]:
    """Put pictures to what was told of them, by the name of the view; what has no namesake stays as it is."""
    by_name: dict[str, View] = {}
    for view in shown:
        by_name.setdefault(view.name, view)
    pictured = {view.name for view in told}
    merged = [_view(view, by_name.get(view.name), tied=tied) for view in told]
    rest = [view for view in shown if view.name not in pictured or by_name[view.name] is not view]
    return (*merged, *(replace(view, tied=view.tied and tied) for view in rest))


def _view(told: View, shown: View | None, *, tied: bool) -> View:
    if shown is None:
        return told
    if shown.image is None and not shown.reference:
        return replace(told, tied=told.tied and shown.tied)
    return replace(
        shown,
        tied=shown.tied and tied,
        legacy=Verdict.NG if Verdict.NG in (told.legacy, shown.legacy) else told.legacy or shown.legacy,
        defect=told.defect or shown.defect,
        roi=shown.roi or told.roi,
    )


def joined_fetch(deliveries: Sequence[tuple[Inspection, Fetch | None]]) -> Fetch | None:
    """Return what brings the pictures of a joined part, each by the half that names it; None if none can."""
    owners: Mapping[tuple[str, str], Fetch] = {
        (view.name, view.reference): fetch for part, fetch in deliveries if fetch for view in part.views
    }
    if not owners:
        return None

    async def fetch(view: View) -> bytes:
        owner = owners.get((view.name, view.reference))
        if owner is None:
            raise Unavailable(f"the view {view.name} has no picture")
        return await owner(view)

    return fetch
