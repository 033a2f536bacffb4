"""The protocol of other languages: its style, its fresh Python code, and what that code asks for."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tomllib
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
SOURCES = sorted(PROTOS.rglob("*.proto"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Load the script that ``make check`` runs; it needs the group check."""
    pytest.importorskip("grpc_tools")
    spec = importlib.util.spec_from_file_location("ci_protos", ROOT / ".ci" / "protos.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_code_is_what_the_protos_say(script: ModuleType, tmp_path: Path) -> None:
    script.generate(tmp_path)
    assert list(script.stale(tmp_path)) == []


def test_stale_code_is_named(script: ModuleType, tmp_path: Path) -> None:
    """Edited, missing or left over: each is one line."""
    made, kept = tmp_path / "made", tmp_path / "kept"
    made.mkdir()
    script.generate(made)
    shutil.copytree(PROTOS, kept)
    folder = kept / "aoi_bridge" / "inspection" / "v1"
    (folder / "inspection_pb2.py").write_text("edited", encoding="utf-8")
    (folder / "report_service_pb2.pyi").unlink()
    (folder / "old_pb2.py").write_text("", encoding="utf-8")
    place = "aoi_bridge/inspection/v1"
    assert list(script.stale(made, kept)) == [
        f"{place}/inspection_pb2.py is not what its .proto says",
        f"{place}/old_pb2.py belongs to no .proto",
        f"{place}/report_service_pb2.pyi is missing",
    ]


def test_the_extra_asks_for_what_the_code_asks_for() -> None:
    """Generated code refuses an older protobuf or gRPC; the extra must not bring one."""
    code = "".join(path.read_text(encoding="utf-8") for path in PROTOS.rglob("*_pb2*.py"))
    floors = dict(
        re.findall(r"^([\w-]+)>=([\d.]+)$", "\n".join(PROJECT["optional-dependencies"]["grpc"]), re.MULTILINE)
    )
    assert set(re.findall(r"Protobuf Python Version: ([\d.]+)", code)) == {floors["protobuf"]}
    assert set(re.findall(r"GRPC_GENERATED_VERSION = '([\d.]+)'", code)) == {floors["grpcio"]}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_enums_begin_with_unspecified_and_never_with_ok(source: Path) -> None:
    """A field that was forgotten must not read as a verdict."""
    text = source.read_text(encoding="utf-8")
    for name, body in re.findall(r"^enum (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
        values = re.findall(r"^  (\w+) = (\d+);", body, re.MULTILINE)
        assert values[0] == (f"{prefix}_UNSPECIFIED", "0")
        assert all(value.startswith(f"{prefix}_") for value, _ in values)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_everything_says_what_it_is(source: Path) -> None:
    """The comments are the manual of whoever writes the other side."""
    lines = source.read_text(encoding="utf-8").splitlines()
    declares = re.compile(
        r"\s*(message|enum|service|rpc|oneof|\w+(\.\w+)* \w+ = |(optional|repeated) |[A-Z_]+ = )"
    )
    for before, line in pairwise(lines):
        if declares.match(line) and not line.startswith(("syntax", "import", "package")):
            assert before.strip().startswith("//"), f"{source.name}: {line.strip()} has no comment"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_method_has_messages_of_its_own(source: Path) -> None:
    """So that each can grow without the other."""
    for method, request, response in re.findall(
        r"rpc (\w+)\((?:stream )?(\w+)\) returns \((?:stream )?(\w+)\)", source.read_text(encoding="utf-8")
    ):
        assert (request, response) == (f"{method}Request", f"{method}Response")
