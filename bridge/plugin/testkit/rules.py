"""A rule: an id, one sentence for people, what it needs, and a check that a plugin can fail."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bridge.explaining import explain
from bridge.plugin.api import Kind
from bridge.plugin.testkit.subject import Subject

Need: TypeAlias = Literal["trial", "peer", "tcp", "dials", "listens", "stream"]

ALL: tuple[Kind, ...] = ("source", "reporter", "judge", "labels")


class Outcome(StrEnum):
    """How a rule came out."""

    HOLDS = "holds"
    FAILS = "fails"
    MISSING = "missing"
    """The plugin lacks what it takes to find out."""
    UNFIT = "not applicable"
    """The rule says nothing about a plugin of this kind, on this road."""


class Broken(AssertionError):  # noqa: N818 - it says what the rule is
    """The plugin breaks the rule; the text says how, in one line."""


class Unfit(Exception):  # noqa: N818 - nothing is wrong
    """The rule does not apply; the text says why."""


class Missing(Exception):  # noqa: N818 - it says what the plugin lacks
    """The plugin lacks what it takes to find out; the text says what, and what to do."""


@dataclass(frozen=True)
class Finding:
    """How one rule came out for one plugin."""

    rule: Rule
    outcome: Outcome
    said: str = ""
    """Why it fails, is missing or does not apply; for a rule that holds, how far it was tried, or nothing."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Bench:
    """What a check gets: the plugin, and a folder that it may fill."""

    subject: Subject
    folder: Path
    notes: list[str] = field(default_factory=list)
    """What a check adds to a rule that holds."""


Check: TypeAlias = Callable[[Bench], Awaitable[None] | None]


@dataclass(frozen=True)
class Rule:
    """One clause of the contract."""

    id: str
    says: str
    kinds: tuple[Kind, ...]
    needs: tuple[Need, ...]
    check: Check = field(repr=False)
    limit_seconds: float = 120.0

    def __str__(self) -> str:
        return self.id


RULES: dict[str, Rule] = {}
"""Every rule by its id, in the order in which they are tried."""


def rule(
    says: str, *kinds: Kind, needs: tuple[Need, ...] = ("trial",), limit_seconds: float = 120.0
) -> Callable[[Check], Check]:
    """Make a check a rule; its function's name is the id."""

    def wrap(check: Check) -> Check:
        name = getattr(check, "__name__", "").strip("_").replace("_", "-")
        RULES[name] = Rule(name, says, kinds or ALL, needs, check, limit_seconds)
        return check

    return wrap


def rules_for(kind: Kind) -> list[Rule]:
    """Return the rules that say something about plugins of a kind."""
    return [one for one in RULES.values() if kind in one.kinds]


def prove(one: Rule, subject: Subject) -> Finding:
    """Try one rule on one plugin, in an event loop and a folder of its own; only Ctrl-C comes out of it.

    Call it where no event loop runs.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="aoi-bridge-trial-") as folder:
        bench = Bench(subject, Path(folder))
        outcome, said = _tried(one, bench)
    return Finding(one, outcome, said, time.monotonic() - began)


def _tried(one: Rule, bench: Bench) -> tuple[Outcome, str]:
    if lacking := _lacking(one, bench.subject):
        return lacking
    try:
        with _complaints() as complaints:
            _run(one, bench)
    except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - whatever a plugin raises is its failure
        return _outcome_of(exc), _reason(exc)
    if complaints:
        return Outcome.FAILS, complaints[0]
    return Outcome.HOLDS, "; ".join(bench.notes)


def _outcome_of(exc: BaseException) -> Outcome:
    first = _first(exc)
    if isinstance(first, Unfit):
        return Outcome.UNFIT
    return Outcome.MISSING if isinstance(first, Missing) else Outcome.FAILS


def _run(one: Rule, bench: Bench) -> None:
    """Run a check; one that is a coroutine gets a loop, and as much time as its rule has."""
    loops: list[str] = []

    async def within() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: loops.append(_unheard(context)))
        try:
            async with asyncio.timeout(one.limit_seconds) as limit:
                await coroutine  # type: ignore[misc]
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise Broken(f"was not done after {one.limit_seconds:g} s") from exc

    with asyncio.Runner() as runner:
        coroutine = one.check(bench)
        if coroutine is None:
            return
        runner.run(within())
    gc.collect()  # an error that nobody took is told when its task is collected
    if loops:
        raise Broken(loops[0])


def _unheard(context: dict[str, Any]) -> str:
    """Return what a loop complains of: an error that nobody took."""
    error = context.get("exception")
    return f"{context.get('message', 'an error')}: {_reason(error)}" if error else str(context.get("message"))


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Hear of what was left behind for the collector: an open file, a coroutine that nobody awaited."""
    heard: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what an earlier trial left is not this one's
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield heard
        gc.collect()
    left = (
        one for one in caught if issubclass(one.category, ResourceWarning) or "never awaited" in str(one.message)
    )
    heard.extend(" ".join(str(one.message).split()) for one in left)


def _lacking(one: Rule, subject: Subject) -> tuple[Outcome, str] | None:
    """Return why a rule cannot be tried on a plugin, if so."""
    trial = subject.trial
    if trial is not None and one.id in trial.unfit:
        return Outcome.UNFIT, trial.unfit[one.id]
    if not one.needs:
        return None
    if trial is None:
        name = f"{subject.plugin.kind}.{subject.plugin.name}"
        return Outcome.MISSING, f'no Trial says how to set it up; add the entry point aoi_bridge.trials "{name}"'
    if "peer" in one.needs and subject.peer is None:
        name = f"{subject.plugin.kind}.{subject.plugin.name}"
        return Outcome.MISSING, f'it brings no peer; add the entry point aoi_bridge.peers "{name}"'
    fits = {
        "tcp": (trial.road in {"listens", "dials"}, "it does not speak TCP itself"),
        "dials": (trial.road == "dials", "it dials nobody"),
        "listens": (trial.road == "listens", "it does not listen"),
        "stream": (trial.stream, "its messages are no plain stream of parts"),
    }
    return next(((Outcome.UNFIT, fits[need][1]) for need in one.needs if need in fits and not fits[need][0]), None)


def _reason(exc: BaseException) -> str:
    """Return an error in one line; of a group, its first."""
    exc = _first(exc)
    if isinstance(exc, Broken | Unfit | Missing):
        return str(exc)
    if isinstance(exc, asyncio.CancelledError):
        return "it cancelled the task that used it"
    return explain(exc) if isinstance(exc, Exception) else repr(exc)


def _first(exc: BaseException) -> BaseException:
    """Return an error, or the first of a group of them."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc
