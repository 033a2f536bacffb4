"""A new configuration for a gateway that runs: in memory, with plugins that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import core_plugins
import pytest
from core_kit import OK, a_name, until

from bridge import gateway as gateway_module
from bridge import in_force, running
from bridge.config import Config, ConfigMistakes, data_of, load
from bridge.errors import BridgeError, ConfigError, Unavailable
from bridge.gateway import Gateway, open_gateway
from bridge.health import registry
from bridge.orders import ORDERS
from bridge.store import Reader

Make = Callable[[str], Awaitable[Config]]


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE_SECONDS", "GOODBYE_SECONDS"):
        monkeypatch.setattr(gateway_module, name, 0.1)
    monkeypatch.setattr(running, "LINGER_SECONDS", 0.0)


@pytest.fixture
def names() -> tuple[str, str]:
    return a_name("one"), a_name("two")


@pytest.fixture
def make(tmp_path: Path, plugins: Path) -> Make:
    del plugins

    def written(text: str) -> Config:
        path = tmp_path / "bridge.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return partial(asyncio.to_thread, written)


def a_line(name: str, *more: str, judge: str = "well", source: str = "none", parts: int = 3) -> str:
    return "\n".join(
        [
            f'[[line]]\nname = "{name}"\ngoal = 1\ntopology = "inline"\ndeadline_ms = 3000\njudge = "{judge}"',
            *more,
            f'[line.source]\ntype = "feed"\ntag = "{name}"\nparts = {parts}\ntrouble = "{source}"',
            f'[[line.reporter]]\ntype = "tell"\nname = "mes"\ntag = "{name} mes"\n',
        ]
    )


def judges(**troubles: str) -> str:
    return "".join(f'[judge.{name}]\ntype = "opinion"\ntrouble = "{what}"\n' for name, what in troubles.items())


LIVE = 'stage = "live"\nlive_because = "a test"\nshadow.guard_share = 0'


def opened(name: str) -> int:
    return len(core_plugins.opened[name])


async def both_fed(*names: str) -> None:
    await until(lambda: all(len(core_plugins.answered[name]) >= 3 for name in names))


async def test_a_line_that_does_not_differ_is_not_touched(make: Make, names: tuple[str, str]) -> None:
    """Its source is opened once, its decisions name the new file from then on."""
    one, two = names
    async with open_gateway(await make(judges(well="none") + a_line(one) + a_line(two))) as gateway:
        await both_fed(one, two)
        before = gateway.lines[one]
        changes = await gateway.reload(
            await make(judges(well="none") + a_line(one) + a_line(two, "in_flight = 7"))
        )
        assert [str(change) for change in changes] == [f"line.{two}.in_flight: 64 → 7"]
        await until(lambda: opened(two) == 2)
        assert (opened(one), gateway.lines[one] is before) == (1, True)
        assert [line for line in gateway.lines] == [one, two]  # noqa: C416 - their order counts


async def test_the_same_file_changes_nothing(make: Make, names: tuple[str, str]) -> None:
    text = judges(well="none") + a_line(names[0])
    async with open_gateway(await make(text)) as gateway:
        await both_fed(names[0])
        assert await gateway.reload(await make(f"{text}\n# a comment\n")) == []
        assert opened(names[0]) == 1
        assert gateway.config.fingerprint == (await make(f"{text}\n# a comment\n")).fingerprint


async def test_a_judge_that_does_not_open_keeps_everything_as_it_was(make: Make, names: tuple[str, str]) -> None:
    """Also the line that would have gone, and the one that would have come."""
    one, two = names
    async with open_gateway(await make(judges(well="none") + a_line(one))) as gateway:
        await both_fed(one)
        facts = gateway.describe()["models"]
        with pytest.raises(ConfigMistakes) as caught:
            await gateway.reload(await make(judges(well="none", ill="away") + a_line(two, judge="ill")))
        assert str(caught.value) == "judge.ill: no such model server"
        assert list(gateway.lines) == [one]
        assert gateway.describe()["models"] == facts
        assert opened(two) == 0


async def test_all_that_stands_against_it_is_told_at_once(make: Make, names: tuple[str, str]) -> None:
    """Two judges that do not open are two lines."""
    async with open_gateway(await make(judges(well="none") + a_line(names[0]))) as gateway:
        text = judges(well="none", ill="away", worse="away") + a_line(names[0])
        with pytest.raises(ConfigMistakes) as caught:
            await gateway.reload(await make(text))
    assert str(caught.value).splitlines() == [
        "judge.ill: no such model server",
        "judge.worse: no such model server",
    ]


async def test_a_judge_is_replaced_without_a_restart_of_its_lines(make: Make, names: tuple[str, str]) -> None:
    """A broken one is mended by a reload, and the line keeps its source."""
    one = names[0]
    async with open_gateway(await make(judges(well="crashing") + a_line(one, LIVE))) as gateway:
        await both_fed(one)
        with pytest.raises(
            ConfigMistakes, match=r"judge\.well\.trouble: crashing → none on a live line needs a reason"
        ):
            await gateway.reload(await make(judges(well="none") + a_line(one, LIVE)))
        await gateway.reload(await make(judges(well="none") + a_line(one, LIVE)), "QA-1", "ann")
        part = core_plugins.answered[one][0]
        assert opened(one) == 1
        assert gateway.ready or gateway.lines[one].standing.error
        assert part.final is not OK
    assert ("well", "ann") not in await asyncio.to_thread(whys, gateway)
    assert ("QA-1", "ann") in await asyncio.to_thread(whys, gateway)


def whys(gateway: Gateway) -> list[tuple[str, str]]:
    return [(entry.why, entry.who) for entry in Reader(gateway.config.data).audit()]


async def test_lines_and_judges_come_and_go(make: Make, names: tuple[str, str]) -> None:
    """What is gone is gone from status and metrics too."""
    one, two = names
    async with open_gateway(await make(judges(well="none", old="none") + a_line(one, judge="old"))) as gateway:
        await both_fed(one)
        await gateway.reload(await make(judges(well="none", new="none") + a_line(two, judge="new")))
        await both_fed(two)
        assert list(gateway.lines) == [two]
        assert {(watched.line, watched.name) for watched in gateway.watched} == {
            ("", "judge well"),
            ("", "judge new"),
            (two, "mes"),
            (two, "source"),
        }
        up = partial(registry.get_sample_value, "aoi_bridge_plugin_up")
        assert up({"line": one, "plugin": "source"}) is None
        assert up({"line": two, "plugin": "source"}) == 1
        assert up({"line": "", "plugin": "judge old"}) is None


async def test_two_reloads_at_once_are_done_one_after_the_other(make: Make, names: tuple[str, str]) -> None:
    one = names[0]
    first, second = [await make(judges(well="none") + a_line(one, f"in_flight = {n}")) for n in (7, 8)]
    async with open_gateway(await make(judges(well="none") + a_line(one))) as gateway:
        changes = await asyncio.gather(gateway.reload(first), gateway.reload(second))
        assert [str(change) for some in changes for change in some] == [
            f"line.{one}.in_flight: 64 → 7",
            f"line.{one}.in_flight: 7 → 8",
        ]
        assert gateway.config == second


async def test_a_restarted_line_ends_its_bypass(make: Make, names: tuple[str, str]) -> None:
    """And the audit log says so."""
    one = names[0]
    text = a_line(one, LIVE) + '[line.bypass]\nbecause = "QA-3"\n'
    async with open_gateway(await make(judges(well="none") + text)) as gateway:
        gateway.lines[one].standing.bypassed.ask("ann", wanted=True)
        await gateway.reload(await make(judges(well="none") + text.replace("3000", "2900")))
        assert not gateway.lines[one].standing.bypassed.in_force
    assert ("the line was restarted", "") in await asyncio.to_thread(whys, gateway)


async def test_a_stop_ends_a_bypass(make: Make, names: tuple[str, str]) -> None:
    """The audit log never shows one that did not end."""
    text = a_line(names[0], LIVE) + '[line.bypass]\nbecause = "QA-3"\n'
    async with open_gateway(await make(judges(well="none") + text)) as gateway:
        gateway.lines[names[0]].standing.bypassed.ask("ann", wanted=True)
    assert ("the gateway stopped", "") in await asyncio.to_thread(whys, gateway)


async def test_parts_under_way_end_before_their_line_closes(make: Make, names: tuple[str, str]) -> None:
    """A source that goes on being asked until it is closed gets an answer to everything."""
    one = names[0]
    async with open_gateway(await make(judges(well="none") + a_line(one, parts=50))) as gateway:
        await gateway.reload(await make(judges(well="none") + a_line(one, "in_flight = 7", parts=50)))
        await until(lambda: len({decision.part for decision in core_plugins.answered[one]}) == 50)
    assert len(await asyncio.to_thread(Reader(gateway.config.data).decisions, one)) == 50


async def test_how_many_pictures_are_kept_changes_without_a_restart(make: Make, names: tuple[str, str]) -> None:
    """The audit log has what changed, and from which version of the file to which."""
    one = names[0]
    old = await make(judges(well="none") + a_line(one))
    async with open_gateway(old) as gateway:
        await both_fed(one)
        new = await make(judges(well="none") + a_line(one) + "[images]\nsample = 0.5\ncap_bytes = 1000\n")
        changes = await gateway.reload(new, who="ann")
        assert [str(change) for change in changes] == [
            "images.sample: 0.1 → 0.5",
            "images.cap_bytes: 50000000000 → 1000",
        ]
        assert gateway.images.figures()["cap_bytes"] == 1000
        assert opened(one) == 1
    said = {(e.what, e.who, e.old, e.new) for e in await asyncio.to_thread(Reader(old.data).audit)}
    assert ("images.sample", "ann", "0.1", "0.5") in said
    assert ("configuration", "ann", old.fingerprint, new.fingerprint) in said


@pytest.mark.parametrize("key", ['data = "elsewhere"', "[http]\nport = 1", 'log = "json"'])
async def test_what_cannot_change_while_it_runs_is_refused(make: Make, names: tuple[str, str], key: str) -> None:
    text = judges(well="none") + a_line(names[0])
    async with open_gateway(await make(text)) as gateway:
        with pytest.raises(ConfigMistakes, match="needs a restart"):
            await gateway.reload(await make(f"{key}\n{text}" if key[0] != "[" else f"{text}\n{key}"))


async def test_while_the_disk_refuses_nothing_changes(
    make: Make, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written into the audit log is not done."""
    one = names[0]
    async with open_gateway(await make(judges(well="none") + a_line(one))) as gateway:

        async def full(*_: object) -> None:
            raise Unavailable("disk full")

        monkeypatch.setattr(gateway.journal, "audit", full)
        with pytest.raises(Unavailable, match="disk full"):
            await gateway.reload(await make(judges(well="none") + a_line(one, "in_flight = 7")))
        assert gateway.lines[one].config.in_flight == 64
        record = await asyncio.to_thread(in_force.read, gateway.config.data)
        assert record is not None
        assert record.pending is None
        monkeypatch.undo()


class TestStart:
    async def test_a_live_line_does_not_come_back_as_another_without_a_reason(
        self, make: Make, names: tuple[str, str]
    ) -> None:
        one = names[0]
        text = judges(well="none") + a_line(one, LIVE)
        async with open_gateway(await make(text)):
            pass
        other = text.replace("goal = 1", "goal = 3")
        with pytest.raises(ConfigMistakes, match=r"goal: 1 → 3 .* --override .* live_because"):
            async with open_gateway(await make(other)):
                pass
        async with open_gateway(await make(other), override="QA-4", who="ann") as gateway:
            pass
        assert ("QA-4", "ann") in await asyncio.to_thread(whys, gateway)
        async with open_gateway(await make(text.replace("a test", "QA-5"))) as gateway:
            pass
        assert "QA-5" in {why for why, _ in await asyncio.to_thread(whys, gateway)}

    async def test_a_shadow_line_comes_back_as_it_likes(self, make: Make, names: tuple[str, str]) -> None:
        text = judges(well="none") + a_line(names[0])
        for goal in (1, 2, 3):
            async with open_gateway(await make(text.replace("goal = 1", f"goal = {goal}"))):
                pass

    @pytest.mark.parametrize("left", ["{", None])
    async def test_a_lost_record_keeps_no_line_from_its_start(
        self, make: Make, names: tuple[str, str], left: str | None
    ) -> None:
        """The audit log says that nothing was held against the past."""
        config = await make(judges(well="none") + a_line(names[0], LIVE))
        async with open_gateway(config):
            pass
        assert "what was in force" not in {e.what for e in await asyncio.to_thread(Reader(config.data).audit)}
        (config.data / in_force.FILE).unlink()
        if left is not None:
            (config.data / in_force.FILE).write_text(left, encoding="utf-8")
        async with open_gateway(config) as gateway, asyncio.timeout(10):
            await gateway.until_ready()
        entries = await asyncio.to_thread(Reader(gateway.config.data).audit)
        assert ("what was in force", "begun anew") in {(entry.what, entry.new) for entry in entries}


class TestOrders:
    async def test_a_reload_is_ordered_by_the_name_of_its_file(
        self, make: Make, names: tuple[str, str], tmp_path: Path
    ) -> None:
        text = judges(well="none") + a_line(names[0])
        async with open_gateway(await make(text)) as gateway:
            config = await make(text.replace("3000", "2000"))
            wish = {"who": "ann", "config": str(tmp_path / "bridge.toml")}
            said = await ORDERS["reload"](gateway, wish)
        assert said == {
            "changes": [f"line.{names[0]}.deadline_ms: 3000.0 → 2000.0"],
            "config": config.fingerprint,
        }

    @pytest.mark.parametrize(
        ("order", "body"),
        [
            ("reload", {"who": "ann", "config": "/nowhere/bridge.toml"}),
            ("reload", {"who": "ann"}),
            ("promote", {"who": "ann", "name": "pins", "version": 1}),
            ("promote", {"who": "ann", "name": "pins"}),
            ("promote", {"who": "ann", "name": "../..", "version": 1}),
        ],
    )
    async def test_what_cannot_be_done_is_refused(
        self, make: Make, names: tuple[str, str], order: str, body: dict[str, object]
    ) -> None:
        async with open_gateway(await make(judges(well="none") + a_line(names[0]))) as gateway:
            with pytest.raises(BridgeError):
                await ORDERS[order](gateway, body)


def test_the_data_folder_of_a_file_with_other_mistakes_is_known(tmp_path: Path) -> None:
    """A command asks the gateway, which knows the secrets and says what is wrong."""
    path = tmp_path / "bridge.toml"
    path.write_text('data = "here"\nline = 7\n', encoding="utf-8")
    assert data_of(path) == tmp_path / "here"
    path.write_text("line = 7\n", encoding="utf-8")
    assert data_of(path) == tmp_path / "var"
    for text in ("data = 7", "data ="):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError):
            data_of(path)
