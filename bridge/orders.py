"""What the command line may order of a running gateway; each is named in its URL and comes as bounded JSON.

An order says who gives it: the user of the operating system, as the command found it. Whoever holds the token of
``control.json`` is the gateway's own user or root, so the name is taken as given; it is for the audit log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge import health
from bridge.errors import Refused
from bridge.gateway import Gateway
from bridge.line import Line

Order: TypeAlias = Callable[[Gateway, Any], Awaitable[Mapping[str, object]]]
"""Does what was ordered and returns what came of it; raises Refused (with the reason) or Unavailable."""

Words = Annotated[str, Field(max_length=1000)]


class Wish(BaseModel):
    """What every order has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: Annotated[str, Field(min_length=1, max_length=200)]


W = TypeVar("W", bound=Wish)


class LineWish(Wish):
    """Something about one line."""

    line: Words


class BypassWish(LineWish):
    """A bypass on or off."""

    wanted: bool
    because: Words = ""


def understood(kind: type[W], body: object) -> W:
    """Return an order's body as what it should be.

    Raises:
        Refused: it is something else.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as exc:
        fault = exc.errors(include_url=False, include_input=False)[0]
        raise Refused(f"{'.'.join(map(str, fault['loc'])) or 'order'}: {fault['msg']}") from exc


async def bypass(gateway: Gateway, body: object) -> Mapping[str, object]:
    """Begin or end a bypass of one line."""
    wish = understood(BypassWish, body)
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


def _line(gateway: Gateway, name: str) -> Line:
    try:
        return gateway.lines[name]
    except KeyError as exc:
        known = ", ".join(gateway.lines)
        raise Refused(f"{name}: no line of this gateway has this name; write one of {known}") from exc


ORDERS: Mapping[str, Order] = {"bypass": bypass, "reset": reset}
"""By the name in the URL: ``POST /v1/NAME``."""
