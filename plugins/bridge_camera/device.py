"""What every camera in a worker does, whatever its driver: hand frames over one after the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Pixels: TypeAlias = "NDArray[np.uint8]"
"""(height, width) grey, or (height, width, 3) blue-green-red."""
Settings: TypeAlias = dict[str, Any]
"""A camera's options as they came from the gateway, checked there."""
POLL_SECONDS: Final = 0.004
"""Between two looks for what tells nobody when it is there."""


class Away(Exception):  # noqa: N818 - it says what happened
    """The camera cannot be opened, or is gone; its text says why, in a few words."""


class Unusable(Exception):  # noqa: N818 - it says what happened
    """There is a frame, and no picture can be made of it; its text says why."""


@dataclass(frozen=True, slots=True)
class Grabbed:
    """A frame that the driver has handed over; its picture is brought by ``Device.picture``."""

    began: float
    """When the driver was asked for it (monotonic seconds)."""
    ended: float
    """When it was there."""
    frame: int
    """The camera's own count of its frames, else ours; one that does not grow is the frame of before."""
    stamp: float | None = None
    """The driver's time of it by our clock, where it has one."""
    exposed: float | None = None
    """The earliest instant at which its exposure may have begun, where the device itself is sure of one."""


class Device(Protocol):
    """An open camera. Everything here blocks; ``Away`` from any of it ends the worker."""

    said: str
    """What it is, for people."""

    def grab(self, seconds: float) -> Grabbed | None:
        """Take the next frame out of the driver's queue, waiting for about so long; None where none came."""
        ...

    def picture(self) -> Pixels | bytes:
        """Return the picture of the frame that was grabbed last: pixels, or a file as it lies there."""
        ...

    def flush(self) -> None:
        """Throw away whatever is there already, and whatever an earlier ``shoot`` may still bring."""
        ...

    def shoot(self) -> None:
        """Tell the camera to take one picture."""
        ...

    def close(self) -> None:
        """Let the camera go."""
        ...


def now() -> float:
    """Return the instant by the clock that all processes of this machine share."""
    return time.monotonic()
