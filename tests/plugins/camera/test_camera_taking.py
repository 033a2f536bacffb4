"""What a worker does with frames, by a device in memory: a count that stands still, a gateway that is gone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bridge_camera.codec import Alive, Cutter, Message, Missing, Shoot, Shot, encode
from bridge_camera.desk import Desk, Gone
from bridge_camera.device import Grabbed, now
from bridge_camera.options import Camera
from bridge_camera.taking import Free

PERIOD = 0.004


@dataclass
class Sensor:
    """A camera that runs freely; from some frame on its count stands still, though frames go on coming."""

    frozen_at: int = 1 << 30
    said: str = "a sensor"
    frame: int = 0

    def grab(self, seconds: float) -> Grabbed:
        del seconds
        began = now()
        time.sleep(PERIOD)
        self.frame += 1
        return Grabbed(began, now(), min(self.frame, self.frozen_at))

    def picture(self) -> bytes:
        return b"frame %d" % self.frame

    def flush(self) -> None: ...

    def shoot(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class Gateway:
    """The other end of a desk."""

    link: socket.socket
    desk: Desk
    memory: int

    def orders(self, seconds: float = 0.3) -> float:
        at = now()
        self.link.sendall(encode(Shoot(1, at, at + seconds, 0, 1 << 16)))
        return at

    def heard(self) -> list[Message]:
        self.link.setblocking(False)  # noqa: FBT003 - the socket's own word
        try:
            data = self.link.recv(1 << 16)
        except BlockingIOError:
            return []
        return [one for one in Cutter().feed(data) if not isinstance(one, Alive)]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    ours, theirs = socket.socketpair()
    memory = os.memfd_create("test")
    with ours, theirs:
        yield Gateway(ours, Desk(theirs, memory), memory)
    os.close(memory)


# A folder's picture is handed on as it is, so its settings suit a device whose pictures are bytes.
SETTINGS: dict[str, Any] = Camera.model_validate({"name": "a", "kind": "folder", "path": "x"}).settings()


def answered(way: Free, gateway: Gateway) -> Message:
    until = now() + 20
    while now() < until:
        way.step()
        if said := gateway.heard():
            return said[0]
    raise TimeoutError


def test_a_sensor_that_runs_freely_gives_a_frame_of_after_the_order(gateway: Gateway) -> None:
    way = Free(Sensor(), gateway.desk, SETTINGS)
    for _ in range(40):
        way.step()
    at = gateway.orders(10)
    shot = answered(way, gateway)
    assert isinstance(shot, Shot)
    assert shot.exposed > at
    assert os.pread(gateway.memory, shot.size, shot.at) == b"frame %d" % shot.frame


def test_a_count_that_stands_still_is_a_missing_view(gateway: Gateway) -> None:
    """Frames go on coming, and all of them are the one of before."""
    way = Free(Sensor(frozen_at=40), gateway.desk, SETTINGS)
    for _ in range(60):
        way.step()
    gateway.orders()
    assert answered(way, gateway) == Missing(1, "no frame that began after the trigger came in time")


def test_a_gateway_that_hangs_up_ends_the_worker(gateway: Gateway) -> None:
    way = Free(Sensor(), gateway.desk, SETTINGS)
    gateway.link.shutdown(socket.SHUT_RDWR)
    with pytest.raises(Gone):
        answered(way, gateway)
