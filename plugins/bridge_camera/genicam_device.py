"""An industrial camera through a GenTL producer and the GenICam nodes of its own, by way of ``harvesters``.

Told to shoot (``trigger = "software"``), the camera exposes after our command and not before, so what counts is
that no frame of before is taken for the new one: what lies in the buffers is thrown away first, and after a frame
that never came the acquisition is begun anew, for it might come yet. The camera's own frame number must grow.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from genicam.genapi import GenericException as NodeError
from genicam.gentl import GenericException as ProducerError
from harvesters.core import Harvester

from bridge_camera.device import Away, Grabbed, Pixels, Settings, now

_TO_BGR: Final = {
    "BGR8": None,
    "RGB8": cv2.COLOR_RGB2BGR,
    "BGRa8": cv2.COLOR_BGRA2BGR,
    "RGBa8": cv2.COLOR_RGBA2BGR,
    "BayerRG8": cv2.COLOR_BayerRGGB2BGR,
    "BayerGR8": cv2.COLOR_BayerGRBG2BGR,
    "BayerGB8": cv2.COLOR_BayerGBRG2BGR,
    "BayerBG8": cv2.COLOR_BayerBGGR2BGR,
}
"""GenICam's pixel formats that are understood beside Mono8, by how OpenCV makes blue-green-red of them."""
_DRAIN_SECONDS: Final = 0.001
_MOST_DRAINED: Final = 1000
"""A camera that runs freely and fast could be drained for ever."""


class GenicamDevice:
    """One camera of a producer, by its serial number."""

    def __init__(self, camera: Settings) -> None:
        self._harvester = Harvester()
        self._acquirer: Any = None
        self._trigger = camera["trigger"]
        self._held: Any = None
        """The buffer that was fetched last, ours until the next grab."""
        self._unanswered = False
        self._starts = 0
        try:
            self._open(camera)
        except BaseException as exc:
            self.close()
            if isinstance(exc, (NodeError, ProducerError, OSError, ValueError)):
                raise Away(_said(exc)) from exc
            raise

    def _open(self, camera: Settings) -> None:
        if not Path(camera["producer"]).is_file():
            raise Away(f"there is no producer {camera['producer']}")
        self._harvester.add_file(camera["producer"], check_existence=True, check_validity=True)
        self._harvester.update()
        found = [str(one.serial_number) for one in self._harvester.device_info_list]
        if camera["device"] not in found:
            raise Away(f"no camera of serial number {camera['device']}; found: {', '.join(found) or 'none'}")
        self._acquirer = self._harvester.create({"serial_number": camera["device"]})
        self._acquirer.num_buffers = max(camera["buffer_frames"] + 1, self._acquirer.min_num_buffers)
        self._nodes = self._acquirer.remote_device.node_map
        self._configure(camera)
        model = self._acquirer.device.model
        width, height, pixels = (self._nodes.get_node(n).value for n in ("Width", "Height", "PixelFormat"))
        self.said = f"{model} {camera['device']} {width}x{height} {pixels}, trigger {self._trigger}"
        self._acquirer.start()

    def _configure(self, camera: Settings) -> None:
        """Make every setting; the pixel format first, for what else is possible depends on it."""
        if camera["pixel_format"]:
            self._set("PixelFormat", camera["pixel_format"])
        for node, key in (("Width", "width"), ("Height", "height")):
            if camera[key] is not None:
                self._set(node, camera[key])
        if camera["exposure_us"] is not None:
            self._set("ExposureAuto", "Off", must=False)
            self._set("ExposureTime", float(camera["exposure_us"]))
        if camera["gain"] is not None:
            self._set("GainAuto", "Off", must=False)
            self._set("Gain", float(camera["gain"]))
        if self._trigger == "free":
            self._set("TriggerMode", "Off", must=False)
        else:
            self._set("TriggerSelector", "FrameStart", must=False)
            self._set("TriggerMode", "On")
            if self._trigger == "software":
                self._set("TriggerSource", "Software")
        if camera["frames_per_second"] is not None:
            self._set("AcquisitionFrameRateEnable", value=True, must=False)
            self._set("AcquisitionFrameRate", float(camera["frames_per_second"]))
        for name, value in camera["features"].items():
            self._set(name, value)

    def _set(self, name: str, value: object, *, must: bool = True) -> None:
        """Set a node; one that a camera need not have may be missing."""
        node = self._nodes.get_node(name) if self._nodes.has_node(name) else None
        if node is None:
            if must:
                raise Away(f"has no feature {name}")
            return
        try:
            node.value = value
        except (NodeError, TypeError) as exc:
            raise Away(f"does not take {name} = {value}: {_said(exc)}") from exc

    def grab(self, seconds: float) -> Grabbed | None:
        """Take the next complete frame out of the buffers."""
        self._give_back()
        began = now()
        try:
            self._held = self._acquirer.try_fetch(timeout=max(seconds, _DRAIN_SECONDS))
            if self._held is None:
                return None
            frame = self._starts << 64 | int(self._held.module.frame_id)  # a start begins to count anew
        except (ProducerError, NodeError) as exc:
            raise Away(_said(exc)) from exc
        self._unanswered = False
        return Grabbed(began, now(), frame)

    def _give_back(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            try:
                held.queue()
            except (ProducerError, NodeError) as exc:
                raise Away(_said(exc)) from exc

    def picture(self) -> Pixels:
        """Return the frame that was grabbed last."""
        try:
            return _pixels(self._held.payload.components[0])
        except (ProducerError, NodeError, IndexError) as exc:
            raise Away(_said(exc)) from exc

    def flush(self) -> None:
        """Empty the buffers; where an earlier shot was never answered, begin the acquisition anew."""
        try:
            if self._unanswered:
                self._give_back()
                self._acquirer.stop()
                self._acquirer.start()
                self._starts += 1
                self._unanswered = False
            for _ in range(_MOST_DRAINED):
                self._give_back()
                self._held = self._acquirer.try_fetch(timeout=_DRAIN_SECONDS)
                if self._held is None:
                    return
        except (ProducerError, NodeError) as exc:
            raise Away(_said(exc)) from exc

    def shoot(self) -> None:
        """Execute the software trigger."""
        try:
            self._nodes.get_node("TriggerSoftware").execute()
        except (NodeError, AttributeError) as exc:
            raise Away(f"takes no software trigger: {_said(exc)}") from exc
        self._unanswered = True

    def close(self) -> None:
        """Stop, and give the camera back to whoever comes next."""
        with suppress(ProducerError, NodeError):
            self._held = None
            if self._acquirer is not None:
                self._acquirer.destroy()
        with suppress(ProducerError, NodeError):
            self._harvester.reset()


def _pixels(component: Any) -> Pixels:
    """Return a copy of a component's pixels as OpenCV has them."""
    width, height, name = component.width, component.height, component.data_format
    data = np.asarray(component.data)
    if name != "Mono8" and name not in _TO_BGR:
        known = ", ".join(["Mono8", *_TO_BGR])
        raise Away(f"pictures of the pixel format {name} are not understood; write pixel_format, one of {known}")
    channels = data.size // (width * height)
    shaped = data.reshape(height, width) if channels == 1 else data.reshape(height, width, channels)
    conversion = _TO_BGR.get(name)
    return shaped.copy() if conversion is None else cv2.cvtColor(shaped, conversion).astype(np.uint8, copy=False)


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
