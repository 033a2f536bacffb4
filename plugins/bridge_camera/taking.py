"""How a worker takes pictures: three ways, after what makes the camera shoot. No way hands over a frame of before.

- *free*: the camera runs by itself. Every frame is taken out of the driver's queue as it comes, and the first one
  whose exposure began after the trigger, by all that ``freshness`` knows, is the part's.
- *asked*: we tell it to shoot. What is there already is thrown away first, then the first frame is the part's.
- *wired*: a wire tells it, once for each part, before or after we hear of it. The one frame that came since
  shortly before the trigger is the part's; where two came, nobody knows which, and the view is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

from bridge_camera.codec import Shoot
from bridge_camera.desk import ALIVE_SECONDS, Desk
from bridge_camera.device import Device, Grabbed, Pixels, Settings, now
from bridge_camera.freshness import Freshness

GRAB_SECONDS: Final = 0.1
"""The longest that a worker does not look at its desk; a driver may make it wait longer."""
_WIRE_SECONDS: Final = 0.01
_WAITED_SECONDS: Final = 0.001
_KEPT: Final = 4
"""Frames of a wire that nobody has asked for yet; more are too many for one part already."""


def take(device: Device, desk: Desk, camera: Settings) -> None:
    """Take pictures as they are ordered, for ever."""
    if camera["trigger"] == "line":
        way: Free | Asked | Wired = Wired(device, desk, camera)
    elif camera["trigger"] == "software" or camera["kind"] == "folder":
        way = Asked(device, desk, camera)
    else:
        way = Free(device, desk, camera)
    while True:
        way.step()


class Free:
    """A camera that runs by itself."""

    def __init__(self, device: Device, desk: Desk, camera: Settings) -> None:
        self._device, self._desk, self._camera = device, desk, camera
        lead = camera["lead_ms"]
        self._fresh = Freshness(None if lead is None else lead / 1000)
        self._frame = -1
        self._frames = 0

    def step(self) -> None:
        """Take one frame, and answer the open order if it is fresh."""
        grabbed = self._device.grab(GRAB_SECONDS)
        exposed = -inf
        if grabbed is not None:
            exposed = self._fresh.grabbed(grabbed.began, grabbed.ended, grabbed.stamp)
            exposed = exposed if grabbed.frame > self._frame else -inf  # a count that stands still is no new frame
            self._frame = max(self._frame, grabbed.frame)
            self._frames += 1
        order = self._desk.order()
        if grabbed is not None and order is not None and exposed > order.after:
            self._desk.hand_over(self._device.picture(), self._camera, grabbed, exposed)
        self._desk.alive(self._frames, self._fresh.period)


class Asked:
    """A camera that shoots when it is told to."""

    def __init__(self, device: Device, desk: Desk, camera: Settings) -> None:
        self._device, self._desk, self._camera = device, desk, camera
        self._tells = camera["trigger"] == "software"
        self._frames = 0

    def step(self) -> None:
        """Wait for an order for a while, and carry it out."""
        if (order := self._desk.order(ALIVE_SECONDS)) is not None:
            self._device.flush()
            told_at = now()
            if self._tells:
                self._device.shoot()
            self._wait(order, told_at)
        self._desk.alive(self._frames, None)

    def _wait(self, order: Shoot, told_at: float) -> None:
        while True:
            grabbed = self._device.grab(min(GRAB_SECONDS, max(0.0, order.until - now())))
            if self._desk.order() is not order:
                return  # its time is over, or the next part came first
            if grabbed is None:
                continue
            self._frames += 1
            exposed = told_at if grabbed.exposed is None else grabbed.exposed
            if exposed > order.after:
                self._desk.hand_over(self._device.picture(), self._camera, grabbed, exposed)
                return


@dataclass(frozen=True, slots=True)
class _Came:
    """A frame that a wire has brought about."""

    grabbed: Grabbed
    after: float
    """It came after this instant."""
    picture: Pixels | bytes


class Wired:
    """A camera that a wire tells to shoot."""

    def __init__(self, device: Device, desk: Desk, camera: Settings) -> None:
        self._device, self._desk, self._camera = device, desk, camera
        self._before = camera["line_before_ms"] / 1000
        self._came: list[_Came] = []
        self._empty_at = -inf
        """The last instant at which the driver had nothing for us."""
        self._frames = 0

    def step(self) -> None:
        """Take in a frame if one came, and answer the open order if it is its frame."""
        began = now()
        grabbed = self._device.grab(_WIRE_SECONDS)
        if grabbed is None:
            self._empty_at = began
        else:
            self._keep(grabbed)
        if (order := self._desk.order()) is not None:
            self._answer(order)
        self._desk.alive(self._frames, None)

    def _keep(self, grabbed: Grabbed) -> None:
        if grabbed.ended - grabbed.began >= _WAITED_SECONDS:
            self._empty_at = grabbed.began
        after = self._empty_at if grabbed.exposed is None else grabbed.exposed
        self._came = [*self._came[1 - _KEPT :], _Came(grabbed, after, self._device.picture())]
        self._frames += 1

    def _answer(self, order: Shoot) -> None:
        """Answer with the one frame of this part; without one go on waiting."""
        mine = [one for one in self._came if one.after >= order.after - self._before]
        if not mine:
            return
        self._came.clear()
        if len(mine) > 1:
            self._desk.excuse(f"{len(mine)} frames came for one part, and nobody knows which shows it")
            return
        self._desk.hand_over(mine[0].picture, self._camera, mine[0].grabbed, mine[0].after)
