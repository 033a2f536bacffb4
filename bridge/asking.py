"""Asking the gateway that runs on a data directory how it does, and ordering something of it.

Address and token stand in ``control.json`` there, readable by the gateway's user alone. A note that is stale,
because a gateway was killed, or strange, counts as none. This is what the command line loads to talk to a gateway;
it knows nothing of what a gateway is made of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import BaseHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from bridge.errors import BridgeError, ConfigError, Refused, Unavailable
from bridge.plugin.tls import pinned

FILE = "control.json"
"""The note in the data directory: ``url``, ``token``, ``pid``, and under TLS ``certificate``."""
ASK_SECONDS = 5.0
ORDER_SECONDS = 120.0
"""An order may have to wait: for the disk, or for a model to be warm."""
_NO_GATEWAY = (OSError, HTTPException, ValueError, KeyError, TypeError, ConfigError)
"""What comes of a note that is stale, or somebody else's."""


def ask(data: Path, path: str) -> Any | None:
    """Ask the gateway that runs on a data directory; None where none answers; blocks for seconds.

    Raises:
        Refused: its note is not for this user.
    """
    try:
        with _open(data, path, ASK_SECONDS) as answer:
            return json.load(answer)
    except _NO_GATEWAY:
        return None


def order(data: Path, path: str, body: Mapping[str, object]) -> Any | None:
    """Order something of the gateway that runs on a data directory; None where none does; blocks until it is done.

    Raises:
        Refused: the gateway will not do it, for this reason.
        Unavailable: it cannot do it now.
    """
    try:
        with _open(data, path, ORDER_SECONDS, json.dumps(body).encode()) as answer:
            return json.load(answer)
    except HTTPError as exc:
        raise _refusal(exc) from exc
    except TimeoutError as exc:
        raise Unavailable(f"the gateway did not answer within {ORDER_SECONDS:g} s") from exc
    except _NO_GATEWAY:
        return None


def _open(data: Path, path: str, seconds: float, body: bytes | None = None) -> Any:
    """Ask where the note says, never through the plant's proxy: the token stays on this machine."""
    note = json.loads(_note(data / FILE))
    request = Request(note["url"] + path, data=body, headers={"Authorization": f"Bearer {note['token']}"})  # noqa: S310 - our own URL
    handlers: list[BaseHandler] = [ProxyHandler({})]
    if "certificate" in note:
        handlers.append(HTTPSHandler(context=pinned(note["certificate"])))
    return build_opener(*handlers).open(request, timeout=seconds)


def _note(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except PermissionError as exc:
        raise Refused(f"{path} is for the gateway's user alone; ask as that user, or as root") from exc


def _refusal(answer: HTTPError) -> BridgeError:
    try:
        said = str(json.load(answer)["error"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        said = f"the gateway answered {answer.code} {answer.reason}"
    return Unavailable(said) if answer.code >= 500 else Refused(said)  # noqa: PLR2004 - HTTP's own boundary
