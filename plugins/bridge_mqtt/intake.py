"""One message seen through: the part goes to the host until it is recorded, the answer to whoever waits for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from bridge.plugin import Decision, Fetch, Inspect, Inspection, Rejects, Unreadable, count, logger
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.codec import fingerprint, read_message, write_answer
from bridge_mqtt.deliveries import Deliveries
from bridge_mqtt.options import MqttSourceOptions
from bridge_mqtt.reasons import said
from bridge_mqtt.session import Session

AGAIN_SECONDS = 0.5
"""The first pause before a part that could not be recorded is handed in again; it doubles."""
LONGEST_PAUSE_SECONDS = 10.0

log = logger()


@dataclass
class Intake:
    """Handles the messages of one session."""

    options: MqttSourceOptions
    mouth: Session
    """The connection on which answers go."""
    inspect: Inspect
    fetch: Fetch | None
    rejects: Rejects
    deliveries: Deliveries

    async def take(self, arrival: Arrival, *, live: bool) -> None:
        """See one message through; when this returns, the broker may forget it.

        Raises:
            Unavailable: its answer could not be told; the broker delivers it again.
        """
        try:
            part = read_message(arrival.payload, self.options.words(), self.options.max_bytes, arrival.at)
        except Unreadable as exc:  # acknowledged all the same: it would come again for ever
            count("unreadable")
            self.rejects.put(arrival.payload, str(exc), arrival.topic)
        else:
            key = part.key or await self._key(arrival)
            await self._decide(replace(part, backlog=part.backlog or not live), key)

    async def _key(self, arrival: Arrival) -> str:
        if self.options.without_key == "content":
            return fingerprint(arrival.topic, arrival.payload)
        return await self.deliveries.key(arrival)

    async def _decide(self, part: Inspection, key: str) -> None:
        """Hand the part in until its decision is recorded; each answer is told, an unrecorded one as such."""
        fetch = self.fetch if any(view.reference for view in part.views) else None
        pause = AGAIN_SECONDS
        while True:
            decision = await self.inspect(replace(part, key=key), fetch)
            if self.options.answer_topic:
                await self._answer(part, decision)
            if decision.recorded:
                return
            count("unrecorded")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            part = replace(part, backlog=True)

    async def _answer(self, part: Inspection, decision: Decision) -> None:
        """Publish the answer, and wait until the broker has it: only then may it forget the part."""
        topic, payload = self.options.answer_topic, write_answer(part, decision, self.options.words())
        code = await self.mouth.send(topic, payload, self.options.answer_timeout_seconds)
        if code.is_failure:
            count("answer_refused")
            log.warning("an answer was not taken", topic=topic, reason=said(code))
