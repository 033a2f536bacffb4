"""A network between a plugin and its peer: it cuts, glues, delays, swallows, spoils and breaks off at will.

It listens on one port and dials the other for each connection that comes. Which end is the plugin depends on who
dials; what goes *in* goes to the plugin, what goes *out* comes from it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

CHUNK_BYTES = 1 << 16
Way: TypeAlias = Literal["in", "out"]


def free_ports(count: int) -> list[int]:
    """Return so many TCP ports of loopback that were free a moment ago."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@dataclass
class Flow:
    """What happens to the bytes of one direction; every knob may be turned while they flow."""

    cut: int | None = None
    """Each chunk goes out in two packets, the first of so many bytes; 1-byte packets for 0."""
    pause_seconds: float = 0.0
    """How long each packet is held back."""
    sever_after: int | None = None
    """After so many more bytes the connection is cut, on both sides."""
    goodbye: bool = False
    """Whether it is closed then, as the system does for a program that was killed, or aborted."""
    seen: bytearray = field(default_factory=bytearray)
    """All bytes of this direction."""
    longest: int = 0
    """The longest chunk that was read at once."""
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    def hold(self) -> None:
        """Pass nothing on; all that comes meanwhile leaves in one packet when released."""
        self._open.clear()

    def release(self) -> None:
        """Go on after ``hold``."""
        self._open.set()

    @property
    def held(self) -> bool:
        """Whether nothing is passed on."""
        return not self._open.is_set()

    async def released(self) -> None:
        """Wait for ``release``."""
        await self._open.wait()

    def packets(self, data: bytes) -> Iterator[bytes]:
        """Return what one chunk leaves as."""
        if self.cut is None:
            yield data
        elif self.cut == 0:
            yield from (data[at : at + 1] for at in range(len(data)))
        else:
            yield from filter(None, (data[: self.cut], data[self.cut :]))


@dataclass
class Relay:
    """The network of one trial."""

    target: int
    """The port that it dials."""
    plugin_dials: bool
    into: Flow = field(default_factory=Flow)
    out: Flow = field(default_factory=Flow)
    deaf: bool = False
    """True to read nothing of what the plugin says on new and open connections."""
    _pairs: set[_Pair] = field(default_factory=set)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._pairs)

    async def connected(self) -> None:
        """Wait until a connection is open from end to end."""
        while not self._pairs:
            self._came.clear()
            await self._came.wait()

    async def inject(self, data: bytes) -> None:
        """Send bytes to the plugin on every open connection, as if its peer had sent them."""
        for pair in tuple(self._pairs):
            with suppress(OSError):
                pair.plugin.write(data)
                await pair.plugin.drain()

    def sever(self) -> None:
        """Cut every connection on both sides, without a goodbye."""
        for pair in tuple(self._pairs):
            pair.sever()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end is done, or gone."""
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        ways: tuple[Way, Way] = ("out", "in") if self.plugin_dials else ("in", "out")
        pair = _Pair(plugin=writer if self.plugin_dials else far_writer, near=writer, far=far_writer)
        self._pairs.add(pair)
        self._came.set()
        try:
            await asyncio.gather(
                self._carry(reader, far_writer, ways[0], pair), self._carry(far_reader, writer, ways[1], pair)
            )
        finally:
            self._pairs.discard(pair)
            pair.sever()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, pair: _Pair
    ) -> None:
        flow = self.into if way == "in" else self.out
        with suppress(OSError):
            while data := await self._read(reader, flow):
                if flow.sever_after is not None:
                    data, rest = data[: flow.sever_after], len(data) > flow.sever_after
                    flow.sever_after -= len(data)
                    writer.write(data)
                    await writer.drain()
                    if rest or not flow.sever_after:
                        flow.sever_after = None
                        await _let_it_arrive()
                        if flow.goodbye:
                            pair.plugin.close()
                            await _let_it_arrive()
                        pair.sever()
                        return
                    continue
                for packet in flow.packets(data):
                    if flow.pause_seconds:
                        await asyncio.sleep(flow.pause_seconds)
                    writer.write(packet)
                    await writer.drain()
                    if flow.cut is not None:
                        await _let_it_arrive()
            if writer.can_write_eof():
                writer.write_eof()
            return
        pair.sever()

    async def _read(self, reader: asyncio.StreamReader, flow: Flow) -> bytes:
        """Return the next bytes; while held, all that come until the release."""
        if flow is self.out and self.deaf:
            await asyncio.Event().wait()  # until the connection is cut, or the trial ends
        data = await reader.read(CHUNK_BYTES)
        flow.longest = max(flow.longest, len(data))
        while flow.held and data:
            more = asyncio.ensure_future(reader.read(CHUNK_BYTES))
            free = asyncio.ensure_future(flow.released())
            try:
                await asyncio.wait({more, free}, return_when=asyncio.FIRST_COMPLETED)
                if not more.done():
                    break
                if not (added := more.result()):
                    await flow.released()
                    break
                data += added
            finally:
                free.cancel()
                if not more.done():
                    more.cancel()
                    await asyncio.wait({more})
        flow.seen += data
        return data


@dataclass(eq=False)
class _Pair:
    """Both ends of one connection."""

    plugin: asyncio.StreamWriter
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter

    def sever(self) -> None:
        self.near.transport.abort()
        self.far.transport.abort()


async def _let_it_arrive() -> None:
    """Let the other side, which lives in this same loop, read one packet before the next is sent."""
    for _ in range(3):
        await asyncio.sleep(0)


@asynccontextmanager
async def relaying(port: int, target: int, *, plugin_dials: bool) -> AsyncIterator[Relay]:
    """Stand between the ports while the context lasts."""
    relay = Relay(target, plugin_dials)
    serving: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(relay.serve(reader, writer), name="trial-relay")
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, limit=CHUNK_BYTES)
    try:
        yield relay
    finally:
        server.close()
        relay.sever()
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)
