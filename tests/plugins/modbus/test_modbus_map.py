"""The printed map: it says what the codec does, in the notations that PLC programmers read."""

from __future__ import annotations

import csv
import io
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.plugin import ConfigError
from bridge_modbus import map_command
from bridge_modbus.codec import (
    COMMAND_WORDS,
    CONSTANTS_AT,
    ECHO_AT,
    HB_BRIDGE_AT,
    HB_PLC_AT,
    HB_PLC_ECHO_AT,
    STATUS_AT,
    STATUS_WORDS,
    CommandBlock,
    Control,
    Status,
    StatusBlock,
    WordOrder,
    encode_command,
    encode_status,
)
from bridge_modbus.map import HEADINGS, as_csv, as_markdown, as_text, notation, rows


def arguments(*given: str) -> Namespace:
    parser = ArgumentParser()
    map_command.options(parser)
    return parser.parse_args(given)


def test_the_map_has_no_gap_and_no_overlap() -> None:
    for start, count in ((0, COMMAND_WORDS), (100, STATUS_WORDS)):
        at = start
        for row in rows(0, 100):
            if start <= row.address < start + count:
                assert row.address == at
                at += row.words
        assert at == start + count


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("HB_PLC", CommandBlock(heartbeat=9)),
        ("CMD_SEQ", CommandBlock(sequence=9)),
        ("RECIPE_ID", CommandBlock(recipe=9)),
        ("PART_ID", CommandBlock(part_id=9 << 16)),
        ("LEGACY", CommandBlock(legacy=9)),
        ("DEADLINE_MS", CommandBlock(deadline_ms=9)),
        ("SERIAL", CommandBlock(serial="A")),
        ("CONST_ECHO", CommandBlock(echo=(9, 0, 0, 0, 0))),
    ],
)
def test_each_value_of_cmd_travels_where_the_map_says(name: str, block: CommandBlock) -> None:
    (at,) = [i for i, word in enumerate(encode_command(block)) if word]
    assert next(row for row in rows() if row.name == f"CMD.{name}").address == at


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("SEQ_HEAD", StatusBlock(sequence_head=9)),
        ("HB_BRIDGE", StatusBlock(heartbeat=9)),
        ("STATUS", StatusBlock(status=Status.OK)),
        ("VERDICT", StatusBlock(verdict=1)),
        ("PART_ID_ECHO", StatusBlock(part_id=9 << 16)),
        ("LEGACY_ECHO", StatusBlock(legacy=1)),
        ("SOURCE", StatusBlock(source=1)),
        ("ERROR_CODE", StatusBlock(error_code=1)),
        ("VIEWS_TOTAL", StatusBlock(views_total=1)),
        ("VIEWS_NG", StatusBlock(views_ng=1)),
        ("DEFECT", StatusBlock(defect=1)),
        ("CONFIDENCE", StatusBlock(confidence=1)),
        ("LATENCY_MS", StatusBlock(latency_ms=1)),
        ("HB_PLC_ECHO", StatusBlock(heartbeat_echo=1)),
        ("RESULT_ID", StatusBlock(result_id=9 << 16)),
        ("MODEL_VERSION", StatusBlock(model_version=1)),
        ("SCORE", StatusBlock(score=1.0)),
        ("SERIAL_ECHO", StatusBlock(serial="A")),
        ("NG_BITMAP", StatusBlock(ng_bitmap=1)),
        ("SEQ_TAIL", StatusBlock(sequence_tail=1)),
    ],
)
def test_each_value_of_sts_travels_where_the_map_says(name: str, block: StatusBlock) -> None:
    (at,) = [i for i, word in enumerate(encode_status(block)[:CONSTANTS_AT]) if word]
    assert next(row for row in rows() if row.name == f"STS.{name}").address == 100 + at


def test_the_offsets_that_are_used_alone_are_those_of_the_map() -> None:
    address = {row.name: row.address for row in rows(0, 100)}
    assert address["CMD.HB_PLC"] == HB_PLC_AT
    assert address["CMD.CONST_ECHO"] == ECHO_AT
    assert address["STS.HB_BRIDGE"] == 100 + HB_BRIDGE_AT
    assert address["STS.STATUS"] == 100 + STATUS_AT
    assert address["STS.HB_PLC_ECHO"] == 100 + HB_PLC_ECHO_AT
    assert address["STS.CONST"] == 100 + CONSTANTS_AT


def test_every_bit_is_listed() -> None:
    meaning = {row.name: row.meaning for row in rows()}
    assert all(str(flag.name) in meaning["CMD.CTRL"] for flag in Control)
    assert all(str(flag.name) in meaning["STS.STATUS"] for flag in Status)
    assert "b4 RESULTS_VALID" in meaning["STS.STATUS"]


@pytest.mark.parametrize(
    ("address", "register"), [(0, "40001"), (100, "40101"), (9998, "49999"), (9999, "410000"), (65535, "465536")]
)
def test_4xxxx_is_one_based_and_grows_a_digit(address: int, register: str) -> None:
    assert notation(address) == register


@given(st.integers(0, 65_535))
def test_4xxxx_names_one_address_only(address: int) -> None:
    digits = notation(address)
    assert digits[0] == "4"
    assert int(digits[1:]) == address + 1


def test_csv_reads_back_row_by_row() -> None:
    table = rows(order=WordOrder.CDAB)
    head, *read = csv.reader(io.StringIO(as_csv(table)))
    assert tuple(head) == HEADINGS
    assert [int(row[0]) for row in read] == [row.address for row in table]
    assert all(len(row) == len(HEADINGS) for row in read)


def test_markdown_has_a_cell_for_each_heading() -> None:
    lines = as_markdown(rows()).splitlines()
    assert len(lines) == len(rows()) + 2
    assert {line.count("|") for line in lines} == {len(HEADINGS) + 1}


def test_the_constants_stand_in_the_order_asked_for() -> None:
    assert "0x5678 0x1234" in as_text(rows(order=WordOrder.CDAB))


def test_the_command_prints_and_writes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "map.csv"
    assert map_command.run(arguments("--format", "csv")) == 0
    printed = capsys.readouterr().out
    assert map_command.run(arguments("--format", "csv", "--out", str(out))) == 0
    assert out.read_bytes().decode() == printed
    assert printed.startswith("address,4xxxx,")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--status-address", "70000"), "--status-address: 70000 is out of range; write a 0-based address from 0"),
        (("--command-address", "-1"), "--command-address: -1 is out of range; write a 0-based address"),
        (("--status-address", "10"), "modbus-map: has CMD and STS overlapping; move status_address"),
        (("--ok", "coil x"), "--ok: 'coil x' is no place in the PLC; write a place such as"),
        (("--verdict", "register 1", "--ok-value", "70000"), "--ok-value: 70000 is out of range; write a number"),
        (("--verdict", "coil 1"), "modbus-map: the map cannot hold two values"),
        (("--ng", "coil 1"), "modbus-map: the map lets a dead bridge pass every part"),
        (("--out", "/no/such/folder/map.csv"), "cannot be written"),
    ],
)
def test_a_map_that_cannot_be_is_one_clear_line(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        map_command.run(arguments(*given))
    assert "\n" not in str(raised.value)


def test_a_simple_map_is_printed_place_by_place(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--ok", "coil 0", "--ng", "register 100", "--done", "coil 1")
    assert map_command.run(arguments("--format", "csv", *given)) == 0
    _, *table = csv.reader(io.StringIO(capsys.readouterr().out))
    assert [row[:6] for row in table] == [
        ["0", "00001", "OK", "1", "bit", "bridge"],
        ["100", "40101", "NG", "1", "u16", "bridge"],
        ["1", "00002", "DONE", "1", "bit", "bridge"],
    ]


def test_a_register_that_holds_the_verdict_is_printed_with_its_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert map_command.run(arguments("--verdict", "register 7", "--ok-value", "5")) == 0
    assert "5 OK; 2 NG; 0 none" in capsys.readouterr().out


def test_a_server_shows_its_status_three_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Input registers from 0, their mirror among the holding registers, and a discrete input for each bit."""
    assert map_command.run(arguments("--role", "server", "--format", "csv")) == 0
    printed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    at = {row["name"]: (row["address"], row["4xxxx"]) for row in printed}
    assert at["CMD.CTRL"] == ("0", "40001")
    assert at["STS.STATUS"] == ("2", "30003")
    assert at["MIRROR.STATUS"] == ("102", "40103")
    assert at["STATUS.RESULTS_VALID"] == ("4", "10005")
    assert [name for name in at if name.startswith("STATUS.")] == [f"STATUS.{flag.name}" for flag in Status]
