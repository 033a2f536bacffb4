"""Opening and closing: without a peer, twice in a row, cancelled anywhere, and never blocking the loop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge.explaining import explain
from bridge.messages import View
from bridge.plugin.testkit.awaits import Awaits
from bridge.plugin.testkit.blocking import nothing_blocks
from bridge.plugin.testkit.leaks import leaving_nothing
from bridge.plugin.testkit.reporting import told_to
from bridge.plugin.testkit.rules import Bench, Broken, rule
from bridge.plugin.testkit.stage import Stage, is_unavailable, stage, stop
from bridge.plugin.trial import grey

SETTLE_SECONDS = 0.3
"""How long a plugin without a peer is watched after it was opened."""
SWEEP_SECONDS = 8.0
"""How long cancelling at one await after the other may take; with more awaits than that, some are left out."""
FEEDING = frozenset({"source", "labels"})
"""The kinds of plugins that work until they are cancelled."""
FEWEST = 8
"""So many awaits are tried however long that takes."""


@rule("without its peer it says Unavailable in time, or opens and waits", needs=("trial", "dials"))
async def peer_away(bench: Bench) -> None:
    """At six in the morning the peers start in any order."""
    async with leaving_nothing(), stage(bench, alone=True) as where:
        await where.in_time(_alone(where), "opening without a peer")


@rule(
    "with a peer that takes the connection and says nothing it stays patient, or says Unavailable in time",
    needs=("trial", "dials"),
)
async def peer_silent(bench: Bench) -> None:
    """A machine whose program hangs still takes connections."""
    async with leaving_nothing(), stage(bench, alone=True) as where, _mute(where.near.port):
        await where.in_time(_alone(where), "opening with a silent peer", where.trial.seconds * 2)


@rule("a port that somebody else has is Unavailable", "source", "labels", needs=("trial", "listens"))
async def port_taken(bench: Bench) -> None:
    """The old program still runs when ours is started."""
    async with leaving_nothing(), stage(bench) as where, _mute(where.near.port):
        try:
            async with asyncio.timeout(where.trial.seconds), where.open() as source:
                await source(where.host)
        except Exception as exc:
            if not is_unavailable(exc):
                raise Broken(f"of a port that is taken it says {explain(exc)}, not Unavailable") from exc
        else:
            raise Broken("it opened on a port that is taken")


@rule("it opens twice in a row, and leaves nothing running and its port free", limit_seconds=180)
async def closes_clean(bench: Bench) -> None:
    """A reload closes a plugin and opens it again in the same moment."""
    for _ in range(2):
        async with leaving_nothing(), stage(bench) as where:
            for _ in range(2):
                await _once(where)
            if where.trial.road == "listens":
                _bind(where.near.port)


@rule(
    "cancelled at any await it closes in time, lets the cancellation pass, and leaves nothing behind",
    limit_seconds=240,
)
async def cancelled_anywhere(bench: Bench) -> None:
    """A reload, a deadline or Ctrl-C comes at any moment."""
    began = time.monotonic()
    total = await _cancelled(bench, None)
    lasted = time.monotonic() - began
    chosen = _chosen(total, max(FEWEST, int(SWEEP_SECONDS / lasted)))
    for number in chosen:
        await _cancelled(bench, number)
    bench.notes.append(f"at {len(chosen)} of {total} awaits" if len(chosen) < total else f"at all {total} awaits")


@rule("nothing that it does blocks the event loop")
async def nothing_blocks_the_loop(bench: Bench) -> None:
    """All lines of a gateway share one loop: who blocks it blocks every other line."""
    with nothing_blocks(bench.subject.package) as blocked:
        try:
            async with stage(bench) as where:
                await _once(where)
        finally:
            if blocked:
                raise Broken(blocked[0])


async def _alone(where: Stage) -> None:
    """Open and use a plugin that has no peer; only Unavailable may come of it."""
    try:
        async with where.open() as verb:
            await _used_alone(where, verb)
    except Exception as exc:
        if isinstance(exc, Broken):
            raise
        if not is_unavailable(exc):
            raise Broken(f"it says {explain(exc)}, not Unavailable") from exc


async def _used_alone(where: Stage, verb: Any) -> None:
    """Use what was opened without a peer; a source may wait for one, others must say that there is none."""
    kind = where.subject.plugin.kind
    if kind not in FEEDING:
        await verb(told_to(where, 1) if kind == "reporter" else [View(name="1", image=grey(128))])
        raise Broken("without a peer it did its work, as if somebody had taken it")
    running = asyncio.create_task(verb(where.host), name="trial-source")
    await asyncio.wait({running}, timeout=SETTLE_SECONDS)
    if running.done():
        running.result()
        raise Broken("without a peer it ended, as if there would never be another part")
    await stop(running, where.trial.close_seconds)


async def _once(where: Stage) -> None:
    """Open the plugin, have it do its work once, close it."""
    run, done = _work(where)
    async with _beside(where, done):
        task = asyncio.create_task(run(), name="trial-run")
        await _ended(where, task, done)


async def _cancelled(bench: Bench, at: int | None) -> int:
    """Run once, cancelled at this await; return how many awaits there were."""
    awaits = Awaits(at, bench.subject.package)
    async with _said_where(awaits), leaving_nothing("after it was cancelled"), stage(bench) as where:
        run, done = _work(where)
        async with _beside(where, done):
            task = awaits.start(run)
            await _ended(where, task, done, awaits)
            asyncio.get_running_loop().set_task_factory(None)
            if left := [one for one in awaits.tasks if not one.done()]:
                await asyncio.wait(left, timeout=where.trial.close_seconds)
            if left := [one for one in left if not one.done()]:
                raise Broken(f"the task {left[0].get_name()!r} runs on")
    return awaits.met


@asynccontextmanager
async def _said_where(awaits: Awaits) -> AsyncIterator[None]:
    """Have a flaw tell at which await, and in which line of the plugin, the run was cancelled."""
    try:
        yield
    except Broken as exc:
        place = f" ({awaits.place})" if awaits.place else ""
        when = f"at await {awaits.at}{place}" if awaits.at else "at the end"
        raise Broken(f"cancelled {when}: {exc}") from exc


async def _ended(
    where: Stage, task: asyncio.Task[None], done: asyncio.Event, awaits: Awaits | None = None
) -> None:
    """Wait until the run has done its work, end it as the host does, and look at how it ended."""
    waiting = asyncio.create_task(done.wait(), name="trial-done")
    await asyncio.wait({task, waiting}, timeout=where.trial.seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    struck = awaits is not None and awaits.struck
    if not task.done() and not done.is_set() and not struck:
        task.cancel()
        await asyncio.wait({task}, timeout=where.trial.close_seconds)
        raise Broken(f"did not do its work in {where.trial.seconds:g} s{where.said()}")
    if not task.done():
        if where.subject.plugin.kind in FEEDING and not struck:
            task.cancel()
        await asyncio.wait({task}, timeout=where.trial.close_seconds)
        if not task.done():
            raise Broken(f"was not closed {where.trial.close_seconds:g} s later")
    if task.cancelled():
        return
    if (error := task.exception()) is not None:
        raise Broken(f"it raised {explain(error)}")
    if awaits is not None and awaits.struck:
        raise Broken("it went on as if it had not been cancelled")


def _work(where: Stage) -> tuple[Callable[[], Coroutine[Any, Any, None]], asyncio.Event]:
    """Return one whole life of the plugin, and the event of its work being done."""
    done = asyncio.Event()

    async def feeding() -> None:
        async with where.open() as source:
            where.opened += 1
            await source(where.host)

    async def reporting() -> None:
        async with where.open() as report:
            where.opened += 1
            await report(told_to(where, 1))
        done.set()

    async def judging() -> None:
        async with where.open() as judge:
            where.opened += 1
            await judge([View(name="1", image=grey(128))])
        done.set()

    works = {"source": feeding, "labels": feeding, "reporter": reporting, "judge": judging}
    return works[where.subject.plugin.kind], done


@asynccontextmanager
async def _beside(where: Stage, done: asyncio.Event) -> AsyncIterator[None]:
    """Hold the peer, and have it do its part for as long as the plugin works."""
    if where.subject.peer is None:
        yield
        return
    async with where.peer() as peer:
        acting = asyncio.create_task(_act(where, peer, done), name="trial-peer")
        try:
            yield
        finally:
            acting.cancel()
            await asyncio.wait({acting})
            if not acting.cancelled():
                acting.result()


async def _act(where: Stage, peer: Any, done: asyncio.Event) -> None:
    """Play one part, or say one label, until it is taken; stand at the station of a reporter that tells a PLC."""
    if where.subject.plugin.kind == "source":
        life = len(where.line.answered)
        await where.play(peer, where.part(life))
        await where.line.until(lambda: len(where.line.answered) > life)
        done.set()
    elif where.subject.plugin.kind == "labels":
        life = len(where.listener.labels)
        await where.say(peer, where.label(life))
        await where.listener.until(lambda: len(where.listener.labels) > life)
        done.set()
    elif hasattr(peer, "present"):
        await peer.present(where.part().part, where.trial.seconds)


def _chosen(total: int, most: int) -> Sequence[int]:
    """Return which of so many awaits are tried: all, or the first and others spread over the rest."""
    if total <= most:
        return range(1, total + 1)
    return sorted({1 + round(at * (total - 1) / (most - 1)) for at in range(most)})


def _bind(port: int) -> None:
    """Take the port as a program does that is started in this moment."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as exc:
        raise Broken(f"its port is not free after it was closed: {exc.strerror}") from exc


@asynccontextmanager
async def _mute(port: int) -> AsyncIterator[None]:
    """Take connections on a port, and say nothing."""
    writers: list[asyncio.StreamWriter] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while await reader.read(1 << 16):
                pass
        except OSError:
            return

    server = await asyncio.start_server(take, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
