"""A worker that does what no worker should, for certain pictures only: those of BAD_SIZE pixels.

    python misbehaving_worker.py MISDEED SOCKET_FD ARENA_FD

Everything else about it is the real worker.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from bridge.judging import headers, worker
from bridge.judging.bench import Bench
from bridge.judging.frames import Answer, Load, Opinion, Request, encode
from bridge.judging.inbox import Inbox
from bridge.judging.memory import taken

BAD_SIZE = (61, 47)
HUGE = 3_000_000_000
leaked: list[mmap.mmap] = []


def socket_fd() -> int:
    return int(sys.argv[-2])


def segfault(_: Request) -> None:
    ctypes.string_at(0)


def sleep(_: Request) -> None:
    time.sleep(3600)


def sleep_with_the_lock(_: Request) -> None:
    """In native code that keeps Python's own lock, so that no thread of ours could ever run."""
    ctypes.PyDLL(None).sleep(3600)


def spin(_: Request) -> None:
    while True:
        pass


def garbage(_: Request) -> None:
    os.write(socket_fd(), os.urandom(100))


def endless_frame(_: Request) -> None:
    os.write(socket_fd(), b"\0\0\0\2\x3f\0\0\0{}" + bytes(1 << 16))


def nested(_: Request) -> None:
    text = b"[" * 200_000
    data = len(text).to_bytes(4, "big") + bytes(4) + text
    while data:
        data = data[os.write(socket_fd(), data) :]


def say(answer: Answer) -> None:
    os.write(socket_fd(), b"".join(encode(answer)))


def too_many(request: Request) -> None:
    say(Answer(request.id, (Opinion(1.0),) * (len(request.asks) + 1)))


def too_few(request: Request) -> None:
    say(Answer(request.id))


def impossible_score(request: Request) -> None:
    say(Answer(request.id, (Opinion(5.0),) * len(request.asks)))


def leave(_: Request) -> None:
    os._exit(0)


def raise_error(_: Request) -> None:
    raise ValueError("a bug")


def hang_up(_: Request) -> None:
    """The process lives on, but its end of the socket is closed."""
    os.close(socket_fd())
    time.sleep(3600)


def stop(_: Request) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def fork(_: Request) -> None:
    """The child keeps the socket open, so that the parent's death is no end of the connection."""
    if os.fork():
        os._exit(1)
    time.sleep(3600)


def leak(_: Request) -> None:
    """30 MB with each picture, touched, so that it counts."""
    leaked.append(mmap.mmap(-1, 30_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    leaked[-1].write(bytes(30_000_000))


def swallow(_: Request) -> None:
    """More memory within one part than any worker may take."""
    while taken() < HUGE:
        leak(_)
    os._exit(99)  # never reached: the kernel has refused it long before


MISDEEDS: dict[str, Callable[[Request], None]] = {
    one.__name__: one
    for one in (
        *(segfault, sleep, sleep_with_the_lock, spin, garbage, endless_frame, nested, too_many, too_few),
        *(impossible_score, leave, raise_error, hang_up, stop, fork, leak, swallow),
    )
}


class Misbehaving(Bench):
    """Commits its misdeed when it has a certain picture in hand."""

    def answers(self, request: Request, pictures: Sequence[bytes]) -> Iterator[Answer]:
        """Do it before answering."""
        for index, (ask, inline) in enumerate(zip(request.asks, pictures, strict=True)):
            header = headers.read(self._inbox.picture(ask, inline))
            if (header.width, header.height) == BAD_SIZE:
                self._inbox.in_hand(request.id, index, 1)
                MISDEEDS[sys.argv[1]](request)
        yield from super().answers(request, pictures)


def make(load: Load, inbox: Inbox) -> Bench:
    """Do it at once where it is a matter of loading."""
    if sys.argv[1] == "die_loading":
        os.kill(os.getpid(), signal.SIGSEGV)
    return Misbehaving(load, inbox)


if __name__ == "__main__":
    worker.main(make)
