"""The process of one camera: opens it, takes pictures as they are ordered, and ends when it breaks.

    python -m bridge_camera.worker SOCKET_FD MEMORY_FD

It is started by ``host.py`` and speaks ``codec.py`` over an inherited socket; pictures lie in an inherited memory
file. A driver that crashes takes this process along and nothing else. The process ends with its parent, even a
stopped or wedged one.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import sys
from contextlib import suppress

from bridge_camera.codec import Failed, Open, Opened
from bridge_camera.desk import Desk, Gone
from bridge_camera.device import Away, Settings
from bridge_camera.devices import open_device
from bridge_camera.taking import take

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve one gateway until it goes away, or the camera does."""
    _die_with_parent()
    logging.disable()  # of libraries: what matters comes back as a reason
    with socket.socket(fileno=int(sys.argv[-2])) as link, suppress(Gone):
        desk = Desk(link, int(sys.argv[-1]))
        opening = desk.first()
        assert isinstance(opening, Open)  # noqa: S101 - the gateway is ours
        _serve(desk, dict(opening.camera))


def _die_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's; it says goodbye in order
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def _serve(desk: Desk, camera: Settings) -> None:
    try:
        device = open_device(camera)
        try:
            desk.send(Opened(device.said))
            take(device, desk, camera)
        finally:
            device.close()
    except Away as exc:
        desk.send(Failed(str(exc)))


if __name__ == "__main__":
    main()
