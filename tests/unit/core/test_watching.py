"""A live line that does not keep its promise alarms, and falls back to shadow or drops Ready where it shall."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import core_plugins
import pytest
from core_kit import NG, OK, Stand, a_line_config, a_name, a_part, until

from bridge import approvals, health, watching
from bridge.approvals import LOWERED, Permit
from bridge.cli import status
from bridge.clock import SystemClock
from bridge.config import Config, ConfigMistakes, load
from bridge.config.decision import decision_hash, granted
from bridge.errors import Unavailable
from bridge.gateway import open_gateway
from bridge.messages import Origin, Stage
from bridge.shadow.guarding import Guarded
from bridge.shadow.living import Seen, Span
from bridge.store import Entry, Reader
from bridge.watching import Watch

Make = Callable[[str], Awaitable[Config]]

GOOD = Guarded(parts=10_000, clearable=400, held=40, labelled=40, bad=0, stayed=100, confirmed=90)
BAD = Guarded(parts=10_000, clearable=400, held=40, labelled=40, bad=10, stayed=100, confirmed=90)
QUIET = Span(scores=Counter({n / 100: 100 for n in range(50, 100)}), compared=5000, disagreed=400)
LOUD = Span(scores=Counter({n / 100: 100 for n in range(30, 80)}), compared=5000, disagreed=800)


def seen(guarded: Guarded = GOOD, now: Span = QUIET) -> Seen:
    return Seen(guarded=guarded, before=QUIET, now=now)


class Acts:
    """What a watch did."""

    def __init__(self, tmp_path: Path, **line: Any) -> None:
        self.audited: list[tuple[str, str, str]] = []
        self.lowered: list[str] = []
        self.held: list[str] = []
        self.name = a_name("watched")
        config = a_line_config(name=self.name, **line)
        self.watch = Watch(config, tmp_path, SystemClock(), self._audit)
        self.watch.lower, self.watch.hold = self.lowered.append, self.held.append

    def _audit(self, what: str, *, old: str = "", new: str = "", why: str = "", who: str = "") -> None:
        del old, who
        self.audited.append((what, new, why))

    @property
    def whats(self) -> list[str]:
        return [what for what, _, _ in self.audited]

    def metric(self, name: str, **labels: str) -> float | None:
        return health.registry.get_sample_value(name, {"line": self.name, **labels})


def test_a_line_that_keeps_its_promise_is_quiet(tmp_path: Path) -> None:
    acts = Acts(tmp_path)
    acts.watch._heed(seen())
    assert (acts.audited, acts.watch.alarms, acts.lowered, acts.held) == ([], {}, [], [])
    upper = acts.metric("aoi_bridge_guard_bound", rate="miss rate", side="upper")
    assert upper == pytest.approx(acts.watch.bounds["miss rate"].upper)
    assert acts.metric("aoi_bridge_alarm", alarm="miss rate") == 0


def test_a_broken_limit_alarms_once_and_says_when_it_is_over(tmp_path: Path) -> None:
    acts = Acts(tmp_path)
    acts.watch._heed(seen(BAD))
    acts.watch._heed(seen(BAD))
    assert acts.whats == ["alarm", "alarm"]
    assert "of the true NG at least" in acts.audited[0][1]
    assert "10 of 40 labelled parts that were held back are NG" in acts.audited[0][1]
    assert acts.metric("aoi_bridge_alarm", alarm="miss rate") == 1
    assert (acts.lowered, acts.held) == ([], []), "guard_breach is alarm"
    acts.watch._heed(seen())
    assert acts.whats[2:] == ["alarm over", "alarm over"]
    assert acts.metric("aoi_bridge_alarm", alarm="miss rate") == 0


def test_a_guard_that_nobody_labels_is_an_alarm_and_no_broken_limit(tmp_path: Path) -> None:
    acts = Acts(tmp_path, shadow={"guard_breach": "shadow"})
    acts.watch._heed(replace(seen(), due=80))
    assert (acts.watch.alarms, acts.lowered) == ({}, [])
    acts.watch._heed(replace(seen(), due=81))
    assert acts.watch.alarms == {
        "labels": "of 81 parts that were held back for blind labelling, days ago, 40 have a label: nobody knows "
        "what is let through"
    }
    assert acts.metric("aoi_bridge_alarm", alarm="labels") == 1
    assert acts.lowered == []


def test_drift_is_an_alarm_of_every_goal(tmp_path: Path) -> None:
    for goal in (1, 2, 3):
        acts = Acts(tmp_path, goal=goal)
        acts.watch._heed(seen(now=LOUD))
        assert sorted(acts.watch.alarms) == ["disagreements", "scores"]
        assert "PSI" in acts.watch.alarms["scores"]
        assert "8.00% to 16.00%" in acts.watch.alarms["disagreements"]


def test_under_goal_1_only_a_broken_limit_takes_a_line_back(tmp_path: Path) -> None:
    acts = Acts(tmp_path, shadow={"guard_breach": "shadow"})
    acts.watch._heed(seen(now=LOUD))
    assert acts.lowered == []
    acts.watch._heed(seen(BAD, LOUD))
    [why] = acts.lowered
    assert "PSI" not in why
    assert (LOWERED, "shadow", why) in acts.audited
    assert acts.held == []


@pytest.mark.parametrize("goal", [2, 3])
def test_other_goals_never_go_back_but_may_drop_ready(tmp_path: Path, goal: int) -> None:
    acts = Acts(tmp_path, goal=goal, shadow={"guard_breach": "drop_ready"})
    acts.watch._heed(seen(BAD, LOUD))
    assert acts.lowered == []
    assert len(acts.held) == 1
    assert acts.watch.bounds == {}, "nobody is cleared under this goal"
    with pytest.raises(ValueError, match="no line falls back by itself"):
        a_line_config(goal=goal, shadow={"guard_breach": "shadow"})


async def test_a_line_that_was_lowered_answers_as_the_inspector_and_stays_wired(stand: Stand) -> None:
    """Beside a tap PLC and MES are told on the same parts as before, or nobody would tell them of an NG."""
    line = stand.line(topology="tap")
    await until(line.standing.ready)
    assert (await line.inspect(a_part(NG, name="before"))).final is OK
    line.lower("the miss rate")
    decision = await line.inspect(a_part(NG, name="after"))
    assert (decision.final, decision.origin, decision.stage) == (NG, Origin.LEGACY, Stage.SHADOW)
    await line.inspect(a_part(OK, name="ok"))
    await until(lambda: stand.plc.parts == ["before", "after"] and stand.mes.parts == ["before", "after"])
    assert (line.standing.shadow, line.standing.ready()) == (True, True)
    line.lower("")
    assert (await line.inspect(a_part(NG, name="again"))).final is OK


async def test_ready_stays_dropped_until_somebody_resets_it(stand: Stand) -> None:
    line = stand.line()
    await until(line.standing.ready)
    line.standing.held = "the scores"
    assert not line.standing.ready()
    line.standing.reset()
    assert line.standing.ready()


@pytest.fixture
def make(tmp_path: Path, plugins: Path) -> Make:
    del plugins

    def written(text: str) -> Config:
        path = tmp_path / "bridge.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return partial(asyncio.to_thread, written)


def a_line(name: str, *more: str) -> str:
    said = "\n".join(more)
    return f"""
http = {{port = 0}}
[judge.well]
type = "opinion"
[[line]]
name = "{name}"
goal = 1
stage = "live"
topology = "inline"
judge = "well"
shadow.guard_breach = "shadow"
{said}
[line.source]
type = "feed"
tag = "{name}"
parts = 3
"""


async def log_of(config: Config, *whats: str) -> list[Entry]:
    return await asyncio.to_thread(lambda: Reader(config.data).audited_as(*whats))


async def test_a_line_that_fell_back_stays_there_over_restarts_until_it_is_approved_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = a_name("fallen")
    config = await make(a_line(name))
    monkeypatch.setattr(watching, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(watching.Living, "look", lambda *_: seen(BAD))
    async with open_gateway(config, override="QA-7") as gateway:
        await until(lambda: len(core_plugins.answered[name]) == 3)
        await until(lambda: gateway.lines[name].standing.lowered)
    permit = (await asyncio.to_thread(approvals.look, config.data))[name]
    assert permit.lowered.startswith("of the true NG at least")
    assert permit.approvals == ()
    async with open_gateway(config) as gateway:
        line = gateway.lines[name]
        assert line.standing.shadow
        decision = await line.inspect(a_part(NG))
        assert (decision.final, decision.stage) == (NG, Stage.SHADOW)
        [said] = gateway.describe()["lines"]  # type: ignore[misc]  # one line
        assert said["lowered"] == permit.lowered  # type: ignore[index]
        assert any("fell back to shadow by itself" in one for one in status._promise(said))  # type: ignore[arg-type]
        await gateway.reload(await make(a_line(name, "in_flight = 7")))
        assert gateway.lines[name].standing.shadow
        with pytest.raises(ConfigMistakes, match=r"threshold: none → 0\.7"):
            await gateway.reload(await make(a_line(name, "in_flight = 7", "threshold = 0.7")))
        await gateway.reload(await make(a_line(name, "threshold = 0.7")), "QA-8", "ann")
        assert gateway.lines[name].standing.shadow, "an override changes what the file says, and raises nobody"
        monkeypatch.setattr(watching.Living, "look", lambda *_: seen())
        [approval] = granted(gateway._facts, [name], "ann", "QA-9")
        await gateway.reload(gateway.config, who="ann", approval=approval)
        assert not gateway.lines[name].standing.shadow
    async with open_gateway(gateway.config) as gateway:
        assert not gateway.lines[name].standing.shadow


async def test_a_start_that_cannot_read_the_log_does_not_take_a_line_that_fell_back_live_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway comes back from a power cut anyway; the watch reads again what the start could not."""
    acts = Acts(tmp_path)
    fell_back = {acts.name: Permit(lowered="too many were let through")}
    refused = [Unavailable("the disk refuses")]

    def look(_: Path) -> dict[str, Permit]:
        if refused:
            raise refused.pop()
        return fell_back

    monkeypatch.setattr(approvals, "look", look)
    with pytest.raises(Unavailable):
        await acts.watch.look()
    assert acts.lowered == []
    assert not await acts.watch.look()
    assert not await acts.watch.look(), "and once is enough: somebody may be taking it live again just now"
    assert acts.lowered == ["too many were let through"]


async def test_since_when_a_line_is_live_as_it_is_stands_in_the_log(make: Make) -> None:
    """Its bounds begin anew with every change of what moves verdicts, and with nothing else."""
    name = a_name("since")
    config = await make(a_line(name))
    async with open_gateway(config, override="QA-7") as gateway:
        first = decision_hash(gateway._facts[name], 1)
        await gateway.reload(await make(a_line(name, "in_flight = 7")))
        await gateway.reload(await make(a_line(name, "threshold = 0.7")), "QA-8")
        second = decision_hash(gateway._facts[name], 1)
    entries = await log_of(config, approvals.DECISION)
    assert [(one.old, one.new) for one in entries] == [("", first), (first, second)]
    permit = (await asyncio.to_thread(approvals.look, config.data))[name]
    assert (permit.decision, permit.since) == (second, entries[-1].at)
    async with open_gateway(gateway.config):
        pass
    assert len(await log_of(config, approvals.DECISION)) == 2


def test_a_line_that_was_taken_live_again_begins_anew() -> None:
    log = [
        Entry(what=approvals.DECISION, line="l", new="a", at=1.0),
        Entry(what=LOWERED, line="l", why="the miss rate", at=2.0),
        Entry(what=approvals.APPROVAL, line="l", new='{"goal": 1, "decision": "a"}', at=3.0),
        Entry(what=approvals.APPROVAL, line="l", new='{"goal": 1, "decision": "b"}', at=4.0),
    ]
    assert approvals.followed(log[:1])["l"] == Permit(decision="a", since=1.0)
    assert approvals.followed(log)["l"].since == 3.0
