"""Hearing what code does to network, disk and processes, by Python's own audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TOUCHES = {
    "socket.connect": "dialled",
    "socket.bind": "bound",
    "socket.sendto": "sent to",
    "socket.sendmsg": "sent to",
    "socket.getaddrinfo": "looked up",
    "socket.gethostbyname": "looked up",
    "socket.gethostbyaddr": "looked up",
    "socket.getnameinfo": "looked up",
    "open": "opened",
    "os.listdir": "listed",
    "os.scandir": "listed",
    "os.mkdir": "made",
    "os.remove": "removed",
    "os.rename": "renamed",
    "sqlite3.connect": "opened",
    "subprocess.Popen": "started",
    "os.posix_spawn": "started",
    "os.fork": "forked",
}
_CODE = (".py", ".pyc", ".pyd", ".so")
_heard: list[str] | None = None
_hooked = False


@contextmanager
def listening_in() -> Iterator[list[str]]:
    """Keep in words each thing that is touched inside, in any thread; loading code does not count."""
    global _heard, _hooked  # noqa: PLW0603 - an audit hook is for the whole process and for ever
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked = True
    heard: list[str] = []
    _heard = heard
    try:
        yield heard
    finally:
        _heard = None


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _heard is None or event not in _TOUCHES:
        return
    what = arguments[1] if event in {"socket.connect", "socket.bind"} else arguments[0] if arguments else ""
    if event == "open" and str(what).endswith(_CODE):
        return
    _heard.append(f"{_TOUCHES[event]} {what}")
