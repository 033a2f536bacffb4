"""Messages that have come and are not done: how many there may be, and how long one has waited for room."""

from __future__ import annotations

from dataclasses import dataclass, field

from paho.mqtt.client import MQTTMessage

PROMPT_SECONDS = 0.1
"""What comes so soon after there is room again has waited for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A message as it came."""

    topic: str
    payload: bytes
    mid: int
    """The broker's number of this delivery, the same when it delivers again; 0 where it wants no answer."""
    qos: int
    retained: bool
    """True for old news: it was told before we subscribed."""
    again: bool
    """The DUP flag: the broker may have told us before."""
    at: float
    """When it came (monotonic seconds); where it had to wait for room, when there was none any more."""


@dataclass
class Arrivals:
    """The messages of one session that are under way. Pure: the time is told."""

    most: int
    """So many may be under way; more than that is too much."""
    _by_mid: dict[int, Arrival] = field(default_factory=dict)
    _number: int = 0
    _full_since: float | None = None
    _freed: float = float("-inf")

    def enter(self, message: MQTTMessage, now: float) -> Arrival | None:
        """Take a message in; None where an impatient broker tells again what is under way already."""
        if message.qos and message.mid in self._by_mid:
            return None
        arrival = Arrival(
            topic=_topic(message),
            payload=bytes(message.payload),
            mid=message.mid,
            qos=message.qos,
            retained=message.retain,
            again=message.dup,
            at=self._waiting_since(now),
        )
        if arrival.qos:
            self._by_mid[arrival.mid] = arrival
        self._number += 1
        if self._number >= self.most:
            self._full_since = now
        return arrival

    def leave(self, arrival: Arrival, now: float) -> bool:
        """Let a message go; return whether the broker waits to hear of it."""
        if self._number == self.most:
            self._freed = now
        self._number -= 1
        if self._by_mid.get(arrival.mid) is not arrival:
            return False
        del self._by_mid[arrival.mid]
        return True

    @property
    def too_many(self) -> bool:
        """Whether nothing more should be read for now."""
        return self._number > self.most

    def _waiting_since(self, now: float) -> float:
        since, self._full_since = self._full_since, None
        return since if since is not None and now - self._freed < PROMPT_SECONDS else now


def _topic(message: MQTTMessage) -> str:
    """Return a message's topic; empty where it is no text."""
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""
