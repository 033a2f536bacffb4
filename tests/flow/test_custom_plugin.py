"""The example of a plugin of one's own: installed as a user does it, and true to a protocol that others speak."""

from __future__ import annotations

import asyncio
import importlib
import os
import struct
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pymcprotocol
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import Decision, Goal, Stage, Verdict
from bridge.plugin import Refused, Unavailable
from bridge.simulate.factory import free_ports

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "custom_plugin"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example into a folder, as pip does."""
    folder = tmp_path_factory.mktemp("installed")
    uv = Path(os.environ.get("UV", ROOT / ".venv" / "bin" / "uv"))
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", folder, EXAMPLE]
    subprocess.run(command, check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def mc(target: Path) -> ModuleType:
    """The plugin, out of that folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(target))
        for name in ("codec", "peer"):
            importlib.import_module(f"bridge_mc.{name}")
        return importlib.import_module("bridge_mc")


@pytest.fixture
def options(mc: ModuleType) -> Any:
    """Where a PLC and its reporter meet."""
    (port,) = free_ports(1)
    return mc.McOptions(name="plc", host="127.0.0.1", port=port, answer_timeout_seconds=2)


def decision(
    part: str = "SN0815", final: Verdict | None = Verdict.OK, seconds: float = 5, number: int = 70_000
) -> Decision:
    expires = asyncio.get_running_loop().time() + seconds
    return Decision(
        id="1" * 32,
        line="a",
        goal=Goal.REPLACE,
        stage=Stage.LIVE,
        part=part,
        final=final,
        number=number,
        expires=expires,
    )


def registers(port: int, first: int, number: int) -> list[int]:
    """Read D registers with a client that is not ours."""
    client = pymcprotocol.Type3E()
    client.connect("127.0.0.1", port)
    try:
        read: list[int] = client.batchread_wordunits(headdevice=f"D{first}", readsize=number)
        return [word & 0xFFFF for word in read]
    finally:
        client.close()


async def test_another_client_reads_what_the_reporter_wrote(mc: ModuleType, options: Any) -> None:
    """The result stands in the registers as the README's table says."""
    async with mc.peer.open_peer(options), mc.open_reporter(options) as report:
        await report(decision())
        words = await asyncio.to_thread(registers, options.port, options.first_register, 12)
    assert words[:2] == [1, 1]
    assert words[2] + (words[3] << 16) == 70_000
    assert struct.pack("<8H", *words[4:]).rstrip(b"\0") == b"SN0815"


async def test_another_client_writes_what_the_plc_understands(mc: ModuleType, options: Any) -> None:
    """The simulated PLC is a PLC to others too, so that it proves something of the reporter."""

    def write() -> list[int]:
        client = pymcprotocol.Type3E()
        client.connect("127.0.0.1", options.port)
        try:
            client.batchwrite_wordunits(headdevice="D200", values=[1, 2, 0x7FFF])
            read: list[int] = client.batchread_wordunits(headdevice="D200", readsize=3)
            with pytest.raises(pymcprotocol.mcprotocolerror.MCProtocolError, match="0x4031"):
                client.batchread_wordunits(headdevice="D12287", readsize=2)
            return read
        finally:
            client.close()

    async with mc.peer.open_peer(options):
        assert await asyncio.to_thread(write) == [1, 2, 0x7FFF]


@given(register=st.integers(0, 0xFF_FFF0), words=st.lists(st.integers(0, 0x7FFF), min_size=1, max_size=12))
def test_a_request_is_byte_for_byte_that_of_another_client(
    mc: ModuleType, register: int, words: list[int]
) -> None:
    """Two that never met write the same."""
    sent: list[bytes] = []
    client = pymcprotocol.Type3E()
    client._send = sent.append
    client._recv = lambda: bytes(11)
    client.batchwrite_wordunits(headdevice=f"D{register}", values=words)
    assert mc.codec.write(register, words) == sent[0]


async def test_what_is_valid_is_whole(mc: ModuleType, options: Any) -> None:
    """At no moment stands a valid word above the result of another part."""
    seen: list[tuple[int, bytes]] = []
    async with mc.peer.open_peer(options) as plc, mc.open_reporter(options) as report:
        answer = plc._answer

        async def watched(body: bytes) -> tuple[int, bytes]:
            answered: tuple[int, bytes] = await answer(body)
            words = plc.registers[options.first_register : options.first_register + 12]
            seen.append((words[0], struct.pack("<8H", *words[4:]).rstrip(b"\0")))
            return answered

        plc._answer = watched
        await asyncio.gather(report(decision("SN1")), report(decision("SN2", Verdict.NG)))
    assert seen == [(0, b"SN1"), (1, b"SN1"), (0, b"SN2"), (1, b"SN2")]


async def test_what_was_valid_before_is_taken_back_when_it_opens(mc: ModuleType, options: Any) -> None:
    """After a restart the next part must not pass on the verdict of the last."""
    async with mc.peer.open_peer(options) as plc:
        plc.registers[options.first_register] = 1
        async with mc.open_reporter(options):
            assert plc.registers[options.first_register] == 0


@pytest.mark.parametrize(("code", "error"), [(0x0055, Refused), (0x4031, Refused), (0xCEE0, Unavailable)])
async def test_an_end_code_says_who_acts_next(
    mc: ModuleType, options: Any, code: int, error: type[Exception]
) -> None:
    """A PLC that will not is no PLC that is busy; the valid word is not written after either."""
    async with mc.peer.open_peer(options) as plc, mc.open_reporter(options) as report:
        plc.refuses = code
        with pytest.raises(error, match=f"{code:04X}"):
            await report(decision())
        assert plc.registers[options.first_register] == 0
        if error is Refused:
            plc.refuses = 0
            await report(decision())
            assert plc.registers[options.first_register] == 1, "a refusal is an answer: the connection goes on"


async def test_a_serial_number_without_room_is_refused(mc: ModuleType, options: Any) -> None:
    """Cut short, it could be another part's."""
    async with mc.peer.open_peer(options) as plc, mc.open_reporter(options) as report:
        with pytest.raises(Refused, match="17 bytes"):
            await report(decision("S" * 17))
        assert plc.registers[options.first_register] == 0
