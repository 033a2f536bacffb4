"""What has come from the broker and is not looked at yet: which messages are parts, and which of them are live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.plugin import count
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.dialling import Presence
from bridge_mqtt.session import Session
from bridge_mqtt.topics import covers


@dataclass
class Mailbox:
    """The messages of one session, in the order in which they came.

    While the broker still owes us what came in our absence, nothing is live. Our own status comes back behind all
    of it, as the broker keeps one order for each subscriber: it marks the end.
    """

    presence: Presence
    filters: Sequence[str]
    live: bool = False
    session: Session | None = None
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: asyncio.Queue[tuple[Arrival, bool]] = field(default_factory=asyncio.Queue)

    def put(self, arrival: Arrival) -> None:
        """Take a message; never waits, for their number is bounded by the session."""
        if arrival.topic == self.presence.topic:
            if not arrival.retained and arrival.payload == self.presence.online():
                self.now_live()
            self._discard(arrival)
        elif arrival.retained:
            count("retained")
            self._discard(arrival)
        elif not covers(self.filters, arrival.topic):  # the broker remembers what we subscribed to last year
            count("other_topic")
            self._discard(arrival)
        else:
            if not arrival.qos:
                count("at_most_once")
            self._waiting.put_nowait((arrival, self.live and not arrival.again))

    async def get(self) -> tuple[Arrival, bool]:
        """Return the next message, and whether its part may still be told to a PLC."""
        return await self._waiting.get()

    def now_live(self) -> None:
        """Say that whatever comes from now on has only just happened."""
        self.live = True
        self.caught_up.set()

    def _discard(self, arrival: Arrival) -> None:
        if self.session is not None:
            self.session.done(arrival)
