"""Which other files an ONNX file wants read: weights may lie beside it, and a path may point anywhere.

A reader of just enough of the protobuf encoding to find every ``external_data`` entry, because OpenVINO up to
2026.1 follows ``folder/../../secret.bin`` out of the model's folder, and would copy what it finds into the bundle.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from bridge.errors import ConfigError

_Bytes: TypeAlias = memoryview

_INSIDE: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""What lies in which field, by the numbers of onnx.proto: the ways that lead to a tensor's external_data."""
_DEEPEST = 64
_VARINT, _EIGHT, _PREFIXED, _FOUR = 0, 1, 2, 5


def check(path: Path) -> tuple[Path, ...]:
    """Return the files beside an ONNX file that it wants read.

    Raises:
        ConfigError: it is no ONNX file, or wants a file that is not in its own folder, or none at all.
    """
    home = path.resolve().parent
    found: dict[Path, None] = {}
    for name in _locations(path):
        wanted = (home / name).resolve()
        if not wanted.is_relative_to(home) or Path(name).is_absolute():
            raise ConfigError(
                str(path), f"wants to read {name!r}, outside its own folder", "export it into one file"
            )
        if not wanted.is_file():
            raise ConfigError(
                str(path), f"wants the file {name!r} beside it, which is missing", "copy it there too"
            )
        found[wanted] = None
    return tuple(found)


def _locations(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return [one.decode() for one in _walk(data, "model", 0)]
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read ({exc.strerror})") from exc
    except (ValueError, IndexError) as exc:
        raise ConfigError(str(path), "is no ONNX file, or a damaged one", "export it again") from exc


def _walk(data: _Bytes, kind: str, depth: int) -> Iterator[bytes]:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    if kind == "entry":
        facts = dict(_fields(data))
        if bytes(facts.get(1, b"")) == b"location":
            yield bytes(facts.get(2, b""))
        return
    for number, content in _fields(data):
        inner = _INSIDE[kind].get(number)
        if inner:
            yield from _walk(content, inner, depth + 1)


def _fields(data: _Bytes) -> Iterator[tuple[int, _Bytes]]:
    """Yield number and content of each field that holds bytes; step over all others."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        form = key & 7
        if form == _VARINT:
            _, at = _varint(data, at)
        elif form == _PREFIXED:
            size, at = _varint(data, at)
            if size > len(data) - at:
                raise ValueError("shorter than it says")
            yield key >> 3, data[at : at + size]
            at += size
        elif form in {_EIGHT, _FOUR}:
            at += 8 if form == _EIGHT else 4
        else:
            raise ValueError("no such form of field")


def _varint(data: _Bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that another byte follows
            return value, at + place + 1
    raise ValueError("no number")
