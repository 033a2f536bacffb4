"""The PLC's side in structured text: it parses, means what the adapter means, and its twin runs a real bridge."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from blark.parse import parse_source_code

from bridge_modbus.codec import (
    COMMAND_WORDS,
    STATUS_WORDS,
    CommandBlock,
    Control,
    Status,
    StatusBlock,
    VerdictCode,
    encode_command,
    encode_status,
)

FOLDER = Path(__file__).parents[2] / "examples" / "plc_handshake"
TEXT = (FOLDER / "aoi_bridge.st").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


BLOCK = script("function_block")
RUN = script("run")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("role", ["client", "server"])
async def test_the_example_runs(role: str) -> None:
    """OK passes, everything else is rejected, a dead bridge too."""
    why = BLOCK.Why
    assert await RUN.main(role) == {
        "OK": (True, why.NONE),
        "NG": (False, why.NG),
        "another recipe": (True, why.NONE),
        "a recipe nobody knows": (False, why.NG),
        "a dead bridge": (False, why.NOT_READY),
    }


def test_the_structured_text_is_structured_text() -> None:
    """By a parser that is not ours."""
    parsed = parse_source_code(TEXT)
    assert parsed.exception is None
    names = [type(item).__name__ for item in parsed.transform().items]
    assert names == ["DataTypeDeclaration", "DataTypeDeclaration", "Function", "FunctionBlock"]


def places(name: str) -> dict[str, int]:
    """Return where each member of a structure lies, counted in words, and how many there are in all."""
    [body] = re.findall(rf"TYPE {name} :\s*STRUCT(.*?)END_STRUCT", TEXT, re.DOTALL)
    found, at = {}, 0
    for member, last, said in re.findall(r"(\w+) : (?:ARRAY \[0\.\.(\d+)\] OF )?WORD;\s*\(\* *(\d+)", body):
        assert int(said) == at, f"{member} says {said}"
        found[member] = at
        at += int(last) + 1 if last else 1
    return {**found, "": at}


def test_the_structures_are_the_register_map() -> None:
    """Each member lies where the adapter writes or reads it."""
    cmd, sts = places("ST_AoiCmd"), places("ST_AoiSts")
    assert (cmd[""], sts[""]) == (COMMAND_WORDS, STATUS_WORDS)
    told = encode_command(
        CommandBlock(
            heartbeat=1, sequence=2, recipe=3, part_id=0x40005, legacy=1, deadline_ms=7, serial="AB", echo=(9,) * 5
        )
    )
    members = (
        "wHeartbeat",
        "wSequence",
        "wRecipe",
        "wPartIdHigh",
        "wPartIdLow",
        "wLegacy",
        "wDeadlineMs",
        "awSerial",
    )
    assert [told[cmd[member]] for member in members] == [1, 2, 3, 4, 5, 1, 7, 0x4142]
    assert told[cmd["awEcho"]] == 9
    said = encode_status(
        StatusBlock(
            sequence_head=1,
            heartbeat=2,
            verdict=2,
            part_id=0x40005,
            heartbeat_echo=6,
            serial="AB",
            sequence_tail=7,
        )
    )
    names = (
        "wSeqHead",
        "wHeartbeat",
        "wVerdict",
        "wPartIdHigh",
        "wPartIdLow",
        "wHeartbeatEcho",
        "awSerial",
        "wSeqTail",
    )
    assert [said[sts[member]] for member in names] == [1, 2, 2, 4, 5, 6, 0x4142, 7]
    assert said[sts["awConstants"]] == 0x1234


def constants() -> dict[str, int]:
    found = re.findall(r"\bC_(\w+) : (?:WORD|INT) := (16#)?([0-9A-F]+);", TEXT)
    return {name: int(number, 16 if base else 10) for name, base, number in found}


def test_every_number_of_the_text_is_the_adapters_and_its_twins() -> None:
    said = constants()
    for prefix, names in (("CTRL", Control), ("STS", Status)):
        mine = {
            name.removeprefix(f"{prefix}_"): bit for name, bit in said.items() if name.startswith(f"{prefix}_")
        }
        assert mine
        for name, bit in mine.items():
            assert names[name] == bit == getattr(BLOCK, f"{prefix}_{name}")
    assert said["VERDICT_OK"] == VerdictCode.OK == BLOCK.VERDICT_OK
    assert {name: said[name] for name in BLOCK.State.__members__} == dict(BLOCK.State.__members__)
    assert {name: said[f"WHY_{name}"] for name in BLOCK.Why.__members__} == dict(BLOCK.Why.__members__)


class Wire:
    """A bridge of a few lines for the function block's twin, with time that a test moves."""

    def __init__(self) -> None:
        self.block, self.sts, self.now = BLOCK.AoiBridge(), [0] * STATUS_WORDS, 100.0
        self.sts[2] = Status.ONLINE | Status.READY

    def scan(self, seconds: float = 0.1, *, beats: bool = True) -> Any:
        self.now += seconds
        self.sts[1] = (self.sts[1] + beats) & 0xFFFF
        self.sts[14] = self.block.cmd[1]
        self.block.scan(self.sts, self.now)
        return self.block

    def until_waiting(self) -> Any:
        """Bring a part as far as the wait for its result."""
        for _ in range(4):
            self.scan()
        self.block.serial, self.block.part_id, self.block.part = "P1", 7, True
        for _ in range(3):
            self.scan()
        assert self.block.cmd[0] & Control.TRIGGER
        self.sts[2] = Status.ONLINE | Status.TRIGGER_ACK | Status.BUSY
        assert self.scan().state is BLOCK.State.WAITING
        return self.block

    def answer(self, **changes: Any) -> None:
        facts = {"sequence_head": 1, "sequence_tail": 1, "part_id": 7, "serial": "P1", "verdict": VerdictCode.OK}
        status = Status.ONLINE | Status.TRIGGER_ACK | Status.RESULTS_VALID | Status.OK
        block = StatusBlock(**{"status": status, "heartbeat": self.sts[1], **facts, **changes})
        self.sts = encode_status(block)


def test_an_ok_that_is_whole_passes_the_part_and_is_acknowledged() -> None:
    wire = Wire()
    block = wire.until_waiting()
    wire.answer()
    wire.scan()
    assert (block.done, block.ok, block.cmd[0]) == (True, True, Control.ENABLE | Control.RESULT_ACK)
    wire.sts[2] = Status.ONLINE
    block.part = False
    assert wire.scan().cmd[0] == Control.ENABLE
    assert block.state is BLOCK.State.READY


VALID = Status.ONLINE | Status.TRIGGER_ACK | Status.RESULTS_VALID


@pytest.mark.parametrize(
    "broken",
    [
        {"status": VALID},
        {"status": VALID | Status.OK | Status.NG},
        {"status": VALID & ~Status.RESULTS_VALID | Status.OK},
        {"verdict": VerdictCode.NG},
        {"verdict": VerdictCode.REVIEW},
        {"verdict": VerdictCode.NONE},
        {"sequence_head": 2},
        {"sequence_tail": 0},
        {"part_id": 8},
        {"serial": "P2"},
    ],
)
def test_an_ok_that_lacks_anything_passes_nothing(broken: dict[str, Any]) -> None:
    """At once or by the deadline, but the part is rejected."""
    wire = Wire()
    block = wire.until_waiting()
    wire.answer(**broken)
    for _ in range(12):
        wire.scan()
    assert (block.done, block.ok) == (True, False)


def test_a_bridge_that_dies_meanwhile_passes_nothing() -> None:
    """Its registers keep an OK for this very part; the heartbeat does not move."""
    wire = Wire()
    block = wire.until_waiting()
    block.deadline = 10.0
    for _ in range(30):
        wire.scan(beats=False)
    assert (block.done, block.ok, block.why) == (True, False, BLOCK.Why.DEAD)
    wire.answer()
    assert not wire.scan(beats=False).ok


def test_a_result_after_the_deadline_is_never_taken() -> None:
    wire = Wire()
    block = wire.until_waiting()
    wire.scan(1.0)
    assert (block.done, block.why, block.cmd[0]) == (True, BLOCK.Why.DEADLINE, Control.ENABLE)
    wire.answer()
    wire.scan()
    assert (block.ok, block.cmd[0]) == (False, Control.ENABLE | Control.RESULT_ACK), "taken back, not taken"


def test_a_part_that_comes_too_early_does_not_wait() -> None:
    wire = Wire()
    wire.block.part = True
    assert (wire.scan().done, wire.block.why) == (True, BLOCK.Why.NOT_READY)


def test_the_sequence_never_is_0() -> None:
    assert [BLOCK.following(word) for word in (0, 1, 0xFFFE, 0xFFFF)] == [1, 2, 0xFFFF, 1]
