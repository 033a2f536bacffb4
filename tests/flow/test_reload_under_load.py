"""Another file and other models while parts come: the real bridge, its real judges, and nobody loses a part."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from flow_kit import Insisting, a_line, configured, journal, parts, state, tiny_bundle, until

from bridge import in_force
from bridge.asking import ask
from bridge.config import Config, load
from bridge.judging import bundle, shelf
from bridge.judging.bundle import Bundle
from bridge.messages import Verdict
from bridge.simulate.factory import open_bridge
from bridge.store import Reader
from bridge_tcp.codec import write_part
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import dial_bridge

pytestmark = pytest.mark.timeout(240)
OVERRIDE = ("--override", "QA-7")


@dataclass
class Shelf:
    """Versions of the model ``brightness`` under a data folder."""

    models: Path
    template: Path
    made: dict[int, Bundle] = field(default_factory=dict)

    def make(self, version: int, **changes: object) -> Bundle:
        """Write one more version of the benchmarks' model."""
        before = bundle.load(self.template)
        manifest = before.manifest.model_copy(update={"version": version, **changes})
        files = {name: before.folder / name for name in before.manifest.files}
        self.made[version] = bundle.write(self.models / "brightness" / str(version), manifest, files)
        return self.made[version]

    def look(self) -> int:
        """Return the version that is live, held to its hashes; blocks on the disk."""
        return bundle.load(bundle.locate(self.models, "brightness")).manifest.version

    async def live(self) -> int:
        return await asyncio.to_thread(self.look)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("model"))


@pytest.fixture
def on_shelf(tmp_path: Path, template: Path) -> Shelf:
    """Return a shelf with two good versions, the first of them live."""
    made = Shelf(tmp_path / "var" / "models", template)
    made.make(1)
    made.make(2)
    bundle.make_live(made.made[1].folder)
    return made


async def command(*words: object) -> tuple[int, list[str], list[str]]:
    """Run ``aoi-bridge`` as a user does; return its exit status and the lines of both outputs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bridge.cli", *map(str, words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200"},
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode().splitlines(), err.decode().splitlines()


def edited(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def bundles(config: Config, line: str = "line") -> set[str]:
    return {decision.bundle for decision in journal(config, line)}


async def running(config: Config) -> dict[str, str]:
    """Return which model judges under which name, as the running gateway tells it."""
    said = await asyncio.to_thread(ask, config.data, "/v1/status")
    assert said is not None
    models: dict[str, str] = said["models"]
    return models


async def audited(config: Config) -> list[tuple[str, str, str]]:
    entries = await asyncio.to_thread(Reader(config.data).audit)
    return [(entry.line, entry.what, entry.why) for entry in entries]


@asynccontextmanager
async def under_load(config: Config, prefix: str = "P") -> AsyncIterator[dict[str, Insisting]]:
    """Feed every line without a pause while the context lasts; at its end every part sent has its answer."""
    inspectors = {line.name: Insisting(line.source.options.port, at_once=2) for line in config.line}
    stop = asyncio.Event()

    async def feed(name: str, inspector: Insisting) -> None:
        round_ = 0
        while not stop.is_set():
            await inspector.send(parts(8, f"{prefix}{name}{round_}-"))
            round_ += 1

    async with asyncio.TaskGroup() as tasks:
        for name, inspector in inspectors.items():
            tasks.create_task(feed(name, inspector), name=name)
        await until(lambda: all(len(one.acknowledged) >= 8 for one in inspectors.values()))
        yield inspectors
        before = {name: len(one.acknowledged) for name, one in inspectors.items()}
        await until(lambda: all(len(one.acknowledged) >= before[name] + 8 for name, one in inspectors.items()))
        stop.set()


def nothing_lost(config: Config, inspectors: dict[str, Insisting], besides: Collection[str | None] = ()) -> None:
    """Every part was recorded once and as it was answered, none late or by a fallback, each by one model."""
    for name, inspector in inspectors.items():
        made = {decision.key: decision for decision in Reader(config.data).decisions(name, limit=100_000)}
        assert set(made) - set(besides) == set(inspector.sent) == set(inspector.acknowledged)
        for key, answer in inspector.acknowledged.items():
            assert answer["id"] == made[key].id
            assert not made[key].failures
        for decision in made.values():
            judged = {view.judgement.bundle for view in decision.views if view.judgement}
            assert judged <= {decision.bundle}


async def test_models_are_swapped_between_two_parts(tmp_path: Path, template: Path, on_shelf: Shelf) -> None:
    """Under load nothing is lost or late, and each decision names one model: the old one, then the new one."""
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    del template
    async with open_bridge(path), under_load(config) as inspectors:
        for version in (2, 1, 2):
            status, out, err = await command(
                "models", "promote", "brightness", version, "--config", path, *OVERRIDE
            )
            assert (status, err) == (0, [])
            assert out[-1].endswith("runs and is live.")
            assert await on_shelf.live() == version
    nothing_lost(config, inspectors)
    names = [decision.bundle for decision in Reader(config.data).decisions(limit=100_000)]
    assert set(names) == {made.identity for made in on_shelf.made.values()}
    assert sum(a != b for a, b in pairwise(names)) <= 3 + 2 * 6, "models took turns"


async def test_rollback_goes_to_the_version_before(tmp_path: Path, on_shelf: Shelf) -> None:
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    async with open_bridge(path):
        assert (await command("models", "promote", "brightness", 2, "--config", path, *OVERRIDE))[0] == 0
        assert (await command("models", "rollback", "brightness", "--config", path, *OVERRIDE))[0] == 0
        assert await on_shelf.live() == 1
        status, _, err = await command("models", "rollback", "brightness", "--config", path, *OVERRIDE)
        assert (status, len(err)) == (2, 1)
        assert await running(config) == {"brightness": on_shelf.made[1].identity}
        status, out, _ = await command("models", "--config", path)
        assert status == 0
        assert sum("live runs" in line for line in out) == 1


def spoil(on_shelf: Shelf) -> None:
    """Add version 3, changed after it was made, 4, whose model is none, and 5, which likes a bad part."""
    with (on_shelf.make(3).folder / "model.bin").open("ab") as file:
        file.write(b"\0")
    manifest = on_shelf.made[1].manifest.model_copy(update={"version": 4})
    bundle.write(on_shelf.models / "brightness" / "4", manifest, {"model.xml": b"<no model/>"})
    bright = next(one.images["top"] for one in parts(4) if one.truth is Verdict.OK)
    golden = (bundle.Golden(file="bad.png", verdict=Verdict.NG),)
    manifest = manifest.model_copy(update={"version": 5, "golden": golden})
    files = {name: on_shelf.made[1].folder / name for name in on_shelf.made[1].manifest.files}
    bundle.write(on_shelf.models / "brightness" / "5", manifest, {**files, "bad.png": bright})


async def test_a_bad_bundle_is_refused_and_the_old_one_goes_on(tmp_path: Path, on_shelf: Shelf) -> None:
    """One line says why; the pointer stays, and so does what runs."""
    await asyncio.to_thread(spoil, on_shelf)
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    async with open_bridge(path), under_load(config) as inspectors:
        for version, word in ((3, "SHA-256"), (4, "OpenVINO"), (5, "known to be bad"), (9, "is not under")):
            status, _, err = await command("models", "promote", "brightness", version, "--config", path, *OVERRIDE)
            assert (status, len(err)) == (2, 1)
            assert word in err[0]
        edited(path, ("deadline_ms = 10000", "deadline_ms = 50.001"))
        status, _, err = await command("reload", "--config", path)
        assert status == 2
        assert any("deadline_ms - reserve_ms leaves" in line for line in err)
        assert await on_shelf.live() == 1
        assert await running(config) == {"brightness": on_shelf.made[1].identity}
    nothing_lost(config, inspectors)
    assert bundles(config) == {on_shelf.made[1].identity}


async def test_only_lines_that_differ_restart(tmp_path: Path, on_shelf: Shelf) -> None:
    """The other line's connection is never cut, and no part of either is lost or late."""
    del on_shelf
    path, config = await configured(
        tmp_path,
        Path("brightness"),
        *(a_line(name, goal=3, deadline_ms=ms) for name, ms in (("one", 9000), ("two", 8000))),
    )
    [part] = parts(1, "HELD")
    async with open_bridge(path):
        link = dial_bridge("127.0.0.1", config.line[0].source.options.port, Len32be(1 << 20))
        async with link as held, under_load(config) as inspectors:
            for old, new in ((8000, 7000), (7000, 6000)):
                edited(path, (f"deadline_ms = {old}", f"deadline_ms = {new}"))
                status, out, err = await command("reload", "--config", path)
                assert (status, err, out[:-1]) == (0, [], [f"line.two.deadline_ms: {old}.0 → {new}.0"])
            assert not held.gone
            await held.send(*write_part(part.inspection()))
            assert json.loads((await held.reply(30)).payload)["recorded"]
        assert max(inspectors["one"].sent.values()) == 1, "a connection of the line that stays was cut"
        after = await asyncio.to_thread(load, path)
        assert {decision.config for decision in journal(config, "one")} >= {config.fingerprint, after.fingerprint}
    nothing_lost(config, inspectors, {part.inspection().key})


async def test_lines_come_and_go(tmp_path: Path, on_shelf: Shelf) -> None:
    """What is owed to the reporters of a line that went is set aside, and its port is free again."""
    del on_shelf
    one, two = (a_line(name, goal=3) for name in ("one", "two"))
    path, config = await configured(tmp_path, Path("brightness"), one, two)
    async with open_bridge(path):
        await Insisting(config.line[1].source.options.port).send(parts(4))
        await asyncio.to_thread(
            path.write_text, path.read_text(encoding="utf-8").replace(two, ""), encoding="utf-8"
        )
        status, out, _ = await command("reload", "--config", path)
        assert (status, out[0]) == (0, "line.two: live, goal 3, judge brightness → none")
        assert await asyncio.to_thread(state, config, "source", "two") == "unknown"
        assert Reader(config.data).outbox() == {("two", "mes"): (0, 4)}
        await asyncio.to_thread(path.write_text, path.read_text(encoding="utf-8") + two, encoding="utf-8")
        assert (await command("reload", "--config", path))[0] == 2
        assert (await command("reload", "--config", path, *OVERRIDE))[0] == 0
        await until(lambda: state(config, "source", "two") == "up")
        await Insisting(config.line[1].source.options.port).send(parts(4, "Q"))
    assert len(journal(config, "two")) == 8


async def test_sighup_with_a_broken_file_is_logged_and_nothing_changes(tmp_path: Path, on_shelf: Shelf) -> None:
    """Every mistake is a line of the log; with the file mended, the same signal takes it."""
    del on_shelf
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    log = path.with_suffix(".log")
    async with open_bridge(path) as process, under_load(config) as inspectors:
        edited(path, ("goal = 3", "goal = 7"), ("deadline_ms = 10000", "deadline_ms = -1"))
        process.send_signal(signal.SIGHUP)
        await until(lambda: log.read_text(encoding="utf-8").count("not reloaded") == 2)
        edited(path, ("goal = 7", "goal = 3"), ("deadline_ms = -1", "deadline_ms = 9000"))
        process.send_signal(signal.SIGHUP)
        await until(lambda: "] reloaded" in log.read_text(encoding="utf-8"))
        assert process.returncode is None
    nothing_lost(config, inspectors)


async def test_a_live_line_changes_for_a_reason_only(tmp_path: Path, on_shelf: Shelf) -> None:
    """By reload, by promotion and at a start; the reason stands in the audit log beside each change."""
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=1))
    async with open_bridge(path):
        edited(path, ("goal = 1", "goal = 3"), ("deadline_ms = 10000", "deadline_ms = 9000"))
        status, _, err = await command("reload", "--config", path)
        assert (status, len(err)) == (2, 1)
        assert err[0].startswith("line.line.goal: 1 → 3 on a live line needs a reason")
        status, _, err = await command("models", "promote", "brightness", 2, "--config", path)
        assert (status, len(err)) == (2, 1)
        assert "bundle" in err[0]
        assert await on_shelf.live() == 1
        assert (await command("reload", "--config", path, *OVERRIDE))[0] == 0
    said = await audited(config)
    assert [one for one in said if one[1] in {"goal", "deadline_ms"}] == [
        ("line", "goal", "QA-7"),
        ("line", "deadline_ms", "QA-7"),
    ]
    edited(path, ("goal = 3", "goal = 2"))
    status, _, err = await command("run", "--config", path)
    assert status == 2
    assert err[-1].startswith("line.line.goal: 3 → 2 on a live line needs a reason")
    assert "--override" in err[-1]
    assert "live_because" in err[-1]
    edited(path, ('live_because = "a test, no real line"', 'live_because = "QA-8"'))
    async with open_bridge(path):
        pass
    assert ("line", "goal", "QA-8") in await audited(config)


async def test_a_link_that_cannot_be_moved_leaves_the_old_version_at_work(tmp_path: Path, on_shelf: Shelf) -> None:
    """Nothing was swapped, the audit log says that it was not done after all, and the next start asks nothing."""
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    live = on_shelf.models / "brightness" / "live"
    live.unlink()
    await asyncio.to_thread(shutil.copytree, on_shelf.made[1].folder, live)
    for running_too in (True, False):
        async with open_bridge(path):
            before = await running(config)
            if running_too:
                status, _, err = await command("models", "promote", "brightness", 2, "--config", path, *OVERRIDE)
            assert await running(config) == before == {"brightness": on_shelf.made[1].identity}
        if not running_too:
            status, _, err = await command("models", "promote", "brightness", 2, "--config", path, *OVERRIDE)
        assert (status, "cannot be written" in err[-1]) == (2, True)
        record = await asyncio.to_thread(in_force.read, config.data)
        assert record is not None
        assert record.pending is None
    whys = [
        why for line, what, why in await audited(config) if (line, what) == ("line", "judge.brightness.bundle")
    ]
    assert [why.split(":")[0] for why in whys] == ["QA-7", "could not be done"] * 2
    async with open_bridge(path):
        assert await running(config) == {"brightness": on_shelf.made[1].identity}


async def test_without_a_gateway_a_version_is_checked_and_moved(tmp_path: Path, on_shelf: Shelf) -> None:
    """With the same rules, so that the next start takes it without another word."""
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    async with open_bridge(path):
        pass
    assert (await command("models", "promote", "brightness", 2, "--config", path))[0] == 2
    status, out, err = await command("models", "promote", "brightness", 2, "--config", path, *OVERRIDE)
    assert (status, err) == (0, [])
    assert "no gateway runs" in out[-1]
    assert await on_shelf.live() == 2
    async with open_bridge(path):
        assert await running(config) == {"brightness": on_shelf.made[2].identity}
    await asyncio.to_thread(bundle.make_live, on_shelf.made[1].folder)
    status, _, err = await command("run", "--config", path)
    assert status == 2
    assert "bundle" in err[-1]


async def test_killed_in_the_middle_of_a_promotion_it_comes_back(tmp_path: Path, on_shelf: Shelf) -> None:
    """The pointer names a whole version, no start asks for a reason again, and that version runs."""
    path, config = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    record = config.data / in_force.FILE
    for round_ in range(2):
        target = 3 - await on_shelf.live()
        async with open_bridge(path) as process:
            workers = await asyncio.to_thread(psutil.Process(process.pid).children, recursive=True)
            words = ("models", "promote", "brightness", target, "--config", path, *OVERRIDE)
            promoting = asyncio.create_task(command(*words))
            before = record.read_bytes()
            if round_ % 2:
                await until(lambda before=before: record.read_bytes() != before)  # type: ignore[misc]
            else:
                await until(lambda target=target: on_shelf.look() == target)  # type: ignore[misc]
            process.kill()
            await process.wait()
            await promoting
        await asyncio.to_thread(psutil.wait_procs, workers, timeout=30)
        live = await on_shelf.live()
        async with open_bridge(path):
            assert await running(config) == {"brightness": on_shelf.made[live].identity}
    assert await asyncio.to_thread(shelf.before, on_shelf.models, "brightness")


async def test_what_needs_a_restart_is_said(tmp_path: Path, on_shelf: Shelf) -> None:
    del on_shelf
    path, _ = await configured(tmp_path, Path("brightness"), a_line(goal=3))
    async with open_bridge(path):
        edited(path, ("port = 0", "port = 1"), ("deadline_ms = 10000", "deadline_ms = 9000"))
        status, _, err = await command("reload", "--config", path)
        assert (status, err) == (2, ["http: is another than the gateway runs with; this needs a restart"])
    status, _, err = await command("reload", "--config", path)
    assert (status, "no gateway runs" in err[-1]) == (2, True)
