"""What a reporter owes host and peer: returning means accepted, an id is always one decision, late is never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from bridge.errors import Refused, Unavailable
from bridge.explaining import explain
from bridge.messages import Decision, Verdict
from bridge.plugin.api import Report
from bridge.plugin.peers import Book
from bridge.plugin.testkit.leaks import leaving_nothing
from bridge.plugin.testkit.reporting import document_of, is_book, is_station, told_to
from bridge.plugin.testkit.rules import Bench, Broken, Need, Unfit, rule
from bridge.plugin.testkit.stage import AGAIN_SECONDS, Stage, is_unavailable, stage
from bridge.plugin.trial import Place

PEER: tuple[Need, ...] = ("trial", "peer")
STANDS_SECONDS = 1.0
"""So long a part stands at the station that must not hear of it any more."""
OUTAGE_SECONDS = 0.3
"""So long an MES is away that is started again at once."""
MANY = 8
"""So many decisions are told at once."""


@rule("returning means that the peer has taken it, with its id, its part and its verdict", "reporter", needs=PEER)
async def accepted_is_taken(bench: Bench) -> None:
    """The outbox forgets a decision when its report returns."""
    async with leaving_nothing(), stage(bench) as where, where.peer() as peer, _reporting(where) as report:
        for number, final in enumerate((Verdict.OK, Verdict.NG), start=1):
            decision = told_to(where, number, final)
            await _tell(where, peer, report, decision)


@rule("a decision without a verdict is never told as OK", "reporter", needs=PEER)
async def no_verdict_is_not_ok(bench: Bench) -> None:
    """In shadow a part may have no verdict at all."""
    async with stage(bench) as where, where.peer() as peer, _reporting(where) as report:
        decision = told_to(where, 1, None)
        if is_station(peer):
            present = asyncio.create_task(peer.present(decision.part, 1.0), name="trial-station")
            await _settled(where, report(decision))
            if (await present).passed:
                raise Broken("a PLC let a part pass of which there was no verdict")
            return
        await _settled(where, report(decision))
        told = document_of(_book(peer), decision)
        if told is not None and told.get("verdict") == Verdict.OK:
            raise Broken("a decision without a verdict was told as OK")


@rule("the same decision told again has the same id and the same words", "reporter", needs=PEER)
async def told_again_is_the_same(bench: Bench) -> None:
    """After a lost acknowledgement an MES knows by the id that it has the part already."""
    async with stage(bench) as where:
        decision, documents = told_to(where, 1), []
        for _ in range(2):
            async with where.peer() as peer, _reporting(where) as report:
                book = _book(peer)
                before = book.resent
                await where.in_time(report(decision), "telling a decision")
                await where.in_time(report(replace(decision, expires=decision.expires + 1)), "telling it again")
                if list(book.documents) != [decision.id]:
                    raise Broken(f"told twice, it stands in the MES under {len(book.documents)} ids")
                if book.resent == before:
                    raise Broken("told twice, the MES heard of it once")
                documents.append(dict(book.documents[decision.id]))
    if documents[0] != documents[1]:
        name = next(name for name in documents[0] if documents[0][name] != documents[1].get(name))
        raise Broken(f"told again, {name} was {documents[1].get(name)!r} instead of {documents[0][name]!r}")


@rule("a lost acknowledgement is Unavailable in time; told again, the peer has it once", "reporter", needs=PEER)
async def lost_acknowledgement(bench: Bench) -> None:
    """Nobody knows whether it was taken, so it is told again under its id."""
    async with leaving_nothing(), stage(bench) as where, where.peer() as peer:
        book, decision = _book(peer), told_to(where, 1)
        book.lose(1)
        await _trouble(where, "an acknowledgement that was lost", lambda report: report(decision))
        await _again(where, decision)
        if len(book.documents) != 1 or not book.resent:
            raise Broken(f"it was told again, and the MES has {len(book.documents)} documents")


@rule("what the peer refuses is Refused, and the next is told all the same", "reporter", needs=PEER)
async def refused_is_parked(bench: Bench) -> None:
    """One part that the MES will never take must not stop the queue for ever."""
    async with leaving_nothing(), stage(bench) as where, where.peer() as peer, _reporting(where) as report:
        book = _book(peer)
        book.refuse_all("this part is unknown here")
        try:
            await where.in_time(report(told_to(where, 1)), "a refusal")
        except Refused as exc:
            if not str(exc):
                raise Broken("a refusal has no reason") from exc
        except Exception as exc:
            raise Broken(f"of a refusal it says {explain(exc)}, not Refused") from exc
        else:
            raise Broken("what the MES refused was taken for accepted")
        book.accept_all()
        await _again(where, told_to(where, 2), report)


@rule(
    "a peer that stalls, dies or closes half is Unavailable in time; back again, it is told",
    "reporter",
    needs=PEER,
    limit_seconds=240,
)
async def troubled_peer(bench: Bench) -> None:
    """An MES is restarted in the middle of a shift."""
    async with leaving_nothing(), stage(bench) as where, where.peer() as peer:
        book = _book(peer)
        troubles: tuple[tuple[str, Callable[[Book], None]], ...] = (
            ("stalled", lambda book: book.stall()),
            ("closed half", lambda book: book.half_close()),
            ("died", lambda book: book.die()),
        )
        for number, (what, begin) in enumerate(troubles, start=1):

            async def use(report: Report) -> None:
                await report(told_to(where, 10 * number))  # noqa: B023 - awaited at once
                begin(book)  # noqa: B023 - same
                await report(told_to(where, 10 * number + 1))  # noqa: B023 - same

            await _trouble(where, f"a peer that {what}", use)
            book.resume()
            await book.start()
            await _again(where, told_to(where, 10 * number + 1))


@rule(
    "after an outage while nothing was told, the next report is Unavailable, or its decision is there",
    "reporter",
    needs=PEER,
)
async def idle_loss(bench: Bench) -> None:
    """The night shift ends, the MES is restarted, the first part of the morning must not be lost."""
    async with leaving_nothing(), stage(bench) as where, where.peer() as peer:
        book, decision = _book(peer), told_to(where, 2)
        restarted = asyncio.Event()

        async def use(report: Report) -> None:
            await report(told_to(where, 1))
            book.die()
            await restarted.wait()  # unless the loss is noticed, which ends this
            await report(decision)

        using = asyncio.create_task(_used(where, use), name="trial-reporter")
        await where.until(lambda: document_of(book, told_to(where, 1)) is not None, "first decision")
        await asyncio.sleep(OUTAGE_SECONDS)
        await book.start()
        restarted.set()
        if not await where.in_time(using, "telling a decision after an outage"):
            await _again(where, decision)
        if document_of(book, decision) is None:
            raise Broken("a decision told after an outage was taken for accepted, and the MES has none")


@rule("several decisions told at once are all taken, each once", "reporter", needs=PEER)
async def several_at_once(bench: Bench) -> None:
    """The user may raise window; a plugin that cannot takes them one after the other."""
    async with leaving_nothing(), stage(bench) as where, where.peer() as peer, _reporting(where) as report:
        book = _book(peer)
        decisions = [told_to(where, number) for number in range(1, MANY + 1)]
        await where.in_time(asyncio.gather(*map(report, decisions)), f"telling {MANY} decisions")
        if set(book.documents) != {decision.id for decision in decisions}:
            raise Broken(f"{MANY} decisions were told at once, and the MES has {len(book.documents)}")


@rule(
    "a peer that does not read is Unavailable in time, however much is told",
    "reporter",
    needs=("trial", "peer", "dials"),
)
async def deaf_peer(bench: Bench) -> None:
    """A full socket must not hold up the line, nor take what is told for delivered."""
    async with leaving_nothing(), stage(bench, relayed=True) as where, where.peer():
        where.wire.deaf = True
        decisions = [told_to(where, number, recipe="R" * 4096) for number in range(1, MANY + 1)]
        await _trouble(where, "a peer that does not read", lambda report: asyncio.gather(*map(report, decisions)))


@rule("on the realtime lane nothing is told after its time", "reporter", needs=PEER)
async def late_is_never(bench: Bench) -> None:
    """By then another part stands there."""
    _realtime(bench)
    async with stage(bench) as where, where.peer() as peer, _reporting(where, lane="realtime") as report:
        late = replace(told_to(where, 1), expires=asyncio.get_running_loop().time() - 0.001)
        if is_station(peer):
            present = asyncio.create_task(peer.present(late.part, STANDS_SECONDS), name="trial-station")
            await asyncio.sleep(AGAIN_SECONDS)
            await _too_late(where, report, late)
            if (await present).verdict is not None:
                raise Broken("a PLC was told a verdict after its time")
            return
        await _too_late(where, report, late)
        await _tell(where, peer, report, told_to(where, 2))  # whatever had been sent before it is there too
        if document_of(_book(peer), late) is not None:
            raise Broken("a decision that had expired reached the peer")


async def _too_late(where: Stage, report: Report, late: Decision) -> None:
    """Tell a decision after its time; only an error may come of it."""
    try:
        await where.in_time(report(late), "saying that it is too late")
    except (Refused, Unavailable):
        return
    raise Broken("a decision that had expired was told, and taken for accepted")


async def _tell(where: Stage, peer: Any, report: Report, decision: Decision) -> None:
    """Tell one decision, and hold the peer to have it."""
    if is_station(peer):
        present = asyncio.create_task(peer.present(decision.part, where.trial.seconds), name="trial-station")
        await asyncio.sleep(AGAIN_SECONDS)
        await where.in_time(report(decision), "telling a decision")
        taken = await where.in_time(present, "the PLC's part")
        if taken.verdict is not decision.final or taken.passed is not (decision.final is Verdict.OK):
            raise Broken(f"the PLC was told {decision.final}, and took {taken.verdict} ({taken.why})")
        return
    await where.in_time(report(decision), "telling a decision")
    told = document_of(_book(peer), decision)
    if told is None:
        raise Broken("the report returned, and the MES has no document of this id")
    if str(told.get("part", decision.part)) != decision.part:
        raise Broken(f"the MES was told of part {told['part']!r} instead of {decision.part!r}")
    if "verdict" in told and str(told["verdict"]) != str(decision.final):
        raise Broken(f"the MES was told {told['verdict']!r} instead of {decision.final}")


@asynccontextmanager
async def _reporting(where: Stage, **options: object) -> AsyncIterator[Report]:
    """Open the reporter, again while its peer is not there yet."""
    plugged = where.plugged
    if options:
        table = where.subject.table(where.near) | options
        plugged = replace(plugged, options=where.subject.plugin.options.model_validate(table))
    async with AsyncExitStack() as stack:
        report: Report = await where.in_time(_opened(stack, lambda: plugged.open(where.home)), "opening")
        where.opened += 1
        yield report


async def _opened(stack: AsyncExitStack, opener: Callable[[], Any]) -> Report:
    while True:
        try:
            report: Report = await stack.enter_async_context(opener())
        except Unavailable:
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            return report


async def _used(where: Stage, use: Callable[[Report], Awaitable[object]]) -> bool:
    """Open a reporter and use it; return whether that went well, or was Unavailable."""
    try:
        async with where.open() as report:
            where.opened += 1
            await use(report)
    except Exception as exc:
        if is_unavailable(exc):
            return False
        raise Broken(f"it says {explain(exc)}, not Unavailable") from exc
    return True


async def _trouble(where: Stage, what: str, use: Callable[[Report], Awaitable[object]]) -> None:
    """Open a reporter and use it; that must end with Unavailable, in time."""
    if await where.in_time(_used(where, use), f"noticing {what}"):
        raise Broken(f"{what} went unnoticed: what was told was taken for accepted")


async def _again(where: Stage, decision: Decision, report: Report | None = None) -> None:
    """Tell a decision as the outbox does: until it is accepted, the plugin opened anew after each Unavailable."""
    try:
        async with asyncio.timeout(where.trial.seconds):
            while True:
                try:
                    if report is not None:
                        await report(decision)
                        return
                    async with where.open() as fresh:
                        await fresh(decision)
                        return
                except Unavailable as exc:
                    where.unavailable.append(str(exc))
                    report = None
                await asyncio.sleep(AGAIN_SECONDS)
    except TimeoutError as exc:
        raise Broken(f"a decision could not be told in {where.trial.seconds:g} s{where.said()}") from exc


async def _settled(where: Stage, told: Awaitable[object]) -> None:
    """Await a report that may be refused."""
    try:
        await where.in_time(told, "telling a decision without a verdict")
    except (Refused, Unavailable):
        return


def _book(peer: Any) -> Book:
    """Return the peer as an MES.

    Raises:
        Unfit: it is a PLC, whose rules are others.
    """
    if not is_book(peer):
        raise Unfit("its peer is a PLC, which takes a part now or never")
    return peer


def _realtime(bench: Bench) -> None:
    """Hold on where the plugin may stand on the realtime lane.

    Raises:
        Unfit: it may not.
    """
    try:
        table = bench.subject.table(Place(bench.folder, 1024)) | {"lane": "realtime"}
        bench.subject.plugin.options.model_validate(table)
    except ValidationError as exc:
        raise Unfit("it never stands on the realtime lane") from exc
