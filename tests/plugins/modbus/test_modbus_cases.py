"""Options as folders: a mistake and the words it must cost, or a decision and what a simple map writes for it.

``options.toml`` holds the reporter's options. ``expected.err`` holds words of the mistake in them; else
``decision.json`` holds what differs from a plain decision, and ``expected.jsonl`` the writes that set something,
in order: the kind of place, its address, its value.
"""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.plugin import Decision, Goal, Stage, Verdict
from bridge_modbus import ModbusOptions, open_reporter
from bridge_modbus.plc_memory import COILS, Memory, serve

FOLDER = Path(__file__).parents[3] / "plugins" / "bridge_modbus"
CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())
MISTAKES = [case for case in CASES if (case / "expected.err").exists()]
TOLD = [case for case in CASES if (case / "decision.json").exists()]


class Recording(Memory):
    """A PLC's memory that remembers what was set."""

    def __init__(self) -> None:
        super().__init__(holding=[0] * 200, coils=[False] * 16, bridge_holding=range(200), bridge_coils=range(16))
        self.set: list[list[object]] = []

    def write(self, function: int, address: int, values: Sequence[int]) -> bool:
        if any(values):
            self.set.append(["coil" if function in COILS else "register", address, int(values[0])])
        return super().write(function, address, values)


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.name)
def test_a_mistake_costs_one_clear_sentence(case: Path) -> None:
    with pytest.raises(ValidationError) as raised:
        ModbusOptions.model_validate(tomllib.loads((case / "options.toml").read_text(encoding="utf-8")))
    (error,) = raised.value.errors()
    assert (case / "expected.err").read_text(encoding="utf-8").strip() in error["msg"]


@pytest.mark.parametrize("case", TOLD, ids=lambda case: case.name)
async def test_a_simple_map_writes_what_the_case_says(case: Path) -> None:
    options, said, expected = await asyncio.to_thread(_read, case)
    memory = Recording()
    final = Verdict(said["final"]) if said["final"] else None
    decision = Decision(id="0" * 32, line="L", goal=Goal.REPLACE, stage=Stage.LIVE, part="S1", final=final)
    async with (
        serve(memory, "127.0.0.1", 0, lambda: None) as port,
        open_reporter(options.model_copy(update={"port": port})) as report,
    ):
        await report(decision)
    assert memory.set == expected
    assert not any(memory.coils)
    assert not any(memory.holding)


def _read(case: Path) -> tuple[ModbusOptions, dict[str, str | None], list[list[object]]]:
    options = ModbusOptions.model_validate(tomllib.loads((case / "options.toml").read_text(encoding="utf-8")))
    lines = (case / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    said = json.loads((case / "decision.json").read_text(encoding="utf-8"))
    return options, said, [json.loads(line) for line in lines]


def test_the_readme_shows_the_sample() -> None:
    sample = (FOLDER / "sample.toml").read_text(encoding="utf-8").strip()
    assert f"```toml\n{sample}\n```" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_sample_is_a_valid_reporter() -> None:
    text = (FOLDER / "sample.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)["line"]["reporter"][0]
    assert table.pop("type") == "modbus"
    assert ModbusOptions.model_validate(table).map is None
