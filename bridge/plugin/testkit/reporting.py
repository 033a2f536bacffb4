"""Decisions to be told, and what the other side of a reporter has heard of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from bridge.messages import Decision, Verdict
from bridge.plugin.peers import Book, Station
from bridge.plugin.testkit.line import decided
from bridge.plugin.testkit.stage import Stage


def told_to(where: Stage, number: int, final: Verdict | None = Verdict.OK, **changes: Any) -> Decision:
    """Return a decision that is to be told now, on the part that the peer knows."""
    decision = decided(where.part(number - 1), number, final)
    expires = asyncio.get_running_loop().time() + where.trial.seconds
    return replace(decision, expires=expires, event_at=float(number), **changes)


def is_book(peer: object) -> TypeGuard[Book]:
    """Return whether the other side is an MES."""
    return hasattr(peer, "documents")


def is_station(peer: object) -> TypeGuard[Station]:
    """Return whether the other side is a PLC with a station."""
    return hasattr(peer, "present")


def document_of(book: Book, decision: Decision) -> Mapping[str, Any] | None:
    """Return what an MES was told of a decision; None where that is nothing."""
    return book.documents.get(decision.id)
