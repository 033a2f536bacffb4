"""What PLC programs do, as folders: CMD register images over time, and what STS must show after each.

``cases/README.md`` tells what stands in ``plc.jsonl`` and ``expected.jsonl``.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bridge.plugin import Verdict
from bridge_modbus.codec import (
    COMMAND_WORDS,
    STATUS_WORDS,
    ErrorCode,
    Status,
    VerdictCode,
    WordOrder,
    decode_command,
    decode_status,
    encode_status,
    takes_ok,
)
from bridge_modbus.effects import NEVER, Begin, Count, Effect, Write
from bridge_modbus.handshake import Handshake
from bridge_modbus.verdicts import Standing, echo_of
from bridge_modbus.words import text_words

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/plc.jsonl"))
SERIAL_AT, SERIAL_WORDS = 8, 16


@dataclass
class Station:
    """The registers of a PLC, and the bridge's machine that reads and writes them."""

    order: WordOrder = WordOrder.ABCD
    line: Standing = field(default_factory=lambda: Standing(ready=True))
    now: float = 100.0
    command: list[int] = field(default_factory=lambda: [0] * COMMAND_WORDS)
    registers: list[int] = field(default_factory=lambda: [0xFFFF] * STATUS_WORDS)
    begun: list[Begin] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    arriving: int = STATUS_WORDS
    """How many words of STS a write reaches before it breaks off."""
    _boots: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.boot()

    def boot(self) -> None:
        last = self.machine.last if hasattr(self, "machine") else None
        self.machine = Handshake(
            heartbeat_seconds=0.5,
            ack_timeout_seconds=2.0,
            name_boot=lambda: f"boot {next(self._boots)}",
            last=last,
        )
        self.do(self.machine.open(self.line, self.now))

    def _name_boot(self) -> str:
        return f"boot {next(self._boots)}"

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Write(block=block, first=first, count=amount):
                    words = encode_status(block, self.order)
                    end = min(first + amount, self.arriving)
                    self.registers[first:end] = words[first:end]
                case Begin():
                    self.begun.append(effect)
                    self.machine.begun()
                case Count(what):
                    self.counts.append(what)

    def step(self, step: dict[str, Any]) -> None:
        """Let one thing happen."""
        self.arriving = step.get("torn", STATUS_WORDS)
        if "reboot" in step:
            self.boot()
        if "reconnected" in step:
            self.do(self.machine.reconnected(self.now))
        if "line" in step:
            self.line = Standing(**{"ready": True, **step["line"]})
        self.now += step.get("wait", 0.0)
        for name, value in step.get("cmd", {}).items():
            if name == "SERIAL":
                self.command[SERIAL_AT : SERIAL_AT + SERIAL_WORDS] = text_words(value, SERIAL_WORDS, self.order)
            else:
                self.command[int(name)] = value
        if not step.get("still"):
            self.command[1] = (self.command[1] + 1) & 0xFFFF
        if "decide" in step:
            self._decide(step["decide"], step.get("part", -1))
        else:
            self.do(self.machine.seen(decode_command(self.command, self.order), self.line, self.now))

    def _decide(self, word: str, part: int) -> None:
        asked, verdict = self.begun[part], Verdict(word)
        good = verdict is Verdict.OK
        bits = Status.RESULTS_VALID | Status.ONLINE | (Status.OK if good else Status.NG)
        code = VerdictCode.OK if good else VerdictCode.NG
        made = echo_of(asked.command)
        result = type(made)(**{**{f: getattr(made, f) for f in made.__slots__}, "status": bits, "verdict": code})
        self.do(self.machine.decided(asked.key, result, NEVER, self.line, self.now))

    def shows(self) -> dict[str, object]:
        """Return what STS says, in words."""
        block = decode_status(self.registers, self.order)
        return {
            "state": self.machine.state.name,
            "status": sorted(bit.name or "" for bit in Status if bit in block.status and bit.value),
            "verdict": VerdictCode(block.verdict).name,
            "error": ErrorCode(block.error_code).name,
            "serial": block.serial,
            "part_id": block.part_id,
            "sequence": [block.sequence_head, block.sequence_tail],
            "asked": len(self.begun),
            "no_ok": takes_ok(block, decode_command(self.command, self.order), heartbeat_fresh=True),
        }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_plc_sees_what_the_case_says(case: Path) -> None:
    """After each step STS shows exactly what is expected of it; what a case leaves out may be anything."""
    options = case / "options.toml"
    chosen = tomllib.loads(options.read_text(encoding="utf-8")) if options.exists() else {}
    station = Station(order=WordOrder(chosen.get("word_order", "ABCD")))
    steps, expected = lines(case / "plc.jsonl"), lines(case / "expected.jsonl")
    assert len(steps) == len(expected)
    for number, (step, wanted) in enumerate(zip(steps, expected, strict=True), start=1):
        station.counts.clear()
        station.step(step)
        found = {**station.shows(), "counts": list(station.counts)}
        for fact, value in wanted.items():
            assert found[fact] == value, f"step {number}, {step}: {fact} is {found[fact]}"
