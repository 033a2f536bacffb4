"""What the command line may order of a running gateway; each is named in its URL and comes as bounded JSON.

An order says who gives it: the user of the operating system, as the command found it. Whoever holds the token of
``control.json`` is the gateway's own user or root, so the name is taken as given; it is for the audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge import health
from bridge.config import load
from bridge.config.decision import Approval
from bridge.errors import Refused, Unavailable
from bridge.gateway import Gateway
from bridge.judging import shelf
from bridge.line import Line
from bridge.plugin.options import Name
from bridge.store import Choice, Entry
from bridge.unparking import What, unpark

Order: TypeAlias = Callable[[Gateway, Any], Awaitable[Mapping[str, object]]]
"""Does what was ordered and returns what came of it; raises Refused (with the reason) or Unavailable."""

DISK_SECONDS = 2.0
"""How long an order waits for the audit log."""

Words = Annotated[str, Field(max_length=1000)]


class Wish(BaseModel):
    """What every order has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: Annotated[str, Field(min_length=1, max_length=200)]


W = TypeVar("W", bound=Wish)


class LineWish(Wish):
    """Something about one line."""

    line: Words


class OutboxWish(Wish):
    """Something about parked deliveries."""

    what: What
    ids: Annotated[tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")], ...], Field(max_length=2000)] = ()
    """Inspection ids; none: all."""
    line: Words | None = None
    reporter: Words | None = None
    because: Words = ""


class BypassWish(LineWish):
    """A bypass on or off."""

    wanted: bool
    because: Words = ""


class ReloadWish(Wish):
    """Another version of a configuration file."""

    config: Annotated[str, Field(min_length=1, max_length=4096)]
    override: Words = ""


class StageWish(ReloadWish):
    """A configuration in which a line has another stage; live with what approves it, shadow with why."""

    line: Words
    stage: Literal["live", "shadow"]
    because: Words = ""
    goal: Annotated[int, Field(ge=1, le=3)] = 1
    decision: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    recipes: Annotated[tuple[Words, ...], Field(max_length=10_000)] = ()
    report: Annotated[str, Field(max_length=4096)] = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    def approval(self) -> Approval:
        """Return what takes the line live."""
        return Approval(
            line=self.line,
            goal=self.goal,
            decision=self.decision,
            recipes=self.recipes,
            report=self.report,
            sha256=self.sha256,
            who=self.who,
            why=self.because,
        )


class ModelWish(Wish):
    """A version of a model that shall be live, or the one that was live before."""

    name: Name
    version: int | None = None
    override: Words = ""


def understood(kind: type[W], body: object) -> W:
    """Return an order's body as what it should be.

    Raises:
        Refused: it is something else.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as exc:
        fault = exc.errors(include_url=False, include_input=False)[0]
        said = fault["msg"]
        if fault["type"] == "string_too_long":
            said = f"is too long; write at most {fault['ctx']['max_length']} characters"
        raise Refused(f"{'.'.join(map(str, fault['loc'])) or 'order'}: {said}") from exc


async def bypass(gateway: Gateway, body: object) -> Mapping[str, object]:
    """Begin or end a bypass of one line; one that cannot be audited does not begin."""
    wish = understood(BypassWish, body)
    _line(gateway, wish.line)
    if wish.wanted:
        asked = Entry(what="bypass asked for", who=wish.who, line=wish.line, why=wish.because)
        await _audited(gateway, asked)
    bypassed = _line(gateway, wish.line).standing.bypassed
    bypassed.ask(wish.who, wanted=wish.wanted, because=wish.because)
    return {
        "in_force": bypassed.in_force,
        "left_seconds": bypassed.left_seconds(),
        "wanted_by": bypassed.wanted_by,
    }


async def reset(gateway: Gateway, body: object) -> Mapping[str, object]:
    """Clear the error of one line, under the name of who asks."""
    wish = understood(LineWish, body)
    line = _line(gateway, wish.line)
    was = line.standing.error
    with health.instance(wish.line, wish.who):
        line.standing.reset()
    return {"was_in_error": was}


async def reload(gateway: Gateway, body: object) -> Mapping[str, object]:
    """Run a configuration file as it now is; everything stays as it was if anything is wrong."""
    wish = understood(ReloadWish, body)
    config = await asyncio.to_thread(load, Path(wish.config))
    changes = await gateway.reload(config, wish.override, wish.who)
    return {"changes": [str(change) for change in changes], "config": config.fingerprint}


async def stage(gateway: Gateway, body: object) -> Mapping[str, object]:
    """Take a line live as it was approved, or back to shadow; everything stays as it was if anything is wrong."""
    wish = understood(StageWish, body)
    config = await asyncio.to_thread(load, Path(wish.config))
    approval = wish.approval() if wish.stage == "live" else None
    if approval is not None and not (approval.report or approval.why.strip()):
        raise Refused(f"line.{wish.line}: a line goes live for a report or for a reason")
    changes = await gateway.reload(config, wish.override, wish.who, because=wish.because, approval=approval)
    return {"changes": [str(change) for change in changes], "config": config.fingerprint}


async def promote(gateway: Gateway, body: object) -> Mapping[str, object]:
    """Let a version of a model judge, and make it live; without a version, the one that was live before."""
    wish = understood(ModelWish, body)
    back = wish.version is None
    find = partial(shelf.before, gateway.judges.models, wish.name)
    if wish.version is not None:
        find = partial(shelf.folder_of, gateway.judges.models, wish.name, wish.version)
    folder = await asyncio.to_thread(find)
    changes = await gateway.promote(wish.name, folder, wish.override, wish.who, back=back)
    return {"changes": [str(change) for change in changes], "folder": str(folder)}


async def outbox(gateway: Gateway, body: object) -> Mapping[str, object]:
    """Try parked deliveries again, or drop them."""
    wish = understood(OutboxWish, body)
    choice = Choice(wish.ids, wish.line, wish.reporter)
    moved = await unpark(gateway.journal, wish.what, choice, gateway.config.lanes(), wish.who, wish.because)
    for one in moved:
        gateway.rewind(one.line, one.reporter)
    return {"moved": [asdict(one) for one in moved]}


async def _audited(gateway: Gateway, entry: Entry) -> None:
    """Put what a person asks for into the audit log before it is done.

    Raises:
        Unavailable: the disk refuses or does not answer, so nothing may be changed.
    """
    try:
        async with asyncio.timeout(DISK_SECONDS):
            await gateway.journal.audit(entry)
    except TimeoutError as exc:
        raise Unavailable("the disk does not answer, and what cannot be audited is not done") from exc


def _line(gateway: Gateway, name: str) -> Line:
    try:
        return gateway.lines[name]
    except KeyError as exc:
        known = ", ".join(gateway.lines)
        raise Refused(f"{name}: no line of this gateway has this name; write one of {known}") from exc


ORDERS: Mapping[str, Order] = {
    "bypass": bypass,
    "outbox": outbox,
    "promote": promote,
    "reload": reload,
    "reset": reset,
    "stage": stage,
}
"""By the name in the URL: ``POST /v1/NAME``."""
