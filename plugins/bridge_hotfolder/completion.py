"""When a file is whole: the rules, over what successive looks found; no file is opened here.

The rules that need the content (``footer``, ``manifest``) let every unseen file pass as worth a try. Time is an
argument: instants of our own monotonic clock. The old machine's clock is used for nothing but noticing change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge_hotfolder.listing import Listing, Stat
from bridge_hotfolder.names import flag_name, name_facts
from bridge_hotfolder.options import HotfolderOptions
from bridge_hotfolder.seen import SeenFile

_BACKLOG_AT_ONCE = 512


class Known(Protocol):
    """What was handed in already."""

    def get(self, path: str) -> SeenFile | None:
        """Return what is known of a path."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """One result file, or the images of one part, whose completion rule holds."""

    files: tuple[tuple[str, Stat], ...]
    event: float
    """The instant at which the rule was seen to hold."""
    backlog: bool
    last_try: bool = False
    """True once waiting any longer is given up."""
    touched: bool = False
    """True if only the time changed since it was seen: its content decides whether it is new."""
    flags: tuple[tuple[str, str], ...] = ()
    """File → the state of the done-flag that vouches for it."""

    @property
    def path(self) -> str:
        """The result file, or the first image."""
        return self.files[0][0]


@dataclass(slots=True)
class _Watch:
    stat: Stat
    since: float
    backlog: bool
    retry_at: float = 0.0


class Completion:
    """Follows what is in the folder and not yet seen.

    One thread calls ``step``; ``done`` and ``again`` may be called from any.
    """

    def __init__(self, options: HotfolderOptions, known: Known) -> None:
        self._options = options
        self._known = known
        self._watches: dict[str, _Watch] = {}
        self._busy: set[str] = set()
        self._first = True
        self._news: deque[tuple[Candidate, float, bool]] = deque()

    def done(self, candidate: Candidate) -> None:
        """Say that a candidate was marked as seen."""
        self._news.append((candidate, 0.0, False))

    def again(self, candidate: Candidate, at: float = 0.0, *, told: bool = False) -> None:
        """Say that a candidate is to be offered again, not before ``at``.

        One that was ``told`` to the host already comes as backlog: its answer has been given.
        """
        self._news.append((candidate, at, told))

    def step(self, listing: Listing, now: float) -> list[Candidate]:
        """Take in one look at the folder and return what is whole now, live parts first."""
        self._take_news()
        self._follow(listing, now)
        self._first = False
        waiting = {
            path: watch
            for path, watch in self._watches.items()
            if path not in self._busy and watch.retry_at <= now
        }
        rule = self._groups if self._options.verdict_in == "name" else self._results
        found = rule(waiting, listing, now)
        offered = self._bounded(sorted(found, key=lambda each: (each.backlog, each.path)))
        self._busy.update(path for candidate in offered for path, _ in candidate.files)
        return offered

    def _take_news(self) -> None:
        while self._news:
            candidate, retry_at, told = self._news.popleft()
            for path, _ in candidate.files:
                self._busy.discard(path)
                if watch := self._watches.get(path):
                    watch.retry_at = retry_at
                    watch.backlog = watch.backlog or told

    def _follow(self, listing: Listing, now: float) -> None:
        # What was marked while the look was under way is in the listing all the same.
        fresh = {path: stat for path, stat in listing.files.items() if not self._is_seen(path, stat)}
        for path in [path for path in self._watches if path not in fresh]:
            del self._watches[path]
        for path, stat in fresh.items():
            watch = self._watches.get(path)
            if watch is None:
                self._watches[path] = _Watch(stat, now, self._first)
            elif watch.stat != stat:
                watch.stat, watch.since = stat, now

    def _is_seen(self, path: str, stat: Stat) -> bool:
        known = self._known.get(path)
        return known is not None and known.stat == stat

    def _bounded(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Offer every live part, and of the backlog what a short queue holds."""
        room = _BACKLOG_AT_ONCE - len(self._busy)
        offered = []
        for candidate in candidates:
            if candidate.backlog:
                room -= 1
            if not candidate.backlog or room >= 0:
                offered.append(candidate)
        return offered

    # A result file stands for itself.

    def _results(self, waiting: dict[str, _Watch], listing: Listing, now: float) -> Iterator[Candidate]:
        for path, watch in waiting.items():
            flag = self._flag(path, listing)
            if not self._whole(watch, flag, now):
                continue
            known = self._known.get(path)
            yield Candidate(
                files=((path, watch.stat),),
                event=watch.since if watch.backlog else now,
                backlog=watch.backlog,
                last_try=now - watch.since >= self._options.give_up_seconds,
                touched=known is not None and known.stat.size == watch.stat.size,
                flags=((path, flag),),
            )

    def _whole(self, watch: _Watch, flag: str, now: float) -> bool:
        match self._options.complete:
            case "stable":
                return now - watch.since >= self._options.stable_seconds
            case "flag":
                return bool(flag)
            case _:
                return True

    def _flag(self, path: str, listing: Listing) -> str:
        """Return the state of a file's done-flag; empty if it is absent or was used up by an earlier writing."""
        if self._options.complete != "flag":
            return ""
        found = listing.flags.get(flag_name(path, self._options))
        if found is None:
            return ""
        state = f"{found.size}:{found.mtime_ns}"
        known = self._known.get(path)
        return "" if known is not None and known.flag == state else state

    # Images that carry the verdict in their names come together by part and recipe.

    def _groups(self, waiting: dict[str, _Watch], listing: Listing, now: float) -> Iterator[Candidate]:
        groups: dict[tuple[str, ...], list[str]] = {}
        for path in sorted(waiting):
            facts = name_facts(path, self._options) or {}
            part = facts.get("part", "")
            group: tuple[str, ...] = (part, facts.get("recipe", "")) if part else ("", "", path)
            groups.setdefault(group, []).append(path)
        for group, paths in groups.items():
            candidate = self._group(paths, waiting, listing, now)
            if candidate is not None and (
                len(paths) >= self._wanted(group[0]) or candidate.last_try or candidate.flags[0][1]
            ):
                yield candidate

    def _group(
        self, paths: Sequence[str], waiting: dict[str, _Watch], listing: Listing, now: float
    ) -> Candidate | None:
        watches = [waiting[path] for path in paths]
        flags = tuple((path, self._flag(path, listing)) for path in paths)
        if not all(self._whole(watch, flag, now) for watch, (_, flag) in zip(watches, flags, strict=True)):
            return None
        known = [self._known.get(path) for path in paths]
        quiet = now - max(watch.since for watch in watches)
        return Candidate(
            files=tuple((path, watch.stat) for path, watch in zip(paths, watches, strict=True)),
            event=now,
            backlog=any(watch.backlog for watch in watches),
            last_try=quiet >= self._options.image_wait_seconds,
            touched=all(
                seen is not None and seen.stat.size == watch.stat.size
                for seen, watch in zip(known, watches, strict=True)
            ),
            flags=flags,
        )

    def _wanted(self, part: str) -> int:
        """Return how many images make a part; one without a serial number cannot be grouped."""
        return (len(self._options.views) or self._options.images_per_part) if part else 1
