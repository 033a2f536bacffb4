"""The reporter: results published with QoS 1, faults beside them, the station's state retained."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Decision, Refused, Report, Unavailable, Unreadable, count, together
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.codec import Ack, read_ack, write_result
from bridge_mqtt.dialling import Presence, connected, present
from bridge_mqtt.documents import fault_of
from bridge_mqtt.options import MqttReporterOptions
from bridge_mqtt.reasons import NOBODY, published
from bridge_mqtt.session import Session

__all__ = ["MqttReporterOptions", "open_reporter"]

ACK_BYTES = 1 << 16
"""More of an acknowledgement is not kept."""
BESIDE_BYTES = 1024
"""Room for a topic and the protocol's own bytes in a packet."""


@asynccontextmanager
async def open_reporter(options: MqttReporterOptions) -> AsyncIterator[Report]:
    """Connect and be online; yield a report that returns once the broker, or the MES itself, has acknowledged.

    The broker keeps no session of ours: what was not acknowledged when the connection ends is the host's to tell
    again, and nothing is left anywhere that could leave late.

    Raises:
        ConfigError: the broker will not have us as the options are.
        Unavailable: it cannot be reached, or the connection ended, also while nothing was reported.
    """
    presence = Presence(options.topic("status"), "reporter")
    desk = _Desk(options)
    session = desk.session = Session(
        options,
        options.known_as(options.name),
        will=presence.will(),
        max_bytes=ACK_BYTES,
        receive=desk.hear,
    )
    async with connected(options, session), together() as tasks:
        watching = tasks.create_task(session.watch(), name="mqtt-watch")
        if options.ack_topic:
            await session.listen([options.ack_topic])
        async with present(session, presence, options.dial_timeout_seconds):
            yield desk.report
            watching.cancel()


class _Desk:
    """Publishes, and matches an MES's acknowledgements with the reports that wait for them."""

    session: Session

    def __init__(self, options: MqttReporterOptions) -> None:
        self._options = options
        self._waiting: dict[str, asyncio.Future[Ack]] = {}

    async def report(self, decision: Decision) -> None:
        """Publish one decision and wait until it was acknowledged.

        Raises:
            Refused: it expired, cannot be published, or the MES will never take it.
            Unavailable: nobody acknowledged it in time.
        """
        payload, fault = write_result(decision), fault_of(decision)
        if len(payload) + BESIDE_BYTES > self.session.largest:
            raise Refused(f"decision {decision.id} is larger than {self.session.peer} takes")
        if not self._options.ack_topic:
            await self._publish(decision, self._options.results(), payload)
        else:
            await self._acknowledged(decision, payload)
        if fault is not None and not self._realtime:
            await self._publish(
                decision, self._options.topic("fault"), fault.model_dump_json().encode(), heard=False
            )

    async def _publish(self, decision: Decision, topic: str, payload: bytes, *, heard: bool = True) -> None:
        """Publish, and take the broker's answer; where it matters, that somebody has subscribed."""
        expiry = self._expiry(decision)
        try:
            code = await self.session.send(
                topic, payload, self._options.ack_timeout_seconds, expiry_seconds=expiry
            )
        except BaseException:
            if self._realtime:  # whatever of it has not left must not leave late
                self.session.cut(Unavailable(f"{self.session.peer} did not take a result before it expired"))
            raise
        if (error := published(self.session.peer, topic, code)) is not None:
            raise error
        if code.value == NOBODY and heard and self._options.unheard == "retry":
            count("unheard")
            raise Unavailable(f"nobody has subscribed to {topic} at {self.session.peer}")

    def _expiry(self, decision: Decision) -> int | None:
        """Return for how many seconds the broker may keep a result; a guaranteed one for ever.

        Raises:
            Refused: it has expired.
        """
        if not self._realtime:
            return None
        left = decision.expires - asyncio.get_running_loop().time()
        if left <= 0:
            raise Refused(f"decision {decision.id} expired before it was sent")
        return None if math.isinf(left) else math.ceil(left)

    async def _acknowledged(self, decision: Decision, payload: bytes) -> None:
        """Publish a result, and wait for the MES's own word."""
        waiting: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting[decision.id] = waiting
        seconds = self._options.ack_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._publish(decision, self._options.results(), payload)
                _settle(await waiting)
        except TimeoutError as exc:
            raise Unavailable(f"the MES did not acknowledge {decision.id} within {seconds:g} s") from exc
        finally:
            if self._waiting.get(decision.id) is waiting:
                del self._waiting[decision.id]

    def hear(self, arrival: Arrival) -> None:
        """Take an acknowledgement of the MES; never waits."""
        self.session.done(arrival)
        try:
            ack = read_ack(arrival.payload, self._options.accepted_words, self._options.refused_words)
        except Unreadable:
            count("unreadable")
            return
        waiting = self._waiting.get(ack.id)
        if arrival.retained or waiting is None or waiting.done():
            count("ack_unmatched")
        else:
            waiting.set_result(ack)

    @property
    def _realtime(self) -> bool:
        return self._options.lane == "realtime"


def _settle(ack: Ack) -> None:
    """Turn the MES's answer into the verb's: return, Refused or Unavailable."""
    if ack.accepted is False:
        raise Refused(ack.reason or "refused without a reason")
    if ack.accepted is None:
        raise Unavailable(ack.reason or "the acknowledgement's status means neither accepted nor refused")
