"""Whether a request is for us at all, by its head alone: nothing of its body is read before. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from email.message import Message
from http import HTTPStatus

from bridge_http.codec import write_problem
from bridge_http.multipart import BOUNDARY

INSPECTIONS, LABELS, HEALTH = "/v1/inspections", "/v1/labels", "/healthz"
FORM, DOCUMENT, CSV = "multipart/form-data", "application/json", "text/csv"
AGAIN = {"Retry-After": "1"}
"""For whoever finds no room, or was not recorded."""


class Turned(Exception):  # noqa: N818 - it says what became of a request; it never leaves the plugin
    """A request that comes to nothing.

    Attributes:
        event: the name under which it is counted; empty where it is not.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, event: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.event = event
        self.headers = headers or {}

    @property
    def body(self) -> bytes:
        """Return what the sender is told, as a problem document."""
        return write_problem(self.status, str(self))


def routed(method: str, path: str, place: str = INSPECTIONS) -> None:
    """Let a request pass that asks for something there is.

    Raises:
        Turned: it does not.
    """
    methods: Mapping[str, tuple[str, ...]] = {place: ("POST",), HEALTH: ("GET", "HEAD")}
    if path not in methods:
        raise Turned(HTTPStatus.NOT_FOUND, f"there is nothing here; post to {place}")
    if method not in methods[path]:
        allowed = ", ".join(methods[path])
        raise Turned(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes {allowed} only", headers={"Allow": allowed})


def known(headers: Mapping[str, str], token: str | None) -> None:
    """Let a request pass that shows the token, where there is one; never a page in a browser, it may be anybody's.

    Raises:
        Turned: it may not.
    """
    if "Origin" in headers:
        raise Turned(HTTPStatus.FORBIDDEN, "no page in a browser may hand in anything", "browsers")
    if token is None:
        return
    scheme, _, shown = headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), token.encode())
    if scheme.lower() != "bearer" or not same:
        detail = "the token is missing or wrong; send Authorization: Bearer and the token"
        raise Turned(HTTPStatus.UNAUTHORIZED, detail, "unauthorised", {"WWW-Authenticate": "Bearer"})


def boundary_of(headers: Mapping[str, str], length: int | None, most: int) -> str:
    """Return the boundary of the form that follows; empty where a document follows.

    Raises:
        Turned: it is neither, or has more than ``most`` bytes by its own word.
    """
    said = media_of(headers, length, most, (FORM, DOCUMENT))
    if said.get_content_type() == DOCUMENT:
        return ""
    boundary = said.get_param("boundary")
    if not isinstance(boundary, str) or not BOUNDARY.fullmatch(boundary):
        raise Turned(HTTPStatus.BAD_REQUEST, "Content-Type names no boundary", "unreadable")
    return boundary


def media_of(headers: Mapping[str, str], length: int | None, most: int, kinds: Sequence[str]) -> Message:
    """Return what the body that follows is, by its head.

    Raises:
        Turned: it is none of these kinds, or has more than ``most`` bytes by its own word.
    """
    said = Message()
    said["Content-Type"] = headers.get("Content-Type", "?")
    kind = said.get_content_type() if "/" in said["Content-Type"] else ""
    wanted = {"Accept-Post": ", ".join(kinds)}
    if kind not in kinds:
        detail = f"Content-Type is not {' or '.join(kinds)}"
        raise Turned(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, "unsupported", wanted)
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        detail = "the body is compressed; send it as it is"
        raise Turned(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, "unsupported", wanted)
    if length is not None and length > most:
        raise too_large(f"the request has more than {most} bytes")
    return said


def asks_first(headers: Mapping[str, str]) -> bool:
    """Return whether the sender waits for a word before it sends the body; curl does so above a megabyte.

    Raises:
        Turned: it expects something else.
    """
    expected = headers.get("Expect", "")
    if expected and expected.lower() != "100-continue":
        raise Turned(HTTPStatus.EXPECTATION_FAILED, "nothing but 100-continue can be expected")
    return bool(expected)


def too_large(detail: str) -> Turned:
    """Return what a request that is too large comes to."""
    return Turned(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, "too_large")
