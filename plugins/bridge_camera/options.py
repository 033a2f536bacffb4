"""What a user may set on a station of cameras; checked without opening a camera or a socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bridge.plugin import AnySource, Milliseconds, Name, Options, SourceOptions

_PIXELS = Annotated[int, Field(ge=1, le=65_535)]
_NETWORKS = ("rtsp", "rtsps", "rtmp", "rtp", "http", "https", "udp", "tcp", "srt", "hls")
_BUFFERING = (
    "rtspsrc",
    "rtpjitterbuffer",
    "souphttpsrc",
    "udpsrc",
    "srtsrc",
    "uridecodebin",
    "playbin",
    *_NETWORKS,
)
"""What in a GStreamer pipeline brings pictures over a network, and holds them back for as long as it likes."""


class Camera(Options):
    """One camera, which gives one view of every part."""

    name: Name = Field(examples=["front"])
    """a name for the view, unique at this station, as it stands in roi tables and in the journal"""
    kind: Literal["opencv", "genicam", "folder", "video"] = "opencv"
    """opencv (USB and V4L2, RTSP, GStreamer), genicam (industrial cameras through a GenTL producer, needs the
    extra genicam), folder (pictures that something else writes there) or video (a file played as a camera, for
    trials)"""
    device: str = Field(default="", examples=["/dev/video0"])
    """opencv: a number or path such as /dev/v4l/by-id/…, an rtsp:// URL, or a GStreamer pipeline that ends in
    appsink; genicam: the camera's serial number; not for folder and video"""
    path: Path | None = Field(default=None, examples=["shots/front"])
    """the folder of the kind folder, or the file of the kind video"""
    producer: Path | None = Field(default=None, examples=["/opt/vendor/lib/producer.cti"])
    """the vendor's GenTL producer, a .cti file; for the kind genicam only"""
    trigger: Literal["free", "software", "line"] = "free"
    """free (it runs by itself, and the first frame that began after the trigger is taken), software (we tell it to
    shoot; genicam, folder and video) or line (a wire tells it, once for each part; genicam and folder)"""
    line_before_ms: Annotated[float, Field(ge=0, le=10_000)] = 200
    """milliseconds by which a camera on a wire may have shot a part before we hear of it; for trigger line only"""
    timeout_ms: Milliseconds = 500
    """milliseconds after the trigger by which the picture must be here; then its view is missing"""
    lead_ms: Annotated[float, Field(gt=0, le=10_000)] | None = Field(default=None, examples=[40])
    """milliseconds from the beginning of an exposure until the driver has the frame, at most; left out, two
    periods; for trigger free only"""
    buffer_frames: Annotated[int, Field(ge=1, le=64)] = 4
    """how many frames the driver may keep; a number that it does not take is its own affair"""
    width: _PIXELS | None = Field(default=None, examples=[1920])
    """the width that is asked of the camera, in pixels"""
    height: _PIXELS | None = Field(default=None, examples=[1080])
    """the height that is asked of the camera, in pixels"""
    frames_per_second: Annotated[float, Field(gt=0, le=10_000)] | None = Field(default=None, examples=[30])
    """the rate that is asked of a camera that runs freely"""
    pixel_format: str = Field(default="", examples=["MJPG"])
    """opencv: a code of four letters such as MJPG or YUYV; genicam: Mono8, BayerRG8, RGB8 or BGR8; empty for the
    camera's own"""
    exposure_us: Annotated[float, Field(gt=0, le=60_000_000)] | None = Field(default=None, examples=[8000])
    """the exposure in microseconds, which turns the automatic one off; left out, the camera's own"""
    gain: Annotated[float, Field(ge=0)] | None = Field(default=None, examples=[0])
    """the gain in the camera's own unit; left out, the camera's own"""
    features: Mapping[str, bool | int | float | str] = Field(
        default_factory=dict, examples=[{"GammaEnable": False}]
    )
    """a table of more settings, made in this order: GenICam features by name, or OpenCV properties such as
    CAP_PROP_FOCUS"""
    rotate: Literal[0, 90, 180, 270] = 0
    """degrees by which the picture is turned clockwise"""
    encoding: Literal["jpeg", "png", "bmp"] | None = Field(default=None, examples=["jpeg"])
    """jpeg, png or bmp; left out, jpeg, and the pictures of a folder as they lie there"""
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 92
    """the quality of a JPEG, from 1 to 100; a model wants the one that it was trained on"""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.kind in {"opencv", "genicam"}:
            if not self.device.strip():
                raise ValueError(f"device: is missing; write {_DEVICES[self.kind]}")
            if self.path is not None:
                raise ValueError(f"path: a camera of the kind {self.kind} has none; write device instead")
        else:
            if self.path is None:
                raise ValueError(f"path: is missing; write the {self.kind}'s path")
            if self.device:
                raise ValueError(f"device: a camera of the kind {self.kind} has none; write path instead")
        if self.kind == "genicam" and self.producer is None:
            raise ValueError("producer: is missing; write the path of the vendor's .cti file")
        if self.kind != "genicam" and self.producer is not None:
            raise ValueError('producer: only genicam has one; write kind = "genicam", or leave it out')
        if self.trigger not in _TRIGGERS[self.kind]:
            known = " or ".join(_TRIGGERS[self.kind])
            raise ValueError(f"trigger: a camera of the kind {self.kind} knows no {self.trigger}; write {known}")
        if self.kind == "genicam" and find_spec("harvesters") is None:
            raise ValueError(
                "kind: genicam needs the Python package harvesters, which is missing; "
                "write pip install 'aoi-bridge[genicam]'"
            )
        return self

    def unfit_for_live(self) -> str:
        """Return why no live verdict may rest on this camera, as ``key: why; write what``; empty if one may."""
        if self.kind == "video":
            return 'kind: a video shows no part that is here; write another kind, or stage = "shadow"'
        if self.kind == "opencv" and (found := _network(self.device)):
            return (
                f"device: {found} buffers and reorders pictures for seconds, so one cannot be tied to its part; "
                'write a V4L2 or GenICam camera, or stage = "shadow"'
            )
        return ""

    def settings(self) -> dict[str, Any]:
        """Return the options as JSON-ready values for the worker."""
        return self.model_dump(mode="json")


_DEVICES = {"opencv": "a number such as 0, or a path such as /dev/video0", "genicam": "the camera's serial number"}
_TRIGGERS: Mapping[str, tuple[str, ...]] = {
    "opencv": ("free",),
    "genicam": ("free", "software", "line"),
    "folder": ("free", "software", "line"),
    "video": ("free", "software"),
}


def _network(device: str) -> str:
    """Return what in a device fetches pictures over a network, empty for nothing."""
    scheme, separator, _ = device.strip().lower().partition("://")
    if separator and scheme in _NETWORKS:
        return scheme.upper()
    words = [word.partition("=")[0].lower() for word in device.replace("!", " ! ").split()]
    return next((word for word in words if word in _BUFFERING), "") if "!" in words else ""


class CameraSourceOptions(SourceOptions):
    """Cameras around one part, which shoot at once when another source asks for a verdict."""

    trigger: AnySource = Field(examples=[{"type": "modbus", "host": "192.168.0.10"}])
    """a table of the source that asks, with its type and any of its options; what it brings of pictures is not
    used"""
    camera: tuple[Camera, ...] = Field(examples=[[{"name": "front", "device": "/dev/video0"}]])
    """a table for each camera; their order is that of the views"""
    shoot_within_ms: Milliseconds = 200
    """milliseconds after its trigger during which a part is sure to stand before the cameras; a trigger that is
    heard later gets no pictures"""
    open_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 20
    """seconds up to 600 that opening a camera may take before it is tried anew"""

    moves_verdicts: ClassVar[frozenset[str]] = frozenset({"camera", "shoot_within_ms"})

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.camera:
            raise ValueError("camera: there is none; write a [[line.source.camera]] table for each")
        for name, times in Counter(camera.name for camera in self.camera).items():
            if times > 1:
                raise ValueError(f"camera: the name {name} is there {times} times; write a name for each")
        return self

    def unfit_for_live(self) -> str:
        """Return why no live verdict may rest on these cameras or on what triggers them; empty if one may."""
        for index, camera in enumerate(self.camera):
            if why := camera.unfit_for_live():
                return f"camera[{index}].{why}"
        why = self.trigger.options.unfit_for_live()
        return f"trigger.{why}" if why else ""
