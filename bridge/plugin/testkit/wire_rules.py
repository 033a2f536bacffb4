"""What a network may do to a source that speaks TCP: cut, glue, delay, spoil, fall silent, break off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from itertools import product

from bridge.errors import Unavailable
from bridge.messages import Inspection, Verdict
from bridge.plugin.peers import Play
from bridge.plugin.testkit.leaks import leaving_nothing
from bridge.plugin.testkit.rules import Bench, Broken, Need, Unfit, rule
from bridge.plugin.testkit.source_rules import arrived, once_each
from bridge.plugin.testkit.stage import Stage, at_work

WIRE: tuple[Need, ...] = ("trial", "peer", "tcp")
STREAM: tuple[Need, ...] = (*WIRE, "stream")
CUTS = 160
"""A chunk longer than this is cut at so many places, spread over it."""
SLOW_SECONDS = 0.03
FLOOD_BYTES = 256 << 10


@rule("a part that comes in two packets, cut at any byte, or byte by byte, is the same part", "source", needs=WIRE)
async def cut_anywhere(bench: Bench) -> None:
    """TCP keeps bytes in order, and nothing else."""
    async with at_work(bench, relayed=True) as (where, play):
        whole, answer = await _read(where, play, where.part())
        longest = where.wire.into.longest
        places = [0, *range(1, longest, max(1, longest // CUTS))]
        for number, cut in enumerate(places, start=1):
            where.wire.into.cut = cut
            part, said = await _read(where, play, where.part(number))
            how = f"cut after byte {cut}" if cut else "byte by byte"
            if part != whole:
                raise Broken(f"{how} a part arrived as {_difference(part, whole)}")
            if said != answer:
                raise Broken(f"{how} a part was answered {said}, uncut {answer}")
        once_each(where)
    bench.notes.append(f"at {len(places) - 1} places of {longest} bytes")


@rule("two parts in one packet are two parts", "source", needs=STREAM)
async def glued(bench: Bench) -> None:
    """A network hands over in one read what was sent in two writes."""
    async with at_work(bench, relayed=True) as (where, play):
        whole, answer = await _read(where, play, where.part())
        if answer is not None:
            raise Unfit("its inspector waits for each answer before it sends the next part")
        where.wire.into.hold()
        parts = [where.part(1), where.part(2), where.part(3)]
        for part in parts:
            await where.play(play, part)
        await asyncio.sleep(SLOW_SECONDS)
        where.wire.into.release()
        for part in parts:
            await arrived(where, part)
            if (found := _facts(where, part)) != whole:
                raise Broken(f"glued to others a part arrived as {_difference(found, whole)}")
        if [part.part for part in where.line.parts[1:]] != [part.part for part in parts]:
            raise Broken(f"glued together the parts arrived as {[part.part for part in where.line.parts[1:]]}")


@rule("a slow network delays a part, and changes nothing", "source", needs=WIRE)
async def slow(bench: Bench) -> None:
    """A machine on a radio link sends a frame over some tenths of a second."""
    async with at_work(bench, relayed=True) as (where, play):
        whole, _ = await _read(where, play, where.part())
        where.wire.into.pause_seconds, where.wire.into.cut = SLOW_SECONDS, max(1, where.wire.into.longest // 2)
        part, _ = await _read(where, play, where.part(1))
        if part != whole:
            raise Broken(f"slowly a part arrived as {_difference(part, whole)}")


@rule(
    "garbage on the wire is no part, is never OK, and costs no part that comes after it",
    "source",
    needs=WIRE,
    limit_seconds=180,
)
async def garbage(bench: Bench) -> None:
    """A scanner of the IT department sends HTTP to every port; a disturbed cable sends anything."""
    async with leaving_nothing(), at_work(bench, relayed=True) as (where, play):
        await _read(where, play, where.part())
        played = {where.part().part}
        for number, noise in enumerate(_noises(), start=1):
            part = where.part(number)
            played.add(part.part)
            async with _noisy(where, noise):
                await _until_it_comes(where, play, part)
            if strange := [one for one in where.line.parts if one.part not in played and one.legacy is Verdict.OK]:
                raise Broken(f"{noise[:16]!r}… became part {strange[0].part!r} with the verdict OK")


@rule("a connection that is cut in the middle of a part costs this part at most", "source", needs=WIRE)
async def cut_off(bench: Bench) -> None:
    """A part of which half has come is no part; sent again it is one."""
    async with leaving_nothing(), at_work(bench, relayed=True) as (where, play):
        whole, _ = await _read(where, play, where.part())
        longest = where.wire.into.longest
        places = sorted({1, longest // 3, longest // 2, longest - 3, longest - 2, longest - 1})
        played = {where.part().part}
        for number, (after, goodbye) in enumerate(product(places, (False, True)), start=1):
            where.wire.into.sever_after, where.wire.into.goodbye = max(1, after), goodbye
            part = where.part(number)
            await _until_it_comes(where, play, part)
            where.wire.into.sever_after = None
            played.add(part.part)
            if strange := [one.part for one in where.line.parts if one.part not in played]:
                raise Broken(f"cut off after byte {after} a part arrived as {strange[0]!r}")
            for found in [
                _facts_of(where, at) for at, one in enumerate(where.line.parts) if one.part == part.part
            ]:
                if found != whole:
                    raise Broken(f"cut off after byte {after} a part arrived as {_difference(found, whole)}")


@rule(
    "an inspector that goes while its part is judged cancels nothing, and is served when it is back",
    "source",
    needs=WIRE,
)
async def peer_lost(bench: Bench) -> None:
    """The part is on its way: the journal and the MES want it, whoever has gone."""
    async with leaving_nothing(), at_work(bench, relayed=True) as (where, play):
        where.line.hold()
        playing = asyncio.create_task(_quietly(play, where.part()), name="trial-play")
        try:
            await where.until(lambda: bool(where.line.parts), "part")
            where.wire.sever()
            await asyncio.sleep(SLOW_SECONDS)
            where.line.release()
            await where.until(
                lambda: bool(where.line.answered), "decision on the part of an inspector that has gone"
            )
            await asyncio.wait({playing}, timeout=2 * where.trial.seconds)
        finally:
            playing.cancel()
            await asyncio.wait({playing})
        await _until_it_comes(where, play, where.part(1))


@asynccontextmanager
async def _noisy(where: Stage, noise: bytes) -> AsyncIterator[None]:
    """Send garbage to the plugin on every connection that it has, and where it listens on one of its own too."""
    await where.wire.inject(noise)
    if where.trial.road == "dials":
        yield
        return
    _, writer = await asyncio.open_connection("127.0.0.1", where.near.port)
    try:
        with suppress(OSError):
            writer.write(noise)
            await where.in_time(writer.drain(), "taking in garbage")
        yield
    finally:
        writer.transport.abort()


async def _read(where: Stage, play: Play, part: Inspection) -> tuple[dict[str, object], Verdict | None]:
    """Hand a part over and return what the line saw of it, and what was answered."""
    answer = await where.play(play, part)
    await arrived(where, part)
    return _facts(where, part), answer


async def _until_it_comes(where: Stage, play: Play, part: Inspection) -> None:
    """Hand a part over until it arrives: an inspector that loses its connection sends its part again."""
    clock = asyncio.get_running_loop().time
    until = clock() + 2 * where.trial.seconds
    while not where.line.of(part.part):
        await where.in_time(_quietly(play, part), f"handing over part {part.part}", until - clock())
        await _soon(where, part)
        if clock() >= until:
            raise Broken(f"part {part.part} did not arrive in {2 * where.trial.seconds:g} s{where.said()}")


async def _soon(where: Stage, part: Inspection) -> None:
    """Give a part that was handed over the time to arrive."""
    for _ in range(20):
        if where.line.of(part.part):
            return
        await asyncio.sleep(0.01)


async def _quietly(play: Play, part: Inspection) -> Verdict | None:
    try:
        return await play(part)
    except Unavailable:
        return None


def _facts(where: Stage, part: Inspection) -> dict[str, object]:
    """Return all that the line saw of a part, but what differs from presentation to presentation."""
    at = next(at for at, one in enumerate(where.line.parts) if one.part == part.part)
    return _facts_of(where, at)


def _facts_of(where: Stage, at: int) -> dict[str, object]:
    part = where.line.parts[at]
    plain = asdict(replace(part, part="", key=None, event=None, sequence=None, backlog=False, counter=None))
    for view in plain["views"]:
        view["image"], view["reference"] = len(view["image"] or b""), ""
    return {**plain, "images": where.line.images[at]}


def _difference(found: dict[str, object], whole: dict[str, object]) -> str:
    name = next(name for name in whole if found.get(name) != whole[name])
    return f"{name} = {found.get(name)!r} instead of {whole[name]!r}"


def _noises() -> list[bytes]:
    """Return garbage of several kinds; the same each time."""
    noise = random.Random(4711)  # noqa: S311 - garbage, no secret
    return [
        b"\x00",
        b"\xff" * 64,
        b"GET / HTTP/1.1\r\nHost: bridge\r\n\r\n",
        bytes(noise.randrange(128, 256) for _ in range(300)),
        noise.randbytes(FLOOD_BYTES),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise.randbytes(300),
    ]
