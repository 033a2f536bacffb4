"""Two real roads and what comes of them: verdicts by TCP, pictures in a hot folder."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from join_host import JPEG, Host, counts, marked, options, running

from bridge import health
from bridge.plugin import ConfigError, Inspection, Unavailable, Verdict
from bridge.simulate.factory import free_ports
from bridge_join import JoinOptions, open_source
from bridge_join.halves import Side
from bridge_join.junction import Junction
from bridge_join.memory import remembering

SHORT = {"window_ms": 150}


class TestJoined:
    async def test_verdict_and_pictures_are_one_part_and_both_are_acknowledged(self, tmp_path: Path) -> None:
        """The line is answered; the file is marked as seen, so it is offered no more after a restart."""
        host = Host()
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            await roads.drop("P1_top")
            assert await roads.reply() == "P1,NG,K1"
            await host.until(lambda: marked(tmp_path) == ["P1_top.jpg"])
        (part,) = host.parts
        assert (part.part, part.legacy, part.key) == ("P1", Verdict.NG, "verdict:K1")
        assert [(view.name, view.image, view.tied) for view in part.views] == [("top", JPEG % b"P1_top", True)]
        assert counts(tmp_path)("joined") == 1
        async with running(host, tmp_path) as roads:
            await roads.tell("P2,OK,K2")
            await roads.drop("P2_top")
            assert await roads.reply() == "P2,OK,K2"
        assert [part.part for part in host.parts] == ["P1", "P2"]

    async def test_pictures_may_come_first(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path) as roads:
            await roads.drop("P1_top")
            await roads.drop("P2_top")
            await roads.tell("P2,OK,K2")
            await roads.tell("P1,NG,K1")
            assert {await roads.reply(), await roads.reply()} == {"P2,OK,K2", "P1,NG,K1"}
        assert {part.part: part.views[0].image for part in host.parts} == {
            name: JPEG % f"{name}_top".encode() for name in ("P1", "P2")
        }

    async def test_ids_that_the_roads_spell_differently_meet(self, tmp_path: Path) -> None:
        host = Host()
        spelling = {"part_pattern": r"(?:sn-)?(?P<part>\w\d+)", "part_case": "any"}
        async with running(host, tmp_path, **spelling) as roads:
            await roads.tell(" p7 ,NG,K1")
            await roads.drop("SN-P7_top")
            with pytest.raises(TimeoutError):
                await roads.aoi.reply(0.2)
            await roads.drop("P7_top")
            assert await roads.reply() == "p7,NG,K1"
        assert counts(tmp_path)("no_part_id") == 1

    async def test_by_order_no_id_is_needed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bridge_join.options.CALM_WINDOWS", 0)
        host = Host()
        async with running(host, tmp_path, by="order") as roads:
            await roads.tell(",NG,K1")
            await roads.drop("img0001_top")
            assert await roads.reply() == ",NG,K1"
        assert [(part.part, part.views[0].tied) for part in host.parts] == [("img0001", True)]

    async def test_by_order_the_first_pair_after_a_start_is_not_tied(self, tmp_path: Path) -> None:
        """The pictures may be those of a part whose verdict was answered before the bridge was stopped."""
        host = Host()
        async with running(host, tmp_path, by="order") as roads:
            await roads.drop("img0001_top")
            await roads.tell(",NG,K2")
            assert await roads.reply() == ",NG,K2"
        assert [view.tied for view in host.parts[0].views] == [False]

    async def test_by_order_ids_that_differ_show_a_wrong_pair(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bridge_join.options.CALM_WINDOWS", 0)
        host = Host()
        async with running(host, tmp_path, by="order") as roads:
            await roads.tell("P1,NG,K1")
            await roads.drop("P2_top")
            await roads.reply()
        assert [view.tied for view in host.parts[0].views] == [False]
        assert counts(tmp_path)("contradicted") == 1

    async def test_cameras_that_drop_a_file_each_make_one_part(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path, pictures_per_part=3) as roads:
            await roads.tell("P1,NG,K1")
            for view in ("top", "left", "right"):
                await roads.drop(f"P1_{view}")
            await roads.reply()
        assert {view.name for view in host.parts[0].views} == {"top", "left", "right"}


class TestAlone:
    async def test_a_verdict_without_pictures_is_answered_at_the_windows_end(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path, **SHORT) as roads:
            await roads.tell("P1,NG,K1")
            assert await roads.reply() == "P1,NG,K1"
        assert [part.views for part in host.parts] == [()]
        assert counts(tmp_path)("unmatched_verdicts") == 1

    async def test_pictures_without_a_verdict_have_none(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path, **SHORT) as roads:
            await roads.drop("P1_top")
            (part,) = await host.got(1)
        assert (part.part, part.legacy, len(part.views)) == ("P1", None, 1)
        assert counts(tmp_path)("unmatched_pictures") == 1

    async def test_a_camera_that_is_dead_leaves_a_view_without_a_picture(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path, pictures_per_part=2, **SHORT) as roads:
            await roads.tell("P1,NG,K1")
            await roads.drop("P1_top")
            await roads.reply()
        assert [view.image is None for view in host.parts[0].views] == [False, True]
        assert counts(tmp_path)("pictures_short") == 1

    async def test_pictures_past_the_window_are_a_late_part_of_their_own(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No PLC is told of them: the part that they show was answered."""
        host = Host()
        async with running(host, tmp_path, **SHORT) as roads:
            await roads.tell("P1,NG,K1")
            await roads.reply()
            await roads.drop("P1_top")
            first, second = await host.got(2)
        assert (first.backlog, second.backlog, second.legacy) == (False, True, None)
        assert counts(tmp_path)("late") == 1
        assert capsys.readouterr().err.count("pictures_per_part") == 1

    async def test_too_many_that_wait_go_the_oldest_first(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path, waiting_max=2) as roads:
            for number in range(3):
                await roads.tell(f"P{number},NG,K{number}")
            assert await roads.reply() == "P0,NG,K0"
        assert counts(tmp_path)("waiting_full") == 1


class TestAgain:
    """A half that comes again gets the answer of its part, and never makes a second one."""

    async def test_after_a_restart_each_half_alone_is_known(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            await roads.drop("P1_top")
            await roads.reply()
        await asyncio.to_thread(
            shutil.rmtree, tmp_path / "home" / "pictures"
        )  # the folder forgot what it has seen
        async with running(host, tmp_path) as roads:
            await host.got(2)
            await roads.tell("P1,NG,K1")
            assert await roads.reply() == "P1,NG,K1"
        assert [part.key for part in host.parts] == ["verdict:K1"] * 3
        assert len(host.decided) == 1
        assert counts(tmp_path)("again") == 2

    async def test_killed_before_the_answer_both_meet_again_under_the_same_key(self, tmp_path: Path) -> None:
        host = Host(gate=asyncio.Event())
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            await roads.drop("P1_top")
            await host.got(1)
        host.gate = None
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            assert await roads.reply() == "P1,NG,K1"
        assert [(part.key, len(part.views)) for part in host.parts] == [("verdict:K1", 1)] * 2

    async def test_what_was_not_recorded_is_not_acknowledged_and_comes_again(self, tmp_path: Path) -> None:
        """The hot folder offers its file again, and only the answer is asked for: the line has thought already."""
        host = Host(recorded=False)
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            await roads.drop("P1_top")
            await host.got(1)
            host.recorded = True
            await host.got(2)
            await roads.tell("P1,NG,K1")
            assert await roads.reply() == "P1,NG,K1"
        assert {part.key for part in host.parts} == {"verdict:K1"}

    async def test_a_half_sent_twice_while_it_waits_is_one(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            await roads.tell("P1,NG,K1")
            await roads.drop("P1_top")
            assert [await roads.reply(), await roads.reply()] == ["P1,NG,K1"] * 2
        assert len(host.parts) == 1

    async def test_a_verdict_alone_keeps_its_answer_when_pictures_come_afterwards(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path, **SHORT) as roads:
            await roads.tell("P1,NG,K1")
            await roads.reply()
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            assert await roads.reply() == "P1,NG,K1"
        assert {part.key for part in host.parts} == {"verdict:K1"}

    async def test_without_keys_every_arrival_is_new(self, tmp_path: Path) -> None:
        host = Host()
        async with running(host, tmp_path, **SHORT) as roads:
            for _ in range(2):
                await roads.tell("P1,NG")
                assert await roads.reply() == "P1,NG,"
        assert [part.key for part in host.parts] == [None, None]


class TestAway:
    async def test_a_share_that_is_away_stops_no_verdict(self, tmp_path: Path) -> None:
        """It is tried again by itself; once it is back the roads meet."""
        host = Host()
        async with running(host, tmp_path, **SHORT) as roads:
            away = tmp_path / "unmounted"
            await asyncio.to_thread((tmp_path / "aoi").rename, away)
            await host.until(lambda: counts(tmp_path, "source.pictures")("away"))
            await roads.tell("P1,NG,K1")
            assert await roads.reply() == "P1,NG,K1"
            await asyncio.to_thread(away.rename, tmp_path / "aoi")
        assert counts(tmp_path)("unmatched_verdicts") == 1

    async def test_a_machine_that_is_away_stops_no_picture(self, tmp_path: Path) -> None:
        [port] = await asyncio.to_thread(free_ports, 1)
        host, away = Host(), {"type": "tcp", "role": "client", "port": port, "dial_timeout_seconds": 1}
        async with running(host, tmp_path, dialled=False, verdicts=away, **SHORT) as roads:
            await host.until(lambda: counts(tmp_path, "source.verdicts")("away"))
            await roads.drop("P1_top")
            await host.got(1)

    async def test_what_a_host_raises_reaches_both_roads_and_ends_neither(self, tmp_path: Path) -> None:
        host = Host(error=RuntimeError("a bug of ours"))
        async with running(host, tmp_path) as roads:
            await roads.tell("P1,NG,K1")
            await roads.drop("P1_top")
            await host.until(lambda: counts(tmp_path, "source.verdicts")("away"))
            host.error = None
            assert not roads.task.done()

    async def test_with_stop_a_road_that_is_away_refuses_the_start(self, tmp_path: Path) -> None:
        [port] = await asyncio.to_thread(free_ports, 1)
        table = {
            "verdicts": {"type": "tcp", "port": port},
            "pictures": {"type": "hotfolder", "path": tmp_path / "away"},
            "when_unreachable": "stop",
            "home": tmp_path,
        }
        chosen = await asyncio.to_thread(JoinOptions.model_validate, table)
        with pytest.raises(Unavailable, match=r"pictures: the folder .* is away"):
            async with open_source(chosen):
                pass
        await asyncio.to_thread((tmp_path / "away").write_bytes, b"")
        with pytest.raises(ConfigError, match=r"pictures.path: .* is a file"):
            async with open_source(chosen):
                pass

    async def test_a_home_that_cannot_be_written_is_no_riddle(self, tmp_path: Path) -> None:
        (tmp_path / "home").write_bytes(b"")
        with pytest.raises(Unavailable, match="home cannot be written"):
            async with running(Host(), tmp_path):
                pass


async def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    """Halves that wait were not acknowledged; they are dropped, and their machines tell them again."""
    host = Host()
    before = asyncio.all_tasks()
    async with running(host, tmp_path) as roads:
        await roads.tell("P1,NG,K1")
        await roads.drop("P2_top")
        await host.until((tmp_path / "home" / "pictures" / "seen.db").exists)
    assert roads.task.cancelled()
    assert asyncio.all_tasks() == before
    assert host.parts == []


async def test_a_hot_folder_and_tcp_count_under_their_own_names(tmp_path: Path) -> None:
    """What one road counts is not lost among the other's."""
    async with running(Host(), tmp_path) as roads:
        await roads.tell("no comma, no part, no sense, none, at all")
        await Host().until(lambda: counts(tmp_path, "source.verdicts")("unreadable"))
    assert health.counted("unreadable", tmp_path.name, "source") == 0


async def test_a_road_that_leaves_while_its_half_waits_takes_nothing_back(tmp_path: Path) -> None:
    """A machine that hangs up too soon: its part is decided all the same, of both halves."""
    host = Host()
    chosen = await asyncio.to_thread(JoinOptions.model_validate, options(tmp_path, 9100))
    async with remembering(tmp_path / "memory", 100) as memory, asyncio.TaskGroup() as tasks:
        junction = Junction(chosen, memory, host, tasks)
        verdicts, pictures = junction.road(Side.VERDICT), junction.road(Side.PICTURES)
        told = asyncio.create_task(verdicts(Inspection(part="P1", legacy=Verdict.NG, key="K1")))
        await asyncio.sleep(0)
        told.cancel()
        await asyncio.wait({told})
        assert (await pictures(Inspection(part="P1", key="P1_top"))).recorded
        junction.close()
    assert [(part.key, part.legacy) for part in host.parts] == [("verdict:K1", Verdict.NG)]
