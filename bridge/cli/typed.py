"""Words from standard input, for a command that goes on while somebody types."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

STANDARD_INPUT = 0


async def typed() -> AsyncIterator[list[str]]:
    """Yield the words of each line until the input ends; empty lines and those that begin with ``#`` are left out.

    The thread that reads is a daemon and reads without a buffer: one that waits for a line nobody types must not
    keep the process, nor hold a lock that the interpreter wants when it ends.
    """
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    arguments = asyncio.get_running_loop(), lines
    threading.Thread(target=_read, args=arguments, name="standard-input", daemon=True).start()
    while line := await lines.get():
        words = line.decode(errors="replace").split()
        if words and words[0] != "#":
            yield words


def _read(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[bytes]) -> None:
    with suppress(RuntimeError):  # the loop has gone, and nobody listens any more
        with suppress(OSError), os.fdopen(STANDARD_INPUT, "rb", buffering=0, closefd=False) as source:
            for line in source:
                loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, b"")
