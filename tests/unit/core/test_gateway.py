"""Lines stand side by side: one that is broken in any way changes nothing for another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import core_plugins
import pytest
from core_kit import NG, OK, a_decision, a_name, until

from bridge import gateway as gateway_module
from bridge import running
from bridge.config import Config, load
from bridge.errors import ConfigError
from bridge.gateway import GOODBYE_SECONDS, SETTLE_SECONDS, Gateway, open_gateway
from bridge.line import CANCEL_SECONDS
from bridge.running import LINGER_SECONDS, REST_SECONDS
from bridge.store import open_journal
from bridge.watched import State

STOP_SECONDS = 5.0

Make = Callable[[str], Awaitable[Config]]


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE_SECONDS", "GOODBYE_SECONDS"):
        monkeypatch.setattr(gateway_module, name, 0.1)


@pytest.fixture
def tags() -> Iterator[tuple[str, str]]:
    """The good line's tag and the bad one's; whoever is deaf is released in the end."""
    both = a_name("good"), a_name("bad")
    yield both
    for tag in both:
        core_plugins.release[tag].set()


@pytest.fixture
def make(tmp_path: Path, plugins: Path) -> Make:
    del plugins

    def written(text: str) -> Config:
        path = tmp_path / "bridge.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return partial(asyncio.to_thread, written)


def a_line(name: str, judge: str = "well", source: str = "none", told: str = "none", parts: int = 20) -> str:
    return f"""
[[line]]
name = "{name}"
goal = 1
stage = "live"
live_because = "a test"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 3000
reserve_ms = 2700
judge = "{judge}"
[line.source]
type = "feed"
tag = "{name}"
parts = {parts}
trouble = "{source}"
[[line.reporter]]
type = "tell"
name = "plc"
lane = "realtime"
tag = "{name} plc"
trouble = "{told}"
[[line.reporter]]
type = "tell"
name = "mes"
tag = "{name} mes"
trouble = "{told}"
"""


def judges(**troubles: str) -> str:
    return "".join(f'[judge.{name}]\ntype = "opinion"\ntrouble = "{what}"\n' for name, what in troubles.items())


@pytest.mark.parametrize(
    "broken",
    [
        {"source": "opening"},
        {"source": "hanging"},
        {"source": "crashing"},
        {"source": "stubborn"},
        {"judge": "ill", "ill": "away"},
        {"judge": "ill", "ill": "opening"},
        {"judge": "ill", "ill": "crashing"},
        {"judge": "ill", "ill": "hanging"},
        {"told": "away"},
        {"told": "crashing"},
        {"told": "hanging"},
    ],
    ids=lambda broken: " ".join(broken.values()),
)
async def test_one_lines_trouble_is_none_of_anothers(
    make: Make, tags: tuple[str, str], broken: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good line answers every part with its second opinion, and tells PLC and MES all of them, in order."""
    monkeypatch.setattr(running, "HEAD_START_SECONDS", 0.05)
    good, bad = tags
    ill = broken.pop("ill", "none") if "ill" in broken else "none"
    broken = dict(broken)
    config = await make(judges(well="none", ill=ill) + a_line(good) + a_line(bad, parts=2, **broken))
    async with open_gateway(config):
        await until(lambda: len(core_plugins.told[f"{good} mes"]) == 20)
        decisions = core_plugins.answered[good]
        assert {(decision.final, decision.recorded, decision.degraded) for decision in decisions} == {
            (OK, True, False)
        }
        await until(lambda: len(core_plugins.told[f"{good} plc"]) == 20)
        assert [d.part for d in core_plugins.told[f"{good} mes"]] == [d.part for d in decisions]
        if broken.get("source") in {None, "stubborn"}:
            await until(lambda: len(core_plugins.answered[bad]) == 2)
            final = NG if "judge" in broken else OK
            assert {decision.final for decision in core_plugins.answered[bad]} == {final}
        core_plugins.release[bad].set()


@pytest.mark.parametrize("stuck", ["source", "told", "both"])
async def test_a_stop_takes_five_seconds_at_most_whoever_hangs(
    make: Make, tags: tuple[str, str], stuck: str
) -> None:
    """A plugin that ignores its cancellation is left behind, and the log says which one."""
    good, bad = tags
    source = "none" if stuck == "told" else "stubborn"
    told = "none" if stuck == "source" else "stubborn"
    config = await make(judges(well="none") + a_line(good) + a_line(bad, parts=2, source=source, told=told))
    async with open_gateway(config):
        await until(lambda: len(core_plugins.answered[bad]) == 2)
        await until(lambda: len(core_plugins.answered[good]) == 20)
        began = time.monotonic()
    assert time.monotonic() - began < STOP_SECONDS
    for tag in (bad, f"{bad} mes", f"{bad} plc"):
        core_plugins.release[tag].set()
    await asyncio.sleep(0)


async def test_a_stop_leaves_a_plc_the_time_to_read_what_it_was_told(make: Make, tags: tuple[str, str]) -> None:
    """A goodbye takes back what stands there."""
    plc = f"{tags[0]} plc"
    async with open_gateway(await make(judges(well="none") + a_line(tags[0], parts=1))):
        await until(lambda: bool(core_plugins.told[plc]))
    assert core_plugins.closed_at[plc] >= core_plugins.told_at[plc] + LINGER_SECONDS


def test_a_stop_has_time_for_everybody_within_five_seconds() -> None:
    """Sources, parts under way, what does not heed a cancellation, everybody else: and a second to spare."""
    parts = REST_SECONDS + SETTLE_SECONDS + CANCEL_SECONDS + LINGER_SECONDS
    assert 2 * GOODBYE_SECONDS + parts <= STOP_SECONDS - 1


class TestReady:
    async def test_it_is_ready_when_judges_and_sources_are_open(self, make: Make, tags: tuple[str, str]) -> None:
        config = await make(judges(well="none") + a_line(tags[0], told="away"))
        async with open_gateway(config) as gateway, asyncio.timeout(10):
            assert not gateway.ready
            await gateway.until_ready()
            states = {watched.name: watched.state for watched in gateway.watched}
            assert (states["judge well"], states["source"]) == (State.UP, State.UP)

    async def test_it_is_not_ready_without_its_judge(self, make: Make, tags: tuple[str, str]) -> None:
        async with open_gateway(await make(judges(well="away") + a_line(tags[0]))) as gateway:
            await until(lambda: len(core_plugins.answered[tags[0]]) == 20)
            assert not gateway.ready

    async def test_too_many_fallbacks_drop_ready(self, make: Make, tags: tuple[str, str]) -> None:
        async with open_gateway(await make(judges(well="crashing") + a_line(tags[0]))) as gateway:
            await until(lambda: len(core_plugins.answered[tags[0]]) == 20)
            assert gateway.lines[tags[0]].standing.error
            assert not gateway.ready
            assert core_plugins.answered[tags[0]][-1].error

    async def test_a_source_that_has_ended_is_well(self, make: Make, tags: tuple[str, str]) -> None:
        async with open_gateway(await make(judges(well="none") + a_line(tags[0], source="ending"))) as gateway:
            await until(lambda: gateway.watched[-1].state is State.ENDED)
            assert gateway.ready

    async def test_a_judge_that_does_not_open_does_not_keep_the_source_closed(
        self, make: Make, tags: tuple[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(running, "HEAD_START_SECONDS", 0.02)
        async with open_gateway(await make(judges(well="opening") + a_line(tags[0]))):
            await until(lambda: len(core_plugins.answered[tags[0]]) == 20)
            assert {decision.final for decision in core_plugins.answered[tags[0]]} == {NG}


class TestData:
    async def test_every_plugin_has_a_folder_of_its_own(self, make: Make, tags: tuple[str, str]) -> None:
        config = await make(judges(well="none") + a_line(tags[0]))
        async with open_gateway(config):
            await until(lambda: bool(core_plugins.opened[tags[0]]))
        assert core_plugins.opened[tags[0]] == [config.data / "lines" / tags[0] / "source"]

    async def test_one_gateway_per_data_directory(self, make: Make, tags: tuple[str, str]) -> None:
        config = await make(judges(well="none") + a_line(tags[0]))
        async with open_gateway(config):
            with pytest.raises(ConfigError, match="is in use by another aoi-bridge"):
                async with open_gateway(config):
                    pass

    async def test_deliveries_to_a_reporter_that_was_removed_are_parked(
        self, make: Make, tags: tuple[str, str]
    ) -> None:
        config = await make(judges(well="none") + a_line(tags[0]))
        async with open_journal(config.data) as journal:
            await journal.commit(a_decision(tags[0]), ["old-mes"])
        async with open_gateway(config) as gateway:
            backlog = await gateway.journal.backlog()
        assert backlog[tags[0], "old-mes"] == (0, 1)

    async def test_parts_that_come_again_after_a_restart_get_their_stored_decision(
        self, make: Make, tags: tuple[str, str]
    ) -> None:
        config = await make(judges(well="none") + a_line(tags[0], parts=5))
        for _ in range(2):
            async with open_gateway(config):
                before = len(core_plugins.answered[tags[0]])
                await until(lambda before=before: len(core_plugins.answered[tags[0]]) == before + 5)  # type: ignore[misc]
                await until(lambda: len(core_plugins.told[f"{tags[0]} mes"]) >= 5)
        first, second = core_plugins.answered[tags[0]][:5], core_plugins.answered[tags[0]][5:]
        assert [d.document() for d in first] == [d.document() for d in second]
        assert len(core_plugins.told[f"{tags[0]} plc"]) == 5

    async def test_a_description_says_how_everything_does(self, make: Make, tags: tuple[str, str]) -> None:
        config = await make(judges(well="none") + a_line(tags[0], told="away"))
        async with open_gateway(config) as gateway:
            await until(lambda: len(core_plugins.answered[tags[0]]) == 20)
            said = self.checked(gateway)
        assert (said["name"], said["goal"], said["stage"], said["parts"]) == (tags[0], 1, "live", 20)

    def checked(self, gateway: Gateway) -> dict[str, object]:
        facts = gateway.describe()
        plugins = {plugin["name"]: plugin for plugin in facts["plugins"]}  # type: ignore[attr-defined]
        assert set(plugins) == {"judge well", "plc", "mes", "source"}
        assert (plugins["mes"]["state"], plugins["mes"]["error"]) == ("down", "connection refused")
        (line,) = facts["lines"]  # type: ignore[misc]
        return dict(line)
