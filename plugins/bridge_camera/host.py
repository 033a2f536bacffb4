"""The gateway's side of one worker: starts the process, sends orders, brings pictures back, and ends it.

Whatever hangs is noticed by silence, for a worker says every second that it is alive. Then, and when it dies or
talks nonsense, every order fails with ``Unavailable`` and ``serve`` ends with it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Final

from bridge.plugin import Unavailable
from bridge_camera.codec import Alive, Cutter, Failed, Garbled, Message, Missing, Open, Opened, Shoot, Shot, encode
from bridge_camera.options import Camera

PROGRAM: Final = ("-m", "bridge_camera.worker")
"""What Python runs; it is given the numbers of two file descriptors, socket and memory."""
SILENCE_SECONDS: Final = 3.0
"""A worker that says nothing for so long hangs."""
ROOM: Final = 128 << 20
"""The largest picture, in bytes; memory that no picture needs is never taken."""
SLOTS: Final = 3
"""Places for pictures: one is filled while another is still read."""
INLINE_BYTES: Final = 1 << 19
"""Copying this much takes a tenth of a millisecond; more is done in a thread."""
_GOODBYE_SECONDS: Final = 0.5
_CHUNK: Final = 1 << 16
_ENVIRONMENT: Final = {
    "OPENCV_LOG_LEVEL": "ERROR",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "CV_IO_MAX_IMAGE_PIXELS": str(1 << 28),
    "MALLOC_ARENA_MAX": "2",  # glibc keeps a heap per thread otherwise
}


class Worker:
    """A running worker process; made by ``start``."""

    def __init__(
        self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fd: int
    ) -> None:
        self.process = process
        self.period = 0.0
        """Seconds between two frames of a camera that runs freely, by the worker's word; 0 while nobody knows."""
        self.frames = 0
        self._reader, self._writer, self._fd = reader, writer, fd
        self._cutter = Cutter()
        self._numbers = itertools.count(1)
        self._free = set(range(SLOTS))
        self._asked: dict[int, tuple[asyncio.Future[Shot], int]] = {}
        self._messages = self._read()

    async def open(self, camera: Camera, seconds: float) -> str:
        """Open the camera; return what it is, in words.

        Raises:
            Unavailable: it is away, or took too long.
        """
        self._send(Open(camera.settings()))
        try:
            async with asyncio.timeout(seconds):
                message = await anext(self._messages)
        except TimeoutError as exc:
            raise Unavailable(f"was not open within {seconds:g} s") from exc
        except StopAsyncIteration as exc:
            raise Unavailable(await self._epitaph()) from exc
        except Garbled as exc:
            raise Unavailable(f"its worker talked nonsense ({exc})") from exc
        if isinstance(message, Failed):
            raise Unavailable(message.why)
        if not isinstance(message, Opened):
            raise Unavailable("its worker does not speak our words")
        return message.said

    async def serve(self) -> None:
        """Take in what the worker says, until it goes away.

        Raises:
            Unavailable: always, with what became of it.
        """
        why = ""
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = await anext(self._messages)
                if isinstance(message, Failed):
                    why = message.why
                    break
                self._take(message)
        except StopAsyncIteration:
            why = await self._epitaph()
        except TimeoutError:
            why = f"its driver was silent for {SILENCE_SECONDS:g} s"
        except Garbled as exc:
            why = f"its worker talked nonsense ({exc})"
        finally:
            self.fail(why or "was closed")
        raise Unavailable(why)

    async def shoot(self, after: float, until: float) -> tuple[bytes, Shot]:
        """Return the picture of a part, and what is known of it.

        The order is sent before this first waits, so cameras that are asked one after the other shoot at once.

        Raises:
            Unavailable: there is none, and why.
        """
        if not self._free:
            raise Unavailable("pictures are asked for faster than they can be read")
        slot, number = self._free.pop(), next(self._numbers)
        answer: asyncio.Future[Shot] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer, slot
        self._send(Shoot(number, after, until, slot * ROOM, ROOM))
        try:
            shot = await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                self._free.add(
                    slot
                )  # it had come; else ``_take`` frees the place once the worker has let go of it
            raise
        try:
            return await self._picture(shot), shot
        finally:
            self._free.add(slot)

    async def _picture(self, shot: Shot) -> bytes:
        if not (0 < shot.size <= ROOM and 0 <= shot.at <= (SLOTS - 1) * ROOM):
            raise Unavailable(f"its worker claims a picture of {shot.size} bytes at {shot.at}")
        if shot.size <= INLINE_BYTES:
            data = os.pread(self._fd, shot.size, shot.at)
        else:
            loop = asyncio.get_running_loop()
            reading = loop.run_in_executor(None, _get, os.dup(self._fd), shot.size, shot.at)
            # Whoever stops waiting before a thread was free must not keep ``_get`` from closing its descriptor.
            data = await asyncio.shield(reading)
        if len(data) != shot.size:
            raise Unavailable("its picture is not complete")
        return data

    def fail(self, why: str) -> None:
        """Fail whatever is asked; nothing will come any more."""
        for answer, _ in self._asked.values():
            if not answer.done():
                answer.set_exception(Unavailable(why))
        self._asked.clear()

    async def close(self) -> None:
        """Say goodbye by hanging up, and kill what does not leave."""
        self.fail("was closed")
        self._writer.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await self.process.wait()
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)  # a stopped one too, and whatever its driver started
            await self.process.wait()

    def _send(self, message: Message) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _read(self) -> AsyncIterator[Message]:
        while True:
            try:
                data = await self._reader.read(_CHUNK)
            except OSError:
                return
            if not data:
                return
            for message in self._cutter.feed(data):
                yield message

    def _take(self, message: Message) -> None:
        match message:
            case Alive(frames, period):
                self.frames, self.period = frames, period
            case Shot(number) | Missing(number):
                answer, slot = self._asked.pop(number, (None, -1))
                if answer is None:
                    raise Garbled(f"an answer to {number}, which nobody asked")
                if answer.done() or isinstance(message, Missing):
                    self._free.add(slot)
                if not answer.done() and isinstance(message, Missing):
                    answer.set_exception(Unavailable(message.why))
                elif not answer.done() and isinstance(message, Shot):
                    answer.set_result(message)
            case _:
                raise Garbled(f"{type(message).__name__} at the wrong time")

    async def _epitaph(self) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                code = await self.process.wait()
                return f"its worker died ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
        return "its worker hung up"


def _get(fd: int, size: int, at: int) -> bytes:
    """Read through a descriptor of its own: the memory may be closed meanwhile, its number be another file's."""
    try:
        return os.pread(fd, size, at)
    finally:
        os.close(fd)


@asynccontextmanager
async def start(program: Sequence[str] = PROGRAM) -> AsyncIterator[Worker]:
    """Start a worker, and end it afterwards; open its camera before asking it anything.

    Raises:
        Unavailable: this machine starts no more processes.
    """
    with ExitStack() as ends:
        ours, theirs = (ends.enter_context(one) for one in socket.socketpair())
        memory = os.memfd_create("aoi-bridge-camera", os.MFD_CLOEXEC)
        ends.callback(os.close, memory)
        os.ftruncate(memory, SLOTS * ROOM)  # costs nothing until it is written to
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-X", "faulthandler", *program),
                *(str(theirs.fileno()), str(memory)),
                pass_fds=(theirs.fileno(), memory),
                env=os.environ | _ENVIRONMENT,
                stdin=asyncio.subprocess.DEVNULL,
                process_group=0,  # of its own, so that what a driver starts can be ended with it
            )
        except OSError as exc:
            raise Unavailable(f"its worker cannot be started ({exc.strerror})") from exc
        theirs.close()  # so that the worker's end is the only one, and its death an end of file
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = Worker(process, reader, writer, memory)
        try:
            yield worker
        finally:
            await worker.close()
