"""The judging process: takes requests, drops what nobody waits for any more, decodes, crops, infers, answers.

    python -m bridge.judging.worker SOCKET_FD ARENA_FD

It is started by ``host.py`` and speaks ``frames.py`` over an inherited socket; large pictures lie in an inherited
memory file. The process ends with its parent, even a stopped or wedged one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.judging import frames, memory
from bridge.judging.frames import Load, Ready, Rejected
from bridge.judging.inbox import Inbox

if TYPE_CHECKING:
    from bridge.judging.bench import Bench

NICENESS = 5
"""Below the gateway and everything else that the line needs now."""
_PR_SET_PDEATHSIG = 1


def _tame() -> None:
    """Run below everything else, and die with the gateway even while stopped or stuck in native code."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the gateway's; it says goodbye in order
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def _make(load: Load, inbox: Inbox) -> Bench:
    from bridge.judging.bench import Bench  # noqa: PLC0415 - only once the process is tame

    return Bench(load, inbox)


def _open(make: Callable[[Load, Inbox], Bench], inbox: Inbox, link: socket.socket) -> Bench | None:
    """Import the heavy libraries while the gateway checks hashes, then load and warm up what it names."""
    sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]  # model conversion: 0.2 s, unused here
    import bridge.judging.bench  # noqa: F401, PLC0415 - only once the process is tame
    from bridge.judging.engine import Unfit  # noqa: PLC0415 - same

    load = inbox.read()
    if not isinstance(load, Load):
        raise frames.Garbled("the first message is no Load")
    try:
        bench = make(load, inbox)
        ms, golden = bench.warm_up(), bench.judge_golden()
        allowed = memory.allow(load.memory_bytes, load.max_pixels)
    except (Unfit, memory.TooLittle) as exc:
        _send(link, Rejected(str(exc)))
        return None
    _send(link, Ready(ms, allowed, golden))
    return bench


def _send(link: socket.socket, message: frames.Message) -> None:
    link.sendall(b"".join(frames.encode(message)))


def main(make: Callable[[Load, Inbox], Bench] = _make) -> None:
    """Serve one gateway until it goes away."""
    _tame()
    link = socket.socket(fileno=int(sys.argv[-2]))
    inbox = Inbox(link, int(sys.argv[-1]))
    try:
        bench = _open(make, inbox, link)
        if bench is None:
            return
        for request, pictures in inbox:
            for answer in bench.answers(request, pictures):
                _send(link, answer)
            inbox.forget(request)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
