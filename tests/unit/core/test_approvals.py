"""Approvals in the audit log: what stands, and that no live line comes up, or changes, without one or a reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from core_kit import a_name
from hypothesis import given
from hypothesis import strategies as st

from bridge import approvals
from bridge.approvals import APPROVAL, LOWERED, UNDONE, Permit, entry_of, followed, undone
from bridge.cli.main import main
from bridge.config import Config, ConfigMistakes, load
from bridge.config.decision import Approval, fits
from bridge.errors import Unavailable
from bridge.gateway import Gateway, open_gateway
from bridge.store import Entry, Reader

Make = Callable[[str], Awaitable[Config]]
WITHOUT = 'stage = "live"'
NAME = a_name("approved")

DECISION = "a" * 64


def an_approval(decision: str = DECISION, line: str = "l", goal: int = 1) -> Approval:
    return Approval(line=line, goal=goal, decision=decision, who="ann", why="QA-7")


def given_now(*given: Approval) -> list[Entry]:
    return [entry_of(one) for one in given]


BACK = Entry(what="stage", line="l", old="live", new="shadow", at=7.0)
FELL = Entry(what=LOWERED, line="l", why="the miss rate", at=9.0)


def test_an_approval_stands_until_its_line_goes_back_to_shadow() -> None:
    one = an_approval()
    assert followed(given_now(one))["l"] == Permit((one,))
    assert followed([*given_now(one), BACK])["l"] == Permit(shadow_since=7.0)
    assert followed([*given_now(one), Entry(what="line", line="l", old="live, goal 1", new="none", at=7.0)])[
        "l"
    ] == (Permit(shadow_since=7.0))
    assert followed([*given_now(one), BACK, *given_now(one)])["l"].approvals == (one,)


def test_a_line_that_fell_back_takes_a_new_approval() -> None:
    one, two = an_approval(), an_approval("b" * 64)
    fell = followed([*given_now(one), FELL])["l"]
    assert (fell.approvals, fell.lowered, fell.shadow_since) == ((), "the miss rate", 9.0)
    raised = followed([*given_now(one), FELL, *given_now(two)])["l"]
    assert (raised.approvals, raised.lowered) == ((two,), "")


def test_what_was_taken_back_never_was() -> None:
    """A disk that refused the last step of going to shadow, or of an approval, leaves what was before."""
    one, two = an_approval(), an_approval("b" * 64)
    before = followed(given_now(one))
    back = Entry(what="stage", line="l", old="shadow", new="live", why=f"{UNDONE}the disk is full")
    assert followed([*given_now(one), BACK, back]) == before
    assert followed([*given_now(one, two), undone(two, "the disk is full")]) == before
    live = Entry(what="stage", line="l", old="shadow", new="live")
    unlive = Entry(what="stage", line="l", old="live", new="shadow", why=f"{UNDONE}the disk is full")
    assert followed([*given_now(one, two), live, unlive, undone(two, "the disk is full")]) == before


def test_an_entry_that_is_none_of_ours_gives_nothing() -> None:
    assert followed([Entry(what=APPROVAL, line="l", new="yes")]).get("l", Permit()) == Permit()


entries = st.lists(
    st.sampled_from(
        [
            *given_now(an_approval(), an_approval("b" * 64), an_approval(line="m")),
            BACK,
            FELL,
            Entry(what="stage", line="l", old="shadow", new="live", at=8.0),
            Entry(what="line", line="l", old="none", new="live, goal 1", at=8.0),
        ]
    )
)


@given(entries)
def test_the_log_never_raises_a_line_without_an_approval(log: list[Entry]) -> None:
    """Whatever happened: what stands was given after the last time that the line went to shadow."""
    permit = followed(log).get("l", Permit())
    of_line = [one for one in log if one.line == "l"]
    last = max((place for place, one in enumerate(of_line) if one in (BACK, FELL)), default=-1)
    since = [one.new for one in of_line[last + 1 :] if one.what == APPROVAL]
    assert {one.text() for one in permit.approvals} == set(since)
    assert bool(permit.lowered) == (last >= 0 and of_line[last] == FELL and not since)


@pytest.fixture
def make(tmp_path: Path, plugins: Path) -> Make:
    del plugins

    def written(text: str) -> Config:
        path = tmp_path / "bridge.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return partial(asyncio.to_thread, written)


def a_line(*more: str, goal: int = 1, name: str = NAME, deadline_ms: int = 3000) -> str:
    said = "\n".join(more)
    return f"""
http = {{port = 0}}
[judge.well]
type = "opinion"
[[line]]
name = "{name}"
goal = {goal}
topology = "inline"
deadline_ms = {deadline_ms}
judge = "well"
{said}
[line.source]
type = "feed"
tag = "{name}"
parts = 1
"""


async def log_of(config: Config, *whats: str) -> list[Entry]:
    return await asyncio.to_thread(lambda: Reader(config.data).audited_as(*whats))


async def refused(config: Config) -> str:
    with pytest.raises(ConfigMistakes) as caught:
        async with open_gateway(config):
            pass
    return str(caught.value)


async def test_a_live_line_that_nobody_approved_does_not_come_up(make: Make) -> None:
    said = await refused(await make(a_line(WITHOUT)))
    assert said.startswith(
        f"line.{NAME}.stage: live has no recorded approval; take it live with aoi-bridge stage {NAME} live --go"
    )
    assert "\n" not in said
    assert "no recorded approval" in await refused(await make(a_line(WITHOUT, 'live_because = "  "')))


async def test_a_word_at_the_start_is_an_approval_that_stays(make: Make) -> None:
    config = await make(a_line(WITHOUT))
    async with open_gateway(config, override="QA-7", who="ann") as gateway:
        facts = gateway._facts[NAME]
    [entry] = await log_of(config, APPROVAL)
    assert (entry.who, entry.why) == ("ann", "QA-7")
    [approval] = (await asyncio.to_thread(approvals.look, config.data))[NAME].approvals
    assert fits(approval, facts)
    async with open_gateway(config):
        pass
    async with open_gateway(await make(a_line(WITHOUT, deadline_ms=2000))):
        pass


async def test_what_was_approved_is_held_to_what_comes_and_may_come_back(make: Make) -> None:
    async with open_gateway(await make(a_line(WITHOUT)), override="QA-7"):
        pass
    said = await refused(await make(a_line(WITHOUT, "threshold = 0.7")))
    assert said.startswith(f"line.{NAME}.threshold: none → 0.7 on a live line needs a reason; start with")
    assert "\n" not in said
    async with open_gateway(await make(a_line(WITHOUT, "threshold = 0.7")), override="QA-8", who="bob"):
        pass
    config = await make(a_line(WITHOUT))
    async with open_gateway(config):
        pass
    back = (await log_of(config, "threshold"))[-1]
    assert (back.new, back.why) == ("none", "approved: QA-7")


async def test_a_line_that_was_taken_to_shadow_does_not_come_back_by_itself(make: Make) -> None:
    async with open_gateway(await make(a_line(WITHOUT)), override="QA-7"):
        pass
    async with open_gateway(await make(a_line())):
        pass
    said = await refused(await make(a_line(WITHOUT)))
    assert said.startswith(f"line.{NAME}.stage: shadow → live on a live line needs a reason")


async def test_a_live_line_that_loses_its_word_is_refused_at_a_reload(make: Make) -> None:
    config = await make(a_line(WITHOUT, 'live_because = "QA-1"'))
    async with open_gateway(config) as gateway:
        with pytest.raises(ConfigMistakes, match=r"stage: live has no recorded approval"):
            await gateway.reload(await make(a_line(WITHOUT)))
        await gateway.reload(await make(a_line(WITHOUT)), "QA-2", "ann")
        [entry] = await log_of(config, APPROVAL)
        assert (entry.who, entry.why) == ("ann", "QA-2")


async def test_a_line_with_a_word_of_its_own_gets_no_approval_by_an_override(make: Make) -> None:
    """Else what was done for a reason once could be done again without one."""
    word = 'live_because = "QA-1"'
    config = await make(a_line(WITHOUT, word))
    async with open_gateway(config) as gateway:
        await gateway.reload(await make(a_line(WITHOUT, word, goal=2)), "QA-2", "ann")
        await gateway.reload(await make(a_line(WITHOUT, word)), "QA-3", "ann")
        with pytest.raises(ConfigMistakes, match="goal: 1 → 2"):
            await gateway.reload(await make(a_line(WITHOUT, word, goal=2)))
    assert await log_of(config, APPROVAL) == []


async def test_an_approval_that_cannot_be_written_changes_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_gateway(await make(a_line())) as gateway:
        await wanted(gateway, await make(a_line(WITHOUT)), "full", monkeypatch)
        assert gateway.config.line[0].stage == "shadow"
        assert (await approvals.read(gateway.journal)).get(NAME, Permit()).approvals == ()


async def wanted(gateway: Gateway, config: Config, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go live on a word while the disk takes no approval."""
    audit = gateway.journal.audit

    async def refusing(entry: Entry) -> Entry:
        if entry.what == APPROVAL:
            raise Unavailable(trouble)
        return await audit(entry)

    with monkeypatch.context() as patch:
        patch.setattr(gateway.journal, "audit", refusing)
        with pytest.raises(Unavailable, match=trouble):
            await gateway.reload(config, "QA-7", "ann")


async def test_what_could_not_be_done_takes_its_approval_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_gateway(await make(a_line())) as gateway:
        audit = gateway.journal.audit

        async def refusing(entry: Entry) -> Entry:
            if entry.what == "configuration":
                raise Unavailable("full")
            return await audit(entry)

        with monkeypatch.context() as patch:
            patch.setattr(gateway.journal, "audit", refusing)
            with pytest.raises(Unavailable, match="full"):
                await gateway.reload(await make(a_line(WITHOUT)), "QA-7", "ann")
        assert (await approvals.read(gateway.journal))[NAME].approvals == ()


async def test_a_disk_that_does_not_say_keeps_no_line_from_its_start(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await make(a_line(WITHOUT))
    async with open_gateway(config, override="QA-7"):
        pass

    async def refusing(*_: object) -> None:
        raise Unavailable("full")

    monkeypatch.setattr(approvals, "read", refusing)
    async with open_gateway(config):
        pass
    with pytest.raises(ConfigMistakes, match="goal: 1 → 2"):
        async with open_gateway(await make(a_line(WITHOUT, goal=2))):
            pass


async def test_check_says_what_a_start_would(
    make: Make, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "bridge.toml")
    config = await make(a_line(WITHOUT))
    assert await asyncio.to_thread(main, ["check", "--offline", "--config", path]) == 2
    said = capfd.readouterr().err.splitlines()
    assert [one for one in said if one.startswith(f"{path}: line.{NAME}.stage: live has no recorded approval")]
    async with open_gateway(config, override="QA-7"):
        pass
    assert await asyncio.to_thread(main, ["check", "--offline", "--config", path]) == 0


def test_an_approval_is_readable_in_the_log() -> None:
    said = json.loads(an_approval().text())
    assert said == {"goal": 1, "decision": DECISION}
