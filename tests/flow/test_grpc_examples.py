"""What programmers of the other side copy: an MES in Python, and an inspector and an MES in Node."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridge.plugin import Decision, Fetch, Goal, Inspection, Refused, Stage, Unavailable, Verdict
from bridge.plugin.host import hosted
from bridge_grpc import GrpcReporterOptions, GrpcSourceOptions, open_reporter, open_source

ROOT = Path(__file__).parents[2]
NODE = ROOT / "examples" / "grpc_node_client"
PATIENCE_SECONDS = 30


def decision(number: int, part: str = "", verdict: Verdict | None = Verdict.OK) -> Decision:
    """Return a decision to be told."""
    return Decision(
        id=f"{number:032x}", line="a", goal=Goal.REPLACE, stage=Stage.LIVE, part=part, final=verdict, recorded=True
    )


def reporter(port: int) -> GrpcReporterOptions:
    return GrpcReporterOptions(name="mes", host="127.0.0.1", port=port)


@pytest.fixture(scope="module")
def mes() -> ModuleType:
    """Load the example's script."""
    spec = importlib.util.spec_from_file_location("grpc_mes", ROOT / "examples" / "grpc_mes" / "mes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_mes_keeps_each_decision_once(mes: ModuleType, tmp_path: Path) -> None:
    """Accepted, refused, told again after a restart."""
    book = str(tmp_path / "decisions.db")
    server, port = await asyncio.to_thread(mes.serve, "127.0.0.1:0", book)
    async with open_reporter(reporter(port)) as report:
        await report(decision(1, "P1"))
        await report(decision(1, "P1"))
        with pytest.raises(Refused, match="without a serial number"):
            await report(decision(2))
        await report(decision(3, "P3", None))
    await asyncio.to_thread(server.stop(None).wait)
    with pytest.raises(Unavailable):
        async with open_reporter(reporter(port)):
            pass
    server, _ = await asyncio.to_thread(mes.serve, f"127.0.0.1:{port}", book)
    async with open_reporter(reporter(port)) as report:
        await report(decision(1, "P1"))
    await asyncio.to_thread(server.stop(None).wait)
    assert await asyncio.to_thread(_rows, book) == [("P1", "VERDICT_OK"), ("P3", "VERDICT_UNSPECIFIED")]


async def test_an_mes_whose_disk_fails_is_told_again(mes: ModuleType, tmp_path: Path) -> None:
    """Trouble that passes parks nothing."""
    book = str(tmp_path / "decisions.db")
    server, port = await asyncio.to_thread(mes.serve, "127.0.0.1:0", book)
    await asyncio.to_thread(_without_table, book)
    async with open_reporter(reporter(port)) as report:
        with pytest.raises(Unavailable, match="no such table"):
            await report(decision(1, "P1"))
    await asyncio.to_thread(server.stop(None).wait)


def _rows(book: str) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(book)) as database:
        return database.execute("SELECT part, verdict FROM decisions ORDER BY id").fetchall()


def _without_table(book: str) -> None:
    with closing(sqlite3.connect(book)) as database:
        database.execute("DROP TABLE decisions")


def test_the_mes_is_forty_lines() -> None:
    """It is there to be read."""
    text = (ROOT / "examples" / "grpc_mes" / "mes.py").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= 48


@pytest.fixture(scope="module")
def modules() -> Path:
    """Install what the Node example needs, once for each list of it; outside CI a machine may lack Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has Node and npm")
        pytest.skip("needs node and npm")
    package = NODE / "package.json"
    folder = ROOT / ".cache" / "node" / hashlib.sha256(package.read_bytes()).hexdigest()[:16]
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(package, folder)
        words = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        npm = str(shutil.which("npm"))
        done = subprocess.run([npm, "install", *words], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (folder / "complete").touch()
    return folder / "node_modules"


async def node(modules: Path, script: str, *words: str) -> Process:
    """Start a script of the example, with the modules of the test."""
    environment = {**os.environ, "NODE_PATH": str(modules)}
    return await asyncio.create_subprocess_exec("node", str(NODE / script), *words, stdout=PIPE, env=environment)


async def said(process: Process) -> dict[str, Any]:
    """Return the next line of JSON."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        line: dict[str, Any] = json.loads(await process.stdout.readline())
        return line


@dataclass
class _Host:
    recorded: bool = True
    parts: list[Inspection] = field(default_factory=list)

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        assert fetch is None
        self.parts.append(part)
        return Decision(
            id="ab" * 16,
            line="smt-3",
            goal=Goal.CUT_FALSE_CALLS,
            stage=Stage.LIVE,
            part=part.part,
            key=part.key,
            legacy=part.legacy,
            final=Verdict.OK,
            number=7,
            recorded=self.recorded,
        )


@dataclass
class _Line:
    name: str = "smt-3"

    def ready(self, recipe: str = "") -> bool:
        return not recipe


@asynccontextmanager
async def serving(host: _Host, port: int, home: Path) -> AsyncIterator[None]:
    with hosted(_Line()):  # type: ignore[arg-type]
        async with open_source(GrpcSourceOptions(port=port, home=home)) as source:
            task = asyncio.create_task(source(host))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait([task])


@pytest.mark.timeout(180)
async def test_an_inspector_in_node_hands_over_its_parts(
    modules: Path, tmp_path: Path, unused_tcp_port: int
) -> None:
    """Health, a part in one message, five megabytes in chunks, and an answer that is no acknowledgement."""
    small, big = tmp_path / "top.jpg", tmp_path / "panel.bmp"
    pictures = {small: b"\xff\xd8" + bytes(70_000), big: bytes(range(256)) * 20_000}
    await asyncio.to_thread(lambda: [path.write_bytes(data) for path, data in pictures.items()])
    target, host = f"127.0.0.1:{unused_tcp_port}", _Host()

    async def ask(*words: str) -> tuple[dict[str, Any], int]:
        process = await node(modules, "inspector.js", target, *words)
        return await said(process), await process.wait()

    async with serving(host, unused_tcp_port, tmp_path):
        assert await ask("health", "smt-3") == ({"status": "SERVING"}, 0)
        assert await ask("health", "smt-4") == ({"status": "NOT_FOUND", "reason": ""}, 1)
        answer, status = await ask("inspect", "P1", "NG", str(small), str(small))
        assert status == 0
        assert (answer["part"], answer["verdict"], answer["legacyVerdict"]) == ("P1", "VERDICT_OK", "VERDICT_NG")
        assert (answer["recorded"], answer["id"], answer["number"], answer["line"]) == (
            True,
            "ab" * 16,
            7,
            "smt-3",
        )
        answer, status = await ask("upload", "P2", "NG", str(big), str(small))
        assert (answer["part"], answer["recorded"], status) == ("P2", True, 0)
        host.recorded = False
        answer, status = await ask("inspect", "P3", "OK", str(small))
        assert (answer["status"], status) == ("UNAVAILABLE", 1)
        assert "not recorded" in answer["reason"]
    first, second, third = host.parts
    assert [view.image for view in first.views] == [pictures[small]] * 2
    assert [(view.name, view.image) for view in second.views] == [
        ("panel", pictures[big]),
        ("top", pictures[small]),
    ]
    assert [first.legacy, second.legacy, third.legacy] == [Verdict.NG, Verdict.NG, Verdict.OK]
    assert [part.key for part in host.parts] == ["node-P1", "node-P2", "node-P3"]
    assert all(part.deadline_ms and 3000 < part.deadline_ms < 5000 for part in host.parts)


@pytest.mark.timeout(180)
async def test_an_mes_in_node_is_told(modules: Path) -> None:
    """Accepted, told again and accepted again, refused with its reason; and its death is noticed."""
    process = await node(modules, "mes.js", "127.0.0.1:0", "P2")
    port = (await said(process))["port"]
    try:
        async with open_reporter(reporter(port)) as report:
            for number in (1, 1, 3):
                await report(decision(number, f"P{number}"))
            with pytest.raises(Refused, match="no such order"):
                await report(decision(2, "P2", Verdict.NG))
        heard = [await said(process) for _ in range(4)]
    finally:
        process.kill()
        await process.wait()
    assert [(one["part"], one["verdict"], one["again"]) for one in heard] == [
        ("P1", "VERDICT_OK", False),
        ("P1", "VERDICT_OK", True),
        ("P3", "VERDICT_OK", False),
        ("P2", "VERDICT_NG", False),
    ]
    with pytest.raises(Unavailable, match="connection refused"):
        async with open_reporter(reporter(port)):
            pass
