"""What a simulated MES keeps: who told it what, how often, and what it refused; the same on every road."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

LedgerDocument: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LedgerAnswer:
    """What an MES says to one document."""

    refused: str | None
    """Why it is refused; None where it was accepted."""
    silent: bool = False
    """True where the acknowledgement is lost on purpose."""


@dataclass(kw_only=True)
class Ledger:
    """The book of a simulated MES, without its network; every knob may be turned while it runs."""

    refuse: Callable[[LedgerDocument], str | None] = lambda _: None
    """Says why a document is refused; None takes it."""
    lose_acks: int = 0
    """How many of the next acknowledgements are not sent, though the document was kept."""
    documents: dict[str, LedgerDocument] = field(default_factory=dict)
    """What was accepted: by inspection id, in the order of first arrival."""
    arrivals: Counter[str] = field(default_factory=Counter)
    """How often each id came, refused ones included."""
    told_at: dict[str, float] = field(default_factory=dict)
    """When each id came first, in monotonic seconds."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why each refused id was refused."""

    @property
    def resent(self) -> int:
        """How many arrivals were of an id that had come before: allowed."""
        return self.arrivals.total() - len(self.arrivals)

    def duplicated(self, key: Callable[[LedgerDocument], object] = lambda document: document["part"]) -> int:
        """Return how many accepted documents tell of a presentation that another id already told of: a bug."""
        return len(self.documents) - len({key(document) for document in self.documents.values()})

    def refuse_all(self, reason: str) -> None:
        """Refuse whatever comes from now on, with this reason."""
        self.refuse = lambda _: reason

    def accept_all(self) -> None:
        """Accept whatever comes from now on."""
        self.refuse = lambda _: None

    def lose(self, acknowledgements: int) -> None:
        """Keep what the next documents tell, but send no acknowledgement for so many of them."""
        self.lose_acks = acknowledgements

    def take(self, document: LedgerDocument, spoilt: str | None = None) -> LedgerAnswer:
        """Enter a document, and return what the MES says to it.

        Args:
            document: what came; it has an ``id``.
            spoilt: why it is refused whatever it says.
        """
        name = str(document["id"])
        self.arrivals[name] += 1
        self.told_at.setdefault(name, time.monotonic())
        reason = spoilt or self.refuse(document)
        if reason is None:
            self.documents.setdefault(name, document)
        else:
            self.refused[name] = reason
        if self.lose_acks:
            self.lose_acks -= 1
            return LedgerAnswer(reason, silent=True)
        return LedgerAnswer(reason)
