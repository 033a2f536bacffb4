"""The judge put to the proof by workers that misbehave: the real host, pipes, memory and signals."""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import pytest
from conftest import Make, encoded
from misbehaving_worker import BAD_SIZE

from bridge.errors import Unavailable
from bridge.health import counted
from bridge.judging import host
from bridge.judging.album import Album
from bridge.judging.classifier import Classifier, ClassifierOptions, opened
from bridge.judging.hearing import Heard, Question, hear
from bridge.judging.turns import Turns
from bridge.messages import Failure, Inspection, Verdict, View
from bridge.plugin.api import Judge
from bridge.supervise import Slot, keep
from bridge.watched import State, Watched

SCRIPT = str(Path(__file__).with_name("misbehaving_worker.py"))
FAR = 40.0
"""Seconds in which even a busy machine has replaced a worker."""
NEAR = 0.2
"""Seconds in which a part must be answered while its judge hangs."""
_numbers = itertools.count()


def good_picture() -> bytes:
    """Return a bright picture of its own."""
    return encoded(230) + f"{next(_numbers)}".encode()


def bad_picture() -> bytes:
    """Return a picture that brings the misdeed about; bright, so that a wrong OK would be seen."""
    return encoded(230, BAD_SIZE) + f"{next(_numbers)}".encode()


async def until(true: Callable[[], object]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(FAR):
        while not true():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.01)


@dataclass
class Bed:
    """A supervised judge, and parts put to it as a line does."""

    turns: Turns
    watched: Watched = field(repr=False)

    async def part(self, *images: bytes, seconds: float = FAR) -> Heard:
        """Present a part and return what was heard by its deadline."""
        views = tuple(View(name=str(index), image=image) for index, image in enumerate(images))
        question = Question(
            line="", part=Inspection(part="p", views=views), wanted=range(len(views)), album=Album()
        )
        return await hear(question, self.turns, asyncio.get_running_loop().time() + seconds)

    async def up(self) -> None:
        """Wait until the judge is open."""
        await until(lambda: self.watched.state is State.UP and self.turns.open)

    def counted(self, event: str) -> float:
        """Return how often something was counted for this judge."""
        return counted(event, "", self.watched.name)


@asynccontextmanager
async def bed(make: Make, tmp_path: Path, misdeed: str, **changes: object) -> AsyncIterator[Bed]:
    """Keep a judge open whose worker commits this misdeed."""
    facts: dict[str, object] = {
        "model": str(make(name=f"m{next(_numbers)}").folder),
        "threads": 1,
        "hang_ms": 2000,
    }
    options = ClassifierOptions.model_validate(facts | changes)
    opener = partial(opened, options, program=(SCRIPT, misdeed, str(tmp_path)))
    watched = Watched("", f"judge {misdeed} {next(_numbers)}")
    slot: Slot[Judge] = Slot(watched)
    keeping = asyncio.create_task(keep(watched, opener, slot.offer))
    try:
        yield Bed(Turns(slot), watched)
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
    await until(lambda: not alive(tmp_path))  # a child that was killed with its parent is reaped by the system


def alive(tmp_path: Path) -> list[psutil.Process]:
    """Return the processes of this test, whoever their parent is now, and all zombies of ours."""
    zombies = [one for one in psutil.Process().children() if one.status() == psutil.STATUS_ZOMBIE]
    strays = [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in (one.info["cmdline"] or ())]
    return zombies + strays


def never_ok(heard: Heard) -> bool:
    return not any(one.verdict is Verdict.OK for one in heard.judged.values())


@pytest.mark.parametrize(
    ("misdeed", "said"),
    [
        ("segfault", r"died \(SIGSEGV\)"),
        ("leave", r"died \(exit code 0\)"),
        ("raise_error", r"died \(exit code 1\)"),
        ("fork", r"died \(exit code 1\)"),
        ("hang_up", "hung up and was killed"),
        ("garbage", "talked nonsense"),
        ("endless_frame", "talked nonsense"),
        ("nested", "talked nonsense"),
        ("too_many", "talked nonsense"),
        ("too_few", "talked nonsense"),
        ("impossible_score", "talked nonsense"),
    ],
)
async def test_a_worker_that_breaks_costs_one_part_and_is_replaced(
    make: Make, tmp_path: Path, misdeed: str, said: str
) -> None:
    """The part is a failure, never OK; the next is judged; the picture that did it does not do it twice."""
    async with bed(make, tmp_path, misdeed) as judge:
        await judge.up()
        bad = bad_picture()
        heard = await judge.part(bad)
        assert heard.failures == {Failure.JUDGE_DOWN}
        assert never_ok(heard)
        await until(lambda: judge.watched.opened == 2)
        await judge.up()
        assert (await judge.part(good_picture())).judged[0].verdict is Verdict.OK
        again = await judge.part(good_picture(), bad)
        assert (again.judged[0].verdict, again.judged[1].failure) == (Verdict.OK, Failure.JUDGE_DOWN)
        assert (judge.counted("judge died"), judge.counted("poison"), judge.watched.opened) == (1, 1, 2)
        assert len(alive(tmp_path)) == 1
    assert re.search(f"{said}|hung up and was killed", judge.watched.error)  # the latter where it dies slowly


@pytest.mark.parametrize("misdeed", ["sleep", "sleep_with_the_lock", "spin", "stop"])
async def test_a_worker_that_hangs_is_replaced_and_nobody_waits_for_it(
    make: Make, tmp_path: Path, misdeed: str
) -> None:
    """The part is answered by its deadline while the judge still hangs; another judge does not notice."""
    async with bed(make, tmp_path, misdeed) as judge, bed(make, tmp_path / "other", "none") as other:
        await judge.up()
        await other.up()
        bad = bad_picture()
        heard = await judge.part(bad, seconds=NEAR)
        assert heard.failures == {Failure.DEADLINE}
        assert never_ok(heard)
        assert heard.pending
        assert not heard.pending.done()
        assert (await other.part(good_picture())).judged[0].verdict is Verdict.OK
        await asyncio.wait({heard.pending}, timeout=FAR)
        assert isinstance(heard.pending.exception(), Unavailable)
        await until(lambda: judge.watched.opened == 2)
        await judge.up()
        assert "silent for 2000 ms and was killed" in judge.watched.error
        assert (await judge.part(good_picture())).judged[0].verdict is Verdict.OK
        assert (await judge.part(bad)).judged[0].failure is Failure.JUDGE_DOWN
        assert judge.watched.opened == 2


async def test_only_the_picture_that_did_it_is_poison(make: Make, tmp_path: Path) -> None:
    """Its neighbours in the same part are judged when they come again."""
    async with bed(make, tmp_path, "segfault") as judge:
        await judge.up()
        first, bad, last = good_picture(), bad_picture(), good_picture()
        assert (await judge.part(first, bad, last)).failures == {Failure.JUDGE_DOWN}
        await until(lambda: judge.watched.opened == 2)
        await judge.up()
        heard = await judge.part(first, bad, last)
        assert [heard.judged[index].verdict for index in range(3)] == [Verdict.OK, None, Verdict.OK]


async def test_a_worker_that_dies_while_loading_is_tried_again(make: Make, tmp_path: Path) -> None:
    """Parts are failures meanwhile, at once; nobody waits for it."""
    async with bed(make, tmp_path, "die_loading") as judge:
        await until(lambda: judge.counted("judge died") >= 2)
        heard = await judge.part(good_picture())
        assert heard.failures == {Failure.JUDGE_DOWN}
        assert "died (SIGSEGV) while loading" in judge.watched.error


async def test_a_worker_that_leaks_is_relieved_between_two_parts(make: Make, tmp_path: Path) -> None:
    """Every part is judged meanwhile; the judge is never closed."""
    async with bed(make, tmp_path, "leak", memory_megabytes=400) as judge:
        await judge.up()
        verb = judge.turns._slot.verb
        assert isinstance(verb, Classifier)
        for _ in range(2):
            leaking = verb._post.worker
            while not leaking.outgrown:
                assert (await judge.part(bad_picture())).judged[0].verdict is Verdict.OK
            while verb._post.worker is leaking:
                assert (await judge.part(good_picture())).judged[0].verdict is Verdict.OK
        await until(lambda: judge.counted("judge relieved") == 2)
        assert (judge.watched.opened, judge.counted("judge died")) == (1, 0)


async def test_a_worker_that_wants_all_the_memory_within_one_part_does_not_get_it(
    make: Make, tmp_path: Path
) -> None:
    """The kernel refuses it more than twice its limit, and it dies of that."""
    async with bed(make, tmp_path, "swallow", memory_megabytes=400) as judge:
        await judge.up()
        assert (await judge.part(bad_picture())).failures == {Failure.JUDGE_DOWN}
        await until(lambda: judge.watched.opened == 2)
        assert "exit code 99" not in judge.watched.error


async def test_a_limit_that_does_not_hold_the_model_is_the_users_matter(make: Make, tmp_path: Path) -> None:
    async with bed(make, tmp_path, "none", memory_megabytes=5) as judge:
        await until(lambda: judge.watched.error)
        assert "when warm, and its memory_megabytes is 5" in judge.watched.error


async def test_fifty_restarts_leave_no_file_and_no_process_behind(tmp_path: Path) -> None:
    """Whatever way they end: sockets, shared memory and children are all given back."""
    endings = [
        "import os; os._exit(3)",
        "import os; os.abort()",
        "import time; time.sleep(3600)",
        "raise SystemExit",
    ]

    async def restart(program: str) -> None:
        async with host.start(1000, program=("-c", program, str(tmp_path))) as worker:
            if "sleep" in program:
                worker.kill()
            with pytest.raises(Unavailable):
                await worker.serve()

    await restart(endings[0])  # what is opened once and kept
    gc.collect()
    before = psutil.Process().num_fds()
    for program in itertools.islice(itertools.cycle(endings), 50):
        await restart(program)
    gc.collect()
    await until(lambda: psutil.Process().num_fds() <= before and not alive(tmp_path))
