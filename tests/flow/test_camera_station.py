"""A station without an inspector, end to end: PLC, cameras and a real gateway process, on good days and bad."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import genicam
import numpy as np
import psutil
import pytest
from flow_kit import configured, journal, parts, tiny_bundle, until

from bridge.asking import ask
from bridge.config import Config
from bridge.messages import Decision, Failure, Inspection, Origin, Verdict, View
from bridge.plugin.discovery import open_peer
from bridge.plugin.habits import NO_HABITS, Habits
from bridge.plugin.peers import Play
from bridge.simulate.factory import free_ports, open_bridge
from bridge.simulate.parts import Played

CAMERAS = ("front", "back")
LINE = """
[[line]]
name = "line"
goal = 3
stage = "live"
live_because = "a test, no real line"
shadow.guard_share = 0
topology = "inline"
deadline_ms = {deadline_ms}
reserve_ms = 500
judge = "brightness"
views_expected = {views}

[line.source]
type = "camera"
shoot_within_ms = 5000

[line.source.trigger]
type = "modbus"
host = "127.0.0.1"
port = {port}
poll_ms = 5
timeout_ms = 5000
"""
FOLDER = """
[[line.source.camera]]
name = "{name}"
kind = "folder"
path = "cameras/{name}"
trigger = "software"
timeout_ms = {timeout_ms}
"""
VIKY = """
[[line.source.camera]]
name = "viky{serial}"
kind = "genicam"
producer = "{producer}"
device = "{serial}"
timeout_ms = 5000
"""


@dataclass
class Station:
    """A gateway process and what it stands beside."""

    config: Config
    gateway: psutil.Process
    play: Play

    async def shown(self, part: Played, missing: Sequence[str] = ()) -> tuple[Verdict | None, float]:
        """Let a part stand there; return the verdict that the PLC took, and what it took in seconds."""
        began = asyncio.get_running_loop().time()
        verdict = await self.play(seen(part, missing))
        return verdict, asyncio.get_running_loop().time() - began

    async def decided(self) -> dict[str, Decision]:
        return {one.part: one for one in await asyncio.to_thread(journal, self.config)}

    def log(self) -> str:
        return (self.config.data.parent / "bridge.log").read_text(encoding="utf-8")

    def workers(self) -> list[psutil.Process]:
        """Return the cameras' processes."""
        children = self.gateway.children(recursive=True)
        return [one for one in children if "bridge_camera.worker" in " ".join(one.cmdline())]


def seen(part: Played, missing: Sequence[str] = ()) -> Inspection:
    """Return a part as every camera sees it; each view a little different, and no inspector's verdict."""
    (picture,) = part.images.values()
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    turned = {name: np.rot90(pixels, turns) for turns, name in enumerate(CAMERAS)}
    views = [
        View(name=name, image=bytes(cv2.imencode(".png", image)[1]))
        for name, image in turned.items()
        if name not in missing
    ]
    return Inspection(part=part.serial, key=part.serial, views=tuple(views))


@asynccontextmanager
async def a_station(
    folder: Path, cameras: str, habits: Habits = NO_HABITS, deadline_ms: int = 10_000, views: int = 2
) -> AsyncIterator[Station]:
    (port,) = free_ports(1)
    line = LINE.format(port=port, deadline_ms=deadline_ms, views=views) + cameras
    bundle = await asyncio.to_thread(tiny_bundle, folder / "bundle")
    path, config = await configured(folder, bundle, line)
    played = config.line[0].source if "cameras/" in cameras else config.line[0].source.options.trigger
    peer = await asyncio.to_thread(open_peer, played, folder / "peer", habits)
    async with peer as play, open_bridge(path) as process:
        await until(lambda: (ask(config.data, "/v1/status") or {}).get("plugins"))
        yield Station(config, psutil.Process(process.pid), play)


def folders(timeout_ms: int = 5000) -> str:
    return "".join(FOLDER.format(name=name, timeout_ms=timeout_ms) for name in CAMERAS)


@pytest.mark.timeout(120)
async def test_the_verdict_comes_back_in_the_handshake_whatever_the_cameras_do(tmp_path: Path) -> None:
    """Good is OK, bad is NG; a dark lens, a picture of before and a killed camera are NG, each for its reason."""
    good = [one for one in parts(80) if one.truth is Verdict.OK]
    bad = next(one for one in parts(80, "Q") if one.truth is Verdict.NG)
    async with a_station(tmp_path, folders(1000)) as station:
        assert (await station.shown(good[0]))[0] is Verdict.OK
        assert (await station.shown(bad))[0] is Verdict.NG
        assert (await station.shown(good[1], missing=["back"]))[0] is Verdict.NG
        assert (await station.shown(good[2]))[0] is Verdict.OK
        assert (await station.shown(replace(good[2], serial="again")))[0] is Verdict.NG
        assert (await station.shown(good[3]))[0] is Verdict.OK

        before = station.workers()
        assert len(before) == len(CAMERAS)
        os.kill(before[0].pid, signal.SIGKILL)
        assert (await station.shown(good[4]))[0] is Verdict.NG
        await until(lambda: station.log().count("camera open") == len(CAMERAS) + 1)
        assert (await station.shown(good[5]))[0] is Verdict.OK
        decided = await station.decided()
    assert not decided[good[0].serial].failures
    assert decided[good[0].serial].origin is decided[bad.serial].origin is Origin.MODEL
    assert decided[good[1].serial].failures == (Failure.IMAGE_MISSING,)
    assert decided["again"].failures == (Failure.IMAGE_REPEATED,)
    assert decided[good[4].serial].failures == (Failure.IMAGE_MISSING,)
    assert [view.name for view in decided[good[0].serial].views] == list(CAMERAS)
    assert all(one.recorded and one.sequence for one in decided.values())
    assert not any(one.is_running() for one in before), "a camera's process has outlived the gateway"


@pytest.mark.timeout(120)
async def test_a_camera_slower_than_the_deadline_is_ng_in_time(tmp_path: Path) -> None:
    """Its picture comes after four seconds, and the deadline is half of that."""
    good = [one for one in parts(16) if one.truth is Verdict.OK]
    async with a_station(tmp_path, folders(9000), {"slow": 4.0}, deadline_ms=2000) as station:
        verdict, seconds = await station.shown(good[0])
        decided = await station.decided()
    assert verdict is Verdict.NG
    assert seconds < 4, "the PLC had its verdict before the picture was there"
    assert decided[good[0].serial].failures == (Failure.IMAGE_MISSING,)
    assert decided[good[0].serial].latency_ms < 2000


@pytest.mark.timeout(120)
async def test_bad_habits_of_the_cameras_cost_no_escape(tmp_path: Path) -> None:
    """A part whose view is dark or shows the part before is NG, and the others are not."""
    good = [one for one in parts(40) if one.truth is Verdict.OK][:8]
    async with a_station(tmp_path, folders(1000), {"dark": 4, "repeat": 3}) as station:
        said = [(await station.shown(one))[0] for one in good]
        decided = await station.decided()
    dark, repeat = (Failure.IMAGE_MISSING,), (Failure.IMAGE_REPEATED,)
    assert [decided[one.serial].failures for one in good] == [(), (), repeat, dark, (), (), repeat, dark]
    assert said == [Verdict.NG if decided[one.serial].failures else Verdict.OK for one in good]


@pytest.mark.timeout(120)
async def test_genicam_cameras_behind_a_plc(tmp_path: Path) -> None:
    """Three cameras of a GenTL producer, each in its process, judged and answered in the handshake."""
    producer = Path(genicam.__file__).parent / "viky.cti"
    cameras = "".join(VIKY.format(serial=serial, producer=producer) for serial in "012")
    async with a_station(tmp_path, cameras, views=3) as station:
        for number in range(3):
            part = Inspection(part=f"V{number}", key=f"V{number}")
            assert await station.play(part) is not None
        decided = await station.decided()
    assert all(one.origin is Origin.MODEL and not one.failures for one in decided.values())
    pictures = [view.image for one in decided.values() for view in one.views]
    assert len(set(pictures)) == len(pictures) == 9, "no picture was handed over twice"
