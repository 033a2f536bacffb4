"""Every mistake in a station's table is one clear line with its place; a live line takes no network stream."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Config, load
from bridge.config.changes import compare, facts
from bridge.config.sample import sample
from bridge.errors import ConfigError
from bridge_camera.options import Camera

CONFIG = """
[[line]]
name = "bolts"
goal = 3
stage = "{stage}"
live_because = "a test"
shadow.guard_share = 0
topology = "inline"
judge = "bolts"

[line.source]
type = "camera"
{source}

[line.source.trigger]
type = "modbus"
host = "192.168.0.10"
{trigger}

{cameras}

[judge.bolts]
type = "classifier"
model = "bolts"
"""
FRONT = '[[line.source.camera]]\nname = "front"\ndevice = "/dev/video0"\n'

Read = Callable[..., Config]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(cameras: str = FRONT, *, stage: str = "live", trigger: str = "", source: str = "") -> Config:
        path = tmp_path / "bridge.toml"
        text = CONFIG.format(cameras=cameras, stage=stage, trigger=trigger, source=source)
        path.write_text(text, encoding="utf-8")
        return load(path)

    return reading


def mistake(read: Read, cameras: str = FRONT, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(cameras, **more)
    (line,) = str(caught.value).splitlines()
    return line.partition("bridge.toml: ")[2]


def test_a_station_of_usb_cameras_is_read(read: Read) -> None:
    (line,) = read(FRONT + FRONT.replace("front", "back").replace("video0", "video1")).line
    assert [camera.name for camera in line.source.options.camera] == ["front", "back"]
    assert line.source.options.trigger.plugin.name == "modbus"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('kind = "gencam"', '.kind: "gencam" is not one of the choices; write opencv (USB'),
        ("exposure_ms = 8", ".exposure_ms: no such key; did you mean exposure_us?"),
        ("jpeg_quality = 0", ".jpeg_quality: 0 is too small; write the quality of a JPEG, from 1 to 100"),
        ("rotate = 45", ".rotate: 45 is not one of the choices; write degrees by which"),
        (
            'path = "x"',
            ".path: a camera of the kind opencv has none; write device instead",
        ),
        ('trigger = "line"', ".trigger: a camera of the kind opencv knows no line; write free"),
        ('producer = "x.cti"', '.producer: only genicam has one; write kind = "genicam", or leave it out'),
        ('kind = "genicam"', ".producer: is missing; write the path of the vendor's .cti file"),
    ],
)
def test_a_mistake_in_a_camera_names_its_place(read: Read, more: str, said: str) -> None:
    assert mistake(read, FRONT + more + "\n").startswith("line.bolts.source.camera[0]" + said)


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (
            'name = "a"',
            ".device: is missing; write a number such as 0, or a path such as /dev/video0",
        ),
        ('name = "a"\nkind = "folder"', ".path: is missing; write the folder's path"),
        (
            'name = "a"\nkind = "video"\npath = "x"\ndevice = "0"',
            ".device: a camera of the kind video has none; write path instead",
        ),
    ],
)
def test_what_a_kind_needs_is_named(read: Read, camera: str, said: str) -> None:
    assert mistake(read, f"[[line.source.camera]]\n{camera}\n") == "line.bolts.source.camera[0]" + said


def test_no_camera_is_no_station(read: Read) -> None:
    none = mistake(read, "", source="camera = []")
    assert none == "line.bolts.source.camera: there is none; write a [[line.source.camera]] table for each"
    assert "line.bolts.source.camera: is missing; write a table for each camera" in mistake(read, "")


def test_two_views_of_one_name_are_one_too_many(read: Read) -> None:
    said = mistake(read, FRONT + FRONT)
    assert said == "line.bolts.source.camera: the name front is there 2 times; write a name for each"


def test_a_mistake_in_the_trigger_names_its_place(read: Read) -> None:
    said = mistake(read, trigger="port = 70000")
    assert said == "line.bolts.source.trigger.port: 70000 is too large; write a port from 1 to 65535"


def test_a_missing_extra_is_named(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_camera.options.find_spec", lambda _: None)
    camera = FRONT + 'kind = "genicam"\nproducer = "x.cti"\n'
    assert mistake(read, camera).endswith("which is missing; write pip install 'aoi-bridge[genicam]'")


def test_harvesters_is_not_imported_to_find_out() -> None:
    """The gateway stays small: only the camera's own process has the driver."""
    assert importlib.util.find_spec("harvesters") is not None
    assert Camera(name="a", kind="genicam", device="1", producer=Path("x.cti")).kind == "genicam"


@pytest.mark.parametrize(
    ("device", "what"),
    [
        ("rtsp://10.0.0.7/stream", "RTSP"),
        ("RTSPS://10.0.0.7/stream", "RTSPS"),
        ("http://10.0.0.7/mjpeg", "HTTP"),
        ("rtspsrc location=rtsp://10.0.0.7 ! rtph264depay ! appsink", "rtspsrc"),
        ("udpsrc port=5000 ! rtpjitterbuffer ! appsink", "udpsrc"),
    ],
)
def test_a_network_stream_is_refused_on_a_live_line_and_allowed_in_shadow(
    read: Read, device: str, what: str
) -> None:
    """It holds pictures back for seconds, so nobody can say which part one shows."""
    camera = FRONT.replace("/dev/video0", device)
    said = mistake(read, FRONT.replace("front", "back") + camera)
    assert said == (
        f"line.bolts.source.camera[1].device: {what} buffers and reorders pictures for seconds, so one cannot be "
        'tied to its part; write a V4L2 or GenICam camera, or stage = "shadow"'
    )
    assert read(camera, stage="shadow").line[0].source.options.camera[0].device == device


@pytest.mark.parametrize(
    "device", ["0", "/dev/v4l/by-id/rtsp-cam", "v4l2src device=/dev/video0 ! videoconvert ! appsink drop=true"]
)
def test_a_camera_on_this_machine_may_be_live(read: Read, device: str) -> None:
    assert read(FRONT.replace("/dev/video0", device)).line[0].stage == "live"


def test_a_video_is_no_camera_of_a_live_line(read: Read) -> None:
    video = '[[line.source.camera]]\nname = "a"\nkind = "video"\npath = "x.avi"\n'
    assert mistake(read, video).startswith("line.bolts.source.camera[0].kind: a video shows no part that is here")
    assert read(video, stage="shadow").line[0].stage == "shadow"


def test_another_exposure_on_a_live_line_needs_a_reason(read: Read) -> None:
    """The model was trained on the pictures of before; the trigger's port moves no verdict."""
    before = facts(read(), {})
    (exposed,) = compare(before, facts(read(FRONT + "exposure_us = 500\n"), {}))
    assert (exposed.what, exposed.guarded) == ("source.camera.front", True)
    assert '"exposure_us": 500' in exposed.new
    (moved,) = compare(before, facts(read(trigger="port = 503"), {}))
    assert (str(moved), moved.guarded) == ("line.bolts.source.trigger.port: 502 → 503", False)


def test_relative_paths_are_beside_the_file(read: Read, tmp_path: Path) -> None:
    folder = '[[line.source.camera]]\nname = "a"\nkind = "folder"\npath = "shots/a"\n'
    (camera,) = read(folder).line[0].source.options.camera
    assert camera.path == tmp_path / "shots/a"
    assert camera.settings()["path"] == str(tmp_path / "shots/a")


def test_init_writes_a_station(tmp_path: Path) -> None:
    """``aoi-bridge init --source camera``: a PLC that triggers and a camera, ready to be edited."""
    text = sample("camera")
    assert '[line.source.trigger]\ntype = "modbus"\nhost = "192.168.0.10"\n' in text
    assert "[[line.source.camera]]\n" in text
    path = tmp_path / "bridge.toml"
    path.write_text(text, encoding="utf-8")
    assert load(path).line[0].source.options.camera[0].device == "/dev/video0"
