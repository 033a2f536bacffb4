"""What a label road owes its host and its station, whatever road the labels come by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import Unavailable
from bridge.labels import Label
from bridge.messages import Verdict
from bridge.plugin.peers import Say
from bridge.plugin.testkit.leaks import leaving_nothing
from bridge.plugin.testkit.rules import Bench, Broken, Need, rule
from bridge.plugin.testkit.stage import Stage, stage, stop, together

PEER: tuple[Need, ...] = ("trial", "peer")


@rule("a label arrives once, as it was said: verdict, part, person, defect and time", "labels", needs=PEER)
async def label_arrives(bench: Bench) -> None:
    """What a person said is what counts."""
    async with leaving_nothing(), _listening(bench) as (where, say):
        for number, verdict in enumerate((Verdict.NG, Verdict.OK)):
            label = where.label(number, verdict)
            await where.say(say, label)
            came = await _came(where, label)
            if _facts(came) != _facts(label):
                raise Broken(f"{_facts(label)} was said, and arrived as {_facts(came)}")
        if len(where.listener.labels) > len({label.part for label in where.listener.labels}):
            raise Broken("a label that was said once arrived twice")


@rule("a label that was not written down is not acknowledged, and comes again under its key", "labels", needs=PEER)
async def label_unwritten_comes_again(bench: Bench) -> None:
    """A full disk at night must not cost the day's labels."""
    async with _listening(bench) as (where, say):
        where.listener.refusing = 1
        label = where.label()
        try:
            await say(label)
        except Unavailable:
            await where.say(say, label)
        came = await _came(where, label)
        if not where.listener.refused:
            raise Broken("a label arrived, though the first telling was refused")
        if came.key != where.listener.refused[0].key:
            raise Broken(f"it came under the key {where.listener.refused[0].key!r}, and again under {came.key!r}")


@rule("the same label said again has the same key", "labels", needs=PEER)
async def label_key_is_stable(bench: Bench) -> None:
    """By the key a label that comes twice counts once."""
    async with _listening(bench) as (where, say):
        first, other = where.label(0), where.label(1)
        for label in (first, first, other):
            await where.say(say, label)
        await _came(where, other)
        keys = {label.key for label in where.listener.labels if label.part == first.part}
        others = {label.key for label in where.listener.labels if label.part == other.part}
    if len(keys) > 1:
        raise Broken(f"the same label came as {sorted(map(str, keys))}")
    if keys & others - {None}:
        raise Broken(f"two labels came under one key, {keys!r}")
    if keys == {None}:
        bench.notes.append("it has no keys: every label is new")


@asynccontextmanager
async def _listening(bench: Bench) -> AsyncIterator[tuple[Stage, Say]]:
    """Keep a label road at work, with its station beside it."""
    async with stage(bench) as where, where.peer() as say, together() as tasks:
        working = tasks.create_task(where.keep(lambda road: road(where.listener)), name="trial-labels")
        await where.until(lambda: where.opened > 0, "opening of the label road")
        yield where, say
        await stop(working, where.trial.close_seconds)


async def _came(where: Stage, label: Label) -> Label:
    def found() -> list[Label]:
        return [one for one in where.listener.labels if one.part == label.part]

    await where.until(lambda: bool(found()), f"label on {label.part}")
    return found()[0]


def _facts(label: Label) -> tuple[object, ...]:
    return label.verdict, label.part, label.who, label.defect, label.at
