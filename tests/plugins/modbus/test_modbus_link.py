"""The connection itself: a verdict that was cut off by its deadline is not left for TCP to deliver later."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.plugin import Decision, Goal, Stage, Unavailable, Verdict
from bridge_modbus import ModbusOptions, open_reporter
from bridge_modbus.codec import CommandBlock, Status, encode_command

READ, WRITE_COIL, WRITE_REGISTERS = 3, 5, 16
SOON = 20.0
OK_DONE = {"ok": "coil 0", "done": "coil 1"}


class DeafPlc:
    """A PLC that answers until it is handed a verdict, as one does whose cable is pulled in that moment."""

    def __init__(self) -> None:
        self.writes_after = 0
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """How the connection with the verdict ended: reset or closed."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = "closed"
        try:
            await self._answer(reader, writer)
        except ConnectionResetError:
            ended = "reset"
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()
        if not self.end.done():
            self.end.set_result(ended)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        deaf = False
        while True:
            header = await reader.readexactly(7)
            body = await reader.readexactly(int.from_bytes(header[4:6], "big") - 1)
            self.writes_after += deaf
            deaf = deaf or _vouches(body)
            if not deaf:
                said = _answer_to(body)
                writer.write(header[:4] + struct.pack(">H", len(said) + 1) + header[6:] + said)


def _vouches(body: bytes) -> bool:
    """Return whether a write makes a verdict count: STATUS with ResultsValid, or the coil done."""
    function, address = struct.unpack(">BH", body[:3])
    if function == WRITE_COIL:
        return address == 1 and body[3] == 0xFF
    return address == 102 and bool(int.from_bytes(body[-2:], "big") & Status.RESULTS_VALID)


def _answer_to(body: bytes) -> bytes:
    function, address, count = struct.unpack(">BHH", body[:5])
    if function != READ:
        return body[:5]
    words = encode_command(CommandBlock(sequence=7, serial="S1"))[address : address + count]
    return struct.pack(f">BB{count}H", READ, 2 * count, *words)


@asynccontextmanager
async def deaf_plc() -> AsyncIterator[tuple[DeafPlc, int]]:
    plc = DeafPlc()
    server = await asyncio.start_server(plc.serve, "127.0.0.1", 0)
    async with server:
        yield plc, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("places", [None, OK_DONE])
async def test_a_verdict_cut_off_by_its_deadline_is_not_left_in_the_send_queue(places: object) -> None:
    """The connection is reset: a close would let TCP deliver it when the cable is back, to another part."""
    async with deaf_plc() as (plc, port):
        options = ModbusOptions.model_validate({"name": "plc", "host": "127.0.0.1", "port": port, "map": places})
        expires = asyncio.get_running_loop().time() + 0.3
        decision = Decision(
            id="0" * 32,
            line="L",
            goal=Goal.REPLACE,
            stage=Stage.LIVE,
            part="S1",
            final=Verdict.OK,
            expires=expires,
        )

        async def run() -> None:
            async with open_reporter(options) as report:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout_at(expires):
                        await report(decision)
                await asyncio.Event().wait()

        with pytest.raises(Unavailable, match="cut short"):
            await asyncio.wait_for(run(), SOON)
        assert await asyncio.wait_for(plc.end, SOON) == "reset"
        assert plc.writes_after == 0


async def test_what_the_library_says_of_a_lost_plc_is_not_said_twice() -> None:
    """The gateway's log has our own line for it; a PLC that is off must not fill a disk."""
    heard: list[logging.LogRecord] = []
    listener = logging.Handler()
    listener.emit = heard.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(listener)
    try:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
        with pytest.raises(Unavailable, match="cannot be reached"):
            async with open_reporter(ModbusOptions(name="plc", host="127.0.0.1", port=port, timeout_ms=200)):
                pass
    finally:
        logging.getLogger().removeHandler(listener)
    assert [record.getMessage() for record in heard if record.name.startswith("pymodbus")] == []
