"""``aoi-bridge check`` says of each camera what an engineer wants to know, and runs the trigger's own check."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from camera_rig import VIKY, answering, jpeg

from bridge.plugin import Finding
from bridge.plugin.discovery import Plugged, find
from bridge.simulate.factory import free_ports
from bridge_camera.check import check
from bridge_camera.options import CameraSourceOptions
from bridge_modbus import ModbusSourceOptions
from bridge_modbus.plc_trigger import as_server


def a_station(*cameras: dict[str, Any], trigger: dict[str, Any] | None = None) -> CameraSourceOptions:
    given = trigger or {"type": "modbus", "role": "server", "port": free_ports(1)[0]}
    return CameraSourceOptions.model_validate({"trigger": given, "camera": cameras})


async def found(options: CameraSourceOptions) -> dict[str, Finding]:
    return {one.what: one for one in await check(options)}


async def test_a_camera_that_is_well_is_described(video: Path) -> None:
    """What it is, its size, its rate, how old its frames are, and that its picture changes."""
    await asyncio.to_thread(find, "source", "modbus")
    said = await found(
        a_station(
            {"name": "film", "kind": "video", "path": video},
            {"name": "red", "kind": "genicam", "producer": VIKY, "device": "0"},
        )
    )
    assert said["camera film"].said == "numbers.avi, 300 frames at 30/s"
    pictures = said["camera film: pictures"].said
    assert re.fullmatch(
        r"160x32, \d+ kB, exposed at most \d+ ms before it came, a frame every \d\d ms", pictures
    ), pictures
    assert said["camera red"].said == "Viky 0 400x400 RGBa8, trigger free"
    assert "400x400" in said["camera red: pictures"].said
    assert said["camera red: picture changes"].good
    assert said["trigger: can listen"].good
    assert all(one.good is not False for one in said.values())


async def test_a_camera_that_is_away_is_not_well(tmp_path: Path) -> None:
    """The others, and the trigger, are tried all the same."""
    (tmp_path / "back").mkdir()
    options = a_station(
        {"name": "front", "device": "/dev/video77"},
        {"name": "back", "kind": "folder", "path": tmp_path / "back", "trigger": "line"},
        trigger={"type": "modbus", "host": "127.0.0.1", "port": free_ports(1)[0]},
    )
    said = await found(options)
    assert (said["camera front"].good, said["camera back"].good) == (False, True)
    assert said["camera front"].said.startswith("/dev/video77 cannot be opened")
    assert said["camera back: pictures"].good is None
    assert said["trigger: reachable"].good is False


async def test_a_picture_that_does_not_change_is_not_well(tmp_path: Path) -> None:
    """It would count as the part before's: a frozen sensor, or a writer that repeats itself."""
    same, still = tmp_path / "same", jpeg(1)
    same.mkdir()
    options = a_station({"name": "same", "kind": "folder", "path": same, "trigger": "software"})
    async with answering(same, lambda _: still):
        said = await found(options)
    assert said["camera same: pictures"].good
    assert said["camera same: picture changes"].good is False


async def test_a_folder_that_nobody_answers_for_was_not_tried(tmp_path: Path) -> None:
    """Whatever takes its pictures may only run with the line."""
    options = a_station({"name": "front", "kind": "folder", "path": tmp_path, "trigger": "software"})
    said = await found(options)
    assert said["camera front: pictures"].good is None


async def test_the_triggers_own_check_runs() -> None:
    """It reads the PLC's block, as it would for the trigger alone."""
    (port,) = free_ports(1)
    options = ModbusSourceOptions(host="127.0.0.1", port=port)
    async with as_server(options):
        trigger = Plugged(await asyncio.to_thread(find, "source", "modbus"), options)
        station = a_station({"name": "front", "device": "/dev/video77"})
        said = await found(station.model_copy(update={"trigger": trigger}))
    assert said["trigger: reachable"].good
    assert said["trigger: unit answers"].said == "unit 1 shows CMD"
