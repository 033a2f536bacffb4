"""The real worker process, asked, cancelled, stopped and killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from conftest import Make, encoded, load

from bridge.errors import ConfigError, Unavailable
from bridge.judging import host
from bridge.judging.arena import ALIGN, ROOM
from bridge.judging.asked import Picture
from bridge.judging.host import SHARED_BYTES, Worker
from bridge.messages import Box, Failure

BRIGHT, DARK = Picture(encoded(230)), Picture(encoded(20))


@asynccontextmanager
async def running(make: Make, hang_ms: float = 10_000) -> AsyncIterator[Worker]:
    """A loaded worker whose answers are being taken."""
    async with host.start(hang_ms) as worker:
        await worker.load(load(make().model), 30)
        serving = asyncio.create_task(worker.serve())
        try:
            yield worker
        finally:
            serving.cancel()
            await asyncio.wait({serving})
            if not serving.cancelled():
                serving.exception()


async def test_opinions_come_in_the_order_of_the_pictures(make: Make) -> None:
    """Over more views than one batch, and with an unreadable one that costs only its own opinion."""
    async with running(make) as worker:
        pictures = [BRIGHT, DARK, Picture(b"no picture"), BRIGHT] * 5
        opinions = await worker.judge(pictures)
    assert [opinion.failure for opinion in opinions[:4]] == [None, None, Failure.IMAGE_UNREADABLE, None]
    assert all(opinion.score > 0.9 for opinion in opinions[::4] if opinion.score is not None)
    assert all(opinion.score < 0.1 for opinion in opinions[1::4] if opinion.score is not None)
    assert len(opinions) == 20


async def test_many_requests_at_once_each_get_their_own_answer(make: Make) -> None:
    async with running(make) as worker:
        asked = [[BRIGHT] * (n % 3 + 1) if n % 2 else [DARK] for n in range(30)]
        answers = await asyncio.gather(*(worker.judge(pictures) for pictures in asked))
    for number, (pictures, opinions) in enumerate(zip(asked, answers, strict=True)):
        assert len(opinions) == len(pictures)
        assert all((opinion.score or 0) > 0.5 for opinion in opinions) == bool(number % 2)


async def test_large_pictures_go_through_shared_memory_and_come_back_free(make: Make) -> None:
    large = Picture(encoded(230, (800, 600), ".bmp"))
    assert len(large.image) > SHARED_BYTES
    async with running(make) as worker:
        asking = asyncio.create_task(worker.judge([large, DARK, large]))
        while not worker._open:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
        assert worker._arena.ledger.lent == 2
        opinions = await asking
        assert [round(opinion.score or 0) for opinion in opinions] == [1, 0, 1]
        assert worker._arena.ledger.lent == 0


@pytest.mark.parametrize("megabytes", [5, 50])
async def test_a_picture_of_many_megabytes_is_judged_where_it_lies(make: Make, megabytes: int) -> None:
    """It is copied into the shared memory once, and by the answer its place is free again."""
    padded = BRIGHT.image + bytes(megabytes * 1_000_000)  # what follows a picture's end is not decoded
    async with running(make) as worker:
        bright, dark = await worker.judge([Picture(padded), DARK])
        assert (round(bright.score or 0), round(dark.score or 0)) == (1, 0)
        assert worker._arena.ledger.lent == 0


async def test_pictures_for_which_there_is_no_room_go_by_the_socket(make: Make) -> None:
    async with running(make) as worker:
        assert worker._arena.ledger.take(ROOM - 2 * ALIGN)
        padded = Picture(BRIGHT.image + bytes(2_000_000))
        opinions = await worker.judge([padded, DARK, padded])
        assert [round(opinion.score or 0) for opinion in opinions] == [1, 0, 1]


async def test_the_region_of_interest_travels_along(make: Make) -> None:
    image = Picture(encoded(230), Box(cx=500, cy=5, w=4, h=4))
    async with running(make) as worker:
        (opinion,) = await worker.judge([image])
    assert "region of interest" in opinion.why


async def test_nothing_asked_is_nothing_answered(make: Make) -> None:
    async with running(make) as worker:
        assert await worker.judge([]) == []


async def test_an_expired_request_is_dropped_before_decoding(make: Make) -> None:
    """Nobody waits for it, so its time belongs to the next part."""
    async with running(make) as worker:
        late = await worker.judge([BRIGHT] * 3, expires=time.monotonic() - 1)
        assert [opinion.failure for opinion in late] == [Failure.DEADLINE] * 3
        assert (await worker.judge([BRIGHT], expires=time.monotonic() + 60))[0].score


async def test_a_cancelled_request_neither_waits_nor_delays_the_next(make: Make) -> None:
    """Cancelling returns at once even while the worker is stopped, and the work is dropped when it goes on."""
    async with running(make) as worker:
        worker.process.send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(worker.judge([Picture(encoded(9, (2000, 1500)))] * 200))
        await asyncio.sleep(0.02)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking  # the worker is still stopped, so this cannot have waited for it
        worker.process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        assert (await worker.judge([BRIGHT]))[0].score
        assert time.monotonic() - began < 2  # decoding 200 pictures takes longer
        assert worker._arena.ledger.lent == 0


async def test_a_worker_that_hangs_is_killed_and_says_so(make: Make) -> None:
    """A stopped process neither dies nor closes its socket; only silence tells."""
    async with running(make, hang_ms=50) as worker:
        worker.process.send_signal(signal.SIGSTOP)
        asked = [asyncio.create_task(worker.judge([BRIGHT])) for _ in range(3)]
        for asking in asked:
            with pytest.raises(Unavailable, match="silent for 50 ms and was killed"):
                await asking
        assert await worker.process.wait() == -signal.SIGKILL
        with pytest.raises(Unavailable, match="silent"):
            await worker.judge([BRIGHT])


async def test_a_cancelled_request_that_hangs_is_noticed_too(make: Make) -> None:
    """Otherwise every later part would wait behind it and none would be the first to hang."""
    async with running(make, hang_ms=50) as worker:
        worker.process.send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(worker.judge([BRIGHT]))
        await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(Unavailable, match="silent"):
            await worker.judge([BRIGHT])


async def test_a_worker_that_dies_fails_what_was_asked(make: Make) -> None:
    async with running(make) as worker:
        worker.process.send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(worker.judge([BRIGHT]))
        await asyncio.sleep(0.005)
        worker.process.kill()
        with pytest.raises(Unavailable, match=r"the judge died \(SIGKILL\)"):
            await asking


async def test_a_worker_that_does_not_leave_is_killed(make: Make) -> None:
    async with running(make) as worker:
        worker.process.send_signal(signal.SIGSTOP)
        process = worker.process
    assert process.returncode == -signal.SIGKILL


async def test_a_worker_leaves_by_itself_when_asked(make: Make) -> None:
    async with running(make) as worker:
        process = worker.process
    assert process.returncode == 0


async def test_a_worker_runs_below_the_gateway(make: Make) -> None:
    async with running(make) as worker:
        assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 5


async def test_no_file_stays_behind_a_kill(make: Make) -> None:
    """The shared memory has no name; the kernel frees it with the last process."""
    async with running(make) as worker:
        lies = Path(f"/proc/self/fd/{worker._arena.fd}").readlink()  # noqa: ASYNC240 - not a disk
    assert str(lies) == "/memfd:aoi-bridge (deleted)"


GATEWAY = """
import asyncio
from bridge.judging import host

async def main():
    async with host.start(1000) as worker:
        print(worker.process.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["running", "stopped"])
async def test_a_worker_dies_with_its_gateway(state: str) -> None:
    """``kill -9`` of the gateway leaves nothing running, not even a stopped worker."""
    gateway = await asyncio.create_subprocess_exec(sys.executable, "-c", GATEWAY, stdout=asyncio.subprocess.PIPE)
    assert gateway.stdout
    worker = psutil.Process(int(await gateway.stdout.readline()))
    if state == "stopped":
        async with asyncio.timeout(10):
            while worker.nice() == psutil.Process().nice():  # noqa: ASYNC110 - another process's progress
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)  # the death signal is asked for right after the priority
        worker.suspend()
    gateway.kill()
    await gateway.wait()
    gateway._transport.close()  # type: ignore[attr-defined]  # the pipe that we stop reading
    async with asyncio.timeout(20):
        with suppress(psutil.NoSuchProcess):
            while worker.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110 - another process's end
                await asyncio.sleep(0.01)


async def test_a_model_that_cannot_run_is_the_users_matter(make: Make) -> None:
    async with host.start(1000) as worker:
        with pytest.raises(ConfigError, match="manifest names 5 classes"):
            await worker.load(load(make().model, classes=5), 30)


async def test_a_worker_that_is_not_ready_in_time_is_unavailable(make: Make) -> None:
    async with host.start(1000) as worker:
        with pytest.raises(Unavailable, match="not ready within"):
            await worker.load(load(make().model), 0.001)


async def test_a_worker_that_dies_while_loading_is_unavailable(make: Make) -> None:
    async with host.start(1000) as worker:
        worker.kill()
        with pytest.raises(Unavailable, match=r"the judge died \(SIGKILL\) while loading"):
            await worker.load(load(make().model), 30)
