"""The gateway's side of judging: starts the worker, hands it pictures, and kills it when it hangs.

The worker is one process for one loaded model, however many lines share it. Requests are answered in order. What
hangs is noticed by silence: while anything is asked, the worker must answer something every ``hang_ms`` (it
answers after each batch). Then, and when it dies or talks nonsense, every open request fails with ``Unavailable``
and the opener ends with it, so that the host opens a new one. What it had in hand is remembered as poison.
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
from math import inf
from typing import Any, Final

from bridge.errors import ConfigError, Unavailable
from bridge.health import count
from bridge.judging.arena import Arena, Block
from bridge.judging.asked import Asked, Picture
from bridge.judging.frames import Answer, Ask, Cancel, Garbled, Load, Message, Opinion, Ready, Rejected, Request
from bridge.judging.link import Link
from bridge.judging.poison import Poison
from bridge.messages import Failure

SHARED_BYTES: Final = 1 << 13
"""Pictures above this go through the arena; below it the socket is as fast."""
PROGRAM: Final = ("-m", "bridge.judging.worker")
"""What Python runs; it is given the numbers of two file descriptors, socket and arena."""
_GOODBYE_SECONDS = 0.5
_LAST_BREATH_SECONDS = 0.5
"""Who has hung up is given so long to leave by itself, so that we learn how."""
_ENVIRONMENT = {
    "CV_IO_MAX_IMAGE_PIXELS": str(1 << 30),  # a second lock behind our own reading of headers
    "MALLOC_ARENA_MAX": "2",  # glibc keeps a heap per thread otherwise
}


class Worker:
    """A running worker process; made by ``start``."""

    def __init__(self, process: Process, arena: Arena, hang_ms: float, poison: Poison) -> None:
        self.process = process
        self.link = Link(self._take)
        self.memory_bytes = 0
        """What the process took, by its own word."""
        self.limit_bytes = 0
        """What it may take."""
        self._arena, self._poison = arena, poison
        self._hang_seconds = hang_ms / 1000
        self._numbers = itertools.count(1)
        self._open: dict[int, Asked] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._greeting: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._hanged = False
        self._end = ""
        self._dying = asyncio.create_task(self._die(), name="a worker's end")

    async def load(self, load: Load, seconds: float) -> Ready:
        """Load a model and warm it up.

        Raises:
            ConfigError: the bundle cannot run here.
            Unavailable: the worker died, or was not ready within ``seconds``.
        """
        self.link.send(load)
        told: set[asyncio.Future[Any]] = {self._greeting, self._dying}
        await asyncio.wait(told, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._greeting.done():
            message = self._greeting.result()
        elif self._dying.done():
            raise Unavailable(f"{self._end} while loading")
        else:
            raise Unavailable(f"the judge was not ready within {seconds:g} s")
        if isinstance(message, Rejected):
            raise ConfigError(load.model, message.why)
        if not isinstance(message, Ready):
            raise Unavailable("the judge does not speak our words")
        if len(message.golden) != len(load.golden):
            raise Unavailable(f"the judge answered {len(message.golden)} of {len(load.golden)} golden pictures")
        self.limit_bytes = message.memory_bytes
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
        self._asked += 1
        self._idle.clear()
        try:
            opinions = await self._ask(next(self._numbers), pictures, expires)
        finally:
            self._asked -= 1
            if not self._asked:
                self._idle.set()
        return opinions + [Opinion(failure=Failure.DEADLINE)] * (len(pictures) - len(opinions))

    async def serve(self) -> None:
        """Wait until the worker goes away.

        Raises:
            Unavailable: always, with what became of it.
        """
        await asyncio.wait({self._dying})
        raise Unavailable(self._end)

    @property
    def outgrown(self) -> bool:
        """Whether it has taken more memory than it may."""
        return self.memory_bytes > self.limit_bytes

    async def idle(self) -> None:
        """Wait until nothing is asked."""
        await self._idle.wait()

    async def close(self) -> None:
        """Say goodbye by hanging up, and kill what does not leave."""
        self._end = self._end or "the judge is closed"
        self._dying.cancel()
        if self._alarm:
            self._alarm.cancel()
        self._fail()
        self.link.close()
        try:
            await self._left()
        finally:
            self.kill()  # cancelled while waiting: it leaves all the same; and so do its children
            self.link.abort()
            await self._left()

    async def _left(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self.process.wait()

    def kill(self) -> None:
        """End the process and its children now; a stopped one too."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

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
                at = block.at if block else None
                asks.append(Ask(len(one.image), at, one.roi, one.onto, one.explain))
        except BaseException:
            self._free(blocks)
            raise
        return Request(number, tuple(asks), expires), blocks

    async def _ask(self, number: int, pictures: Sequence[Picture], expires: float | None) -> list[Opinion]:
        request, blocks = await self._pack(number, pictures, expires)
        if self._end:  # while it was packed
            raise Unavailable(self._end)
        done: asyncio.Future[list[Opinion]] = asyncio.get_running_loop().create_future()
        if not self._open:
            self._watch()
        self._open[number] = Asked(pictures, blocks, inf if expires is None else expires, [], done)
        inline = [one.image for one, ask in zip(pictures, request.asks, strict=True) if ask.shared is None]
        self.link.send(request, inline)
        try:
            return await done
        except asyncio.CancelledError:
            if request.id in self._open:
                self.link.send(Cancel(request.id))
            raise

    def _take(self, message: Message) -> None:
        if not isinstance(message, Answer):
            if self._greeting.done():
                raise Garbled("no answer")
            self._greeting.set_result(message)
            return
        request = self._open.get(message.id)
        if request is None:  # it hung and was given up; this was still in the pipe
            return
        request.take(message)
        if message.last:
            self.memory_bytes = message.memory_bytes
            del self._open[message.id]
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
            self._hanged = True
            self.kill()

    async def _die(self) -> None:
        """Wait for the end, whichever way it shows; then see to it, remember why, and fail all that is open.

        A child that a worker made may hold its socket open, so a death is not always an end of the connection; nor
        is the end of the connection always a death.
        """
        ends: set[asyncio.Task[Any]] = {
            asyncio.create_task(self.process.wait()),
            asyncio.create_task(self.link.lost.wait()),
        }
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ends:
                one.cancel()
        self._end = await self._epitaph()
        self.kill()
        count("judge died")
        await self._poison.add(self._in_hand())
        self._fail()

    async def _epitaph(self) -> str:
        """Return what a process died of, once its connection or itself has ended."""
        if self._hanged:
            return f"the judge was silent for {self._hang_seconds * 1000:g} ms and was killed"
        if self.link.garbled:
            return f"the judge talked nonsense ({self.link.garbled}) and was killed"
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_BREATH_SECONDS):
                code = await self.process.wait()
                return f"the judge died ({signal.Signals(-code).name if code < 0 else f'exit code {code}'})"
        return "the judge hung up and was killed"

    def _in_hand(self) -> Sequence[bytes]:
        """Return the pictures that the worker was at when it ended."""
        number, which = self._arena.in_hand()
        request = self._open.get(number)
        return [one.image for one in request.pictures[which]] if request else []

    def _fail(self) -> None:
        """Fail all that is open. Their blocks are not freed: a dying worker may still read them."""
        for request in self._open.values():
            if not request.done.done():
                request.done.set_exception(Unavailable(self._end))
        self._open.clear()

    def _free(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self._arena.ledger.give_back(block)


@asynccontextmanager
async def start(
    hang_ms: float, poison: Poison | None = None, program: Sequence[str] = PROGRAM
) -> AsyncIterator[Worker]:
    """Start a worker and end it afterwards; load it before asking it anything.

    Args:
        hang_ms: how long it may be silent while it is asked something.
        poison: where the pictures it dies over are noted.
        program: what Python runs.
    """
    with Arena() as arena, ExitStack() as ends:
        ours, theirs = (ends.enter_context(one) for one in socket.socketpair())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-X", "faulthandler", *program),
            *(str(theirs.fileno()), str(arena.fd)),
            pass_fds=(theirs.fileno(), arena.fd),
            env=os.environ | _ENVIRONMENT,
            stdin=asyncio.subprocess.DEVNULL,
            process_group=0,  # of its own, so that its children can be ended with it
        )
        theirs.close()  # so that the worker's end is the only one, and its death an end of file
        worker = Worker(process, arena, hang_ms, poison or Poison())
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: worker.link, sock=ours)
            yield worker
        finally:
            await worker.close()
