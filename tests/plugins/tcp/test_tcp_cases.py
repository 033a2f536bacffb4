r"""Bugs and habits of the field as folders: options, the bytes that came, and what they must mean.

``options.toml`` holds a source's options; ``input.bin``, or ``input.txt`` where escapes such as ``\x02`` read
better, holds the stream. ``expected.jsonl`` has a line for each thing that comes out, in order: a part by the
fields that matter, or ``garbage`` or ``unreadable`` with the words that its reason must contain. Instead of it
``expected.err`` holds words of the mistake in the options.
"""

from __future__ import annotations

import codecs
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.plugin import Inspection, Unreadable
from bridge_tcp import TcpSourceOptions
from bridge_tcp.framing import Garbage, Item

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())


def stream(case: Path) -> bytes:
    binary = case / "input.bin"
    if binary.exists():
        return binary.read_bytes()
    return codecs.escape_decode((case / "input.txt").read_bytes().replace(b"\n", b""))[0]  # type: ignore[attr-defined,no-any-return]


def items(options: TcpSourceOptions, data: bytes, step: int) -> Iterator[Item]:
    framing = options.framed()
    for at in range(0, len(data), step):
        yield from framing.feed(data[at : at + step])
    while framing.pending:
        yield from framing.expire()


def outcome(options: TcpSourceOptions, data: bytes, step: int) -> list[Mapping[str, object]]:
    """Return what comes out of a stream; garbage in one stretch counts once, however it was cut."""
    out: list[Mapping[str, object]] = []
    parts = options.parts()
    for item in items(options, data, step):
        if isinstance(item, Garbage):
            if not out or "garbage" not in out[-1]:
                out.append({"garbage": item.reason})
            continue
        try:
            part = parts(item)
        except Unreadable as exc:
            out.append({"unreadable": str(exc)})
            continue
        if part is not None:
            out.append(plain(part))
    return out


def plain(part: Inspection) -> Mapping[str, object]:
    """Return a part as JSON would have it, an image as its length."""
    said = asdict(part)
    for view in said["views"]:
        view["image"] = len(view["image"] or b"")
    read: Mapping[str, object] = json.loads(json.dumps(said))
    return read


def agree(found: object, expected: object) -> bool:
    """Compare by what is expected: the rest may be anything."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(agree(found.get(name), value) for name, value in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(agree, found, expected))
    return found == expected


def matches(found: Mapping[str, object], expected: Mapping[str, object]) -> bool:
    for kind in ("garbage", "unreadable"):
        if kind in expected:
            return str(expected[kind]) in str(found.get(kind))
    if "quarantined" in expected:  # either of them, as aoi-bridge sniff case writes it
        return str(expected["quarantined"]) in str(found.get("garbage", found.get("unreadable")))
    return agree(found, expected)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path, step: int) -> None:
    """What a stream means does not depend on how it is cut into reads."""
    values = tomllib.loads((case / "options.toml").read_text(encoding="utf-8"))
    wrong = case / "expected.err"
    if wrong.exists():
        with pytest.raises(ValidationError) as caught:
            TcpSourceOptions(**values)
        assert wrong.read_text(encoding="utf-8").strip() in str(caught.value)
        return
    expected = [json.loads(line) for line in (case / "expected.jsonl").read_text(encoding="utf-8").splitlines()]
    found = outcome(TcpSourceOptions(**values), stream(case), step)
    assert len(found) == len(expected), found
    for one, other in zip(found, expected, strict=True):
        assert matches(one, other), (one, other)
