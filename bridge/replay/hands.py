"""Those who judge: one worker process for each core, each with two pieces of work, so that none of them waits.

A worker decodes and infers on one core, as the live one does but on pictures of several parts at once. While it is
at one piece, the next is read from the disk and handed over. A picture over which it dies costs that picture and a
second of one core.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bridge.clock import SystemClock
from bridge.errors import Unavailable
from bridge.judges import AUDITION_SECONDS, Sitting
from bridge.judging.turns import SLICE_VIEWS
from bridge.messages import Failure, Judgement, View
from bridge.plugin.api import Judge
from bridge.plugin.discovery import Plugged
from bridge.store import Images
from bridge.supervise import Slot
from bridge.tasks import Tasks

AHEAD = 2
"""Pieces that one worker has at once: one under way, and the next."""
PIECE_VIEWS = SLICE_VIEWS
PIECE_BYTES = 16 << 20
"""Of large pictures fewer are judged together."""
TRIES = 3
"""Of one picture alone: a worker may have died over the other piece that it had."""
GOODBYE_SECONDS = 1.0

Said = list[Judgement | None]
"""One for each view; None where its picture is gone."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One view to be judged, without its picture."""

    view: View
    image: str
    """SHA-256."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some views for one judge; of several parts, or a slice of one large one."""

    judge: str
    asks: Sequence[Ask]
    done: asyncio.Future[Said] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Hands:
    """Workers of every judge that a line asks; made by ``opened``."""

    def __init__(self, images: Images, workers: int) -> None:
        self._images = images
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue(AHEAD * workers)

    async def judge(self, piece: Piece) -> asyncio.Future[Said]:
        """Take a piece of work as soon as there is room; return what is done when it is judged."""
        await self._pieces.put(piece)
        return piece.done

    async def work(self, judges: Mapping[str, Slot[Judge]]) -> None:
        """Do one piece after the other until cancelled."""
        while True:
            piece = await self._pieces.get()
            try:
                said = await self._judged(piece, judges[piece.judge])
            except Exception as exc:  # noqa: BLE001 - whoever waits for the piece is told
                piece.done.set_exception(exc)
            else:
                piece.done.set_result(said)

    async def _judged(self, piece: Piece, slot: Slot[Judge]) -> Said:
        said: Said = []
        while len(said) < len(piece.asks):
            pictures = await asyncio.to_thread(self._read, piece.asks[len(said) :])
            shown = zip(piece.asks[len(said) :], pictures, strict=False)
            views = [replace(one.view, image=picture) for one, picture in shown if picture is not None]
            judged = iter(await ask(slot, views) if views else ())
            said += [None if picture is None else next(judged) for picture in pictures]
        return said

    def _read(self, asks: Sequence[Ask]) -> list[bytes | None]:
        """Return the pictures of the first views: of all, or as many as may lie in memory at once."""
        pictures: list[bytes | None] = []
        size = 0
        for one in asks:
            pictures.append(picture := self._images.read(one.image))
            size += len(picture or b"")
            if size >= PIECE_BYTES:
                break
        return pictures


async def ask(slot: Slot[Judge], views: Sequence[View]) -> Sequence[Judgement]:
    """Judge views together, and where the judge breaks over them one by one; what breaks it alone is a failure.

    Raises:
        Unavailable: the judge does not come back.
    """
    for _ in range(TRIES if len(views) == 1 else 1):
        try:
            return await _asked(slot, views)
        except Unavailable as exc:
            if not await _back(slot):
                raise Unavailable(f"the judge does not come back ({exc})") from exc
    if len(views) == 1:
        return [Judgement(failure=Failure.JUDGE_DOWN)]
    return [one for view in views for one in await ask(slot, [view])]


async def _asked(slot: Slot[Judge], views: Sequence[View]) -> Sequence[Judgement]:
    judge = await slot.get()
    try:
        return await judge(views)
    except Unavailable as exc:
        slot.fail(judge, exc)
        raise


async def _back(slot: Slot[Judge]) -> bool:
    try:
        async with asyncio.timeout(AUDITION_SECONDS):
            await slot.get()
    except TimeoutError:
        return False
    return True


@asynccontextmanager
async def opened(judges: Mapping[str, Plugged], home: Path, images: Images, workers: int) -> AsyncIterator[Hands]:
    """Open so many workers of each judge, and have them work.

    Args:
        judges: by name.
        home: the folder of models.
        images: where pictures are read.
        workers: of each judge.

    Raises:
        ConfigError: a judge cannot run here.
        Unavailable: one does not open.
    """
    hands = Hands(images, workers)
    async with AsyncExitStack() as stack:
        rows = [await _seated(judges, home, stack) for _ in range(workers)]
        for row in rows:
            for name, sitting in row.items():
                await sitting.tried()
                if sitting.slot.verb is None:
                    raise sitting.slot.watched.first_error or Unavailable(f"judge {name} does not open")
        working = Tasks()
        stack.push_async_callback(working.end, GOODBYE_SECONDS)
        for row in rows:
            for number in range(AHEAD):
                working.run(f"replay {number}", hands.work({name: one.slot for name, one in row.items()}))
        yield hands


async def _seated(judges: Mapping[str, Plugged], home: Path, stack: AsyncExitStack) -> dict[str, Sitting]:
    """Begin to open one worker of each judge; the stack closes it."""
    row = {}
    for name, plugged in judges.items():
        row[name] = sitting = Sitting(name, plugged, home, SystemClock())
        sitting.open()
        stack.push_async_callback(sitting.close)
    return row
