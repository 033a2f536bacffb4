"""The gateway's side of judging: starts the worker, hands it pictures, and kills it when it hangs.

The worker is one process for one loaded model, however many lines share it. Requests are answered in order. What
hangs is noticed by silence: while anything is asked, the worker must answer something every ``hang_ms`` (it
answers after each batch). Then, and when it dies, every open request fails with ``Unavailable`` and the opener
ends with it, so that the host opens a new one.
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
from dataclasses import dataclass, field
from typing import Final

from bridge.errors import ConfigError, Unavailable
from bridge.judging import frames
from bridge.judging.arena import Arena, Block
from bridge.judging.frames import Answer, Ask, Cancel, Load, Message, Opinion, Ready, Rejected, Request
from bridge.messages import Box, Failure

SHARED_BYTES: Final = 1 << 18
"""Pictures above this go through the arena; below it the socket is faster."""
_GOODBYE_SECONDS = 0.5
_STREAM_LIMIT = 1 << 20
_ENVIRONMENT = {
    "CV_IO_MAX_IMAGE_PIXELS": str(1 << 30),  # a second lock behind our own reading of headers
    "MALLOC_ARENA_MAX": "2",  # glibc keeps a heap per thread otherwise
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What the worker is asked about."""

    image: bytes = field(repr=False)
    roi: Box | None = None


@dataclass(slots=True)
class _Open:
    """A request that the worker still has."""

    blocks: list[Block]
    opinions: list[Opinion]
    done: asyncio.Future[list[Opinion]]


class Worker:
    """A running worker process; made by ``start``."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        arena: Arena,
        hang_ms: float,
    ) -> None:
        self.process = process
        self._reader, self._writer, self._arena = reader, writer, arena
        self._hang_seconds = hang_ms / 1000
        self._numbers = itertools.count(1)
        self._open: dict[int, _Open] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._end = ""

    async def load(self, load: Load, seconds: float) -> Ready:
        """Load a model and warm it up.

        Raises:
            ConfigError: the bundle cannot run here.
            Unavailable: the worker died, or was not ready within ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                self._writer.writelines(frames.encode(load))
                message = await self._read()
        except TimeoutError as exc:
            raise Unavailable(f"the judge was not ready within {seconds:g} s") from exc
        except (EOFError, OSError) as exc:
            raise Unavailable(f"the judge died while loading ({await self._epitaph()})") from exc
        if isinstance(message, Rejected):
            raise ConfigError(load.model, message.why)
        if not isinstance(message, Ready):
            raise Unavailable("the judge does not speak our words")
        return message

    async def judge(self, pictures: Sequence[Picture], expires: float | None = None) -> list[Opinion]:
        """Return one opinion for each picture, in order.

        Cancelling it cancels the work, at once where it has not begun and after the current batch where it has.

        Args:
            pictures: the views of one part.
            expires: the instant of ``time.monotonic()`` after which the answer is of no use; pictures that were
                not reached by then are failures ``deadline``.

        Raises:
            Unavailable: the worker died or hung.
        """
        if self._end:
            raise Unavailable(self._end)
        number = next(self._numbers)
        request, blocks = await self._pack(number, pictures, expires)
        done: asyncio.Future[list[Opinion]] = asyncio.get_running_loop().create_future()
        if not self._open:
            self._watch()
        self._open[number] = _Open(blocks, [], done)
        inline = [one.image for one, ask in zip(pictures, request.asks, strict=True) if ask.shared is None]
        self._writer.writelines(frames.encode(request, inline))
        try:
            opinions = await done
        except asyncio.CancelledError:
            if number in self._open:
                self._writer.writelines(frames.encode(Cancel(number)))
            raise
        return opinions + [Opinion(failure=Failure.DEADLINE)] * (len(pictures) - len(opinions))

    async def serve(self) -> None:
        """Take the worker's answers until it goes away.

        Raises:
            Unavailable: always, with what became of it.
        """
        try:
            while True:
                message = await self._read()
                if isinstance(message, Answer):
                    self._take(message)
        except (EOFError, OSError, frames.Garbled):
            self._end = self._end or f"the judge died ({await self._epitaph()})"
            raise Unavailable(self._end) from None
        finally:
            self._fail(self._end or "the judge is closed")

    async def close(self) -> None:
        """Say goodbye by hanging up, and kill what does not leave."""
        if self._alarm:
            self._alarm.cancel()
        self._fail("the judge is closed")
        self._writer.close()
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()
        finally:
            self.kill()  # cancelled while waiting: it leaves all the same
            self._writer.transport.abort()

    def kill(self) -> None:
        """End the process now; a stopped one too."""
        with suppress(ProcessLookupError):
            self.process.kill()

    async def _pack(
        self, number: int, pictures: Sequence[Picture], expires: float | None
    ) -> tuple[Request, list[Block]]:
        """Put large pictures into the arena and say where each one is."""
        blocks: list[Block] = []
        asks = []
        try:
            for one in pictures:
                block = await self._arena.lend(one.image) if len(one.image) > SHARED_BYTES else None
                blocks += [block] if block else []
                asks.append(Ask(len(one.image), block.at if block else None, one.roi))
        except BaseException:
            self._free(blocks)
            raise
        return Request(number, tuple(asks), expires), blocks

    async def _read(self) -> Message:
        header, body = frames.lengths(await self._reader.readexactly(frames.PREFIX.size))
        message = frames.decode(await self._reader.readexactly(header))
        await self._reader.readexactly(body)
        return message

    def _take(self, answer: Answer) -> None:
        request = self._open.get(answer.id)
        if request is None:  # it hung and was given up; this was still in the pipe
            return
        request.opinions += answer.opinions
        if answer.last:
            del self._open[answer.id]
            self._free(request.blocks)
            if not request.done.done():
                request.done.set_result(request.opinions)
        self._watch()

    def _watch(self) -> None:
        """Start the time in which the worker must say something, if it is asked anything."""
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(self._hang_seconds, self._hung)

    def _hung(self) -> None:
        if self._open:
            self._end = f"the judge was silent for {self._hang_seconds * 1000:g} ms and was killed"
            self.kill()
            self._fail(self._end)

    def _fail(self, why: str) -> None:
        """Fail all that is open. Their blocks are not freed: a dying worker may still read them."""
        for request in self._open.values():
            if not request.done.done():
                request.done.set_exception(Unavailable(why))
        self._open.clear()

    def _free(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self._arena.ledger.give_back(block)

    async def _epitaph(self) -> str:
        """Return what a process died of, once its connection has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                code = await self.process.wait()
                return signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return "it hung up"


@asynccontextmanager
async def start(hang_ms: float) -> AsyncIterator[Worker]:
    """Start a worker and end it afterwards; load it before asking it anything."""
    with Arena() as arena, ExitStack() as ends:
        ours, theirs = (ends.enter_context(one) for one in socket.socketpair())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-X", "faulthandler", "-m", "bridge.judging.worker"),
            *(str(theirs.fileno()), str(arena.fd)),
            pass_fds=(theirs.fileno(), arena.fd),
            env=os.environ | _ENVIRONMENT,
            stdin=asyncio.subprocess.DEVNULL,
        )
        theirs.close()  # so that the worker's end is the only one, and its death an end of file
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_STREAM_LIMIT)
        worker = Worker(process, reader, writer, arena, hang_ms)
        try:
            yield worker
        finally:
            await worker.close()
