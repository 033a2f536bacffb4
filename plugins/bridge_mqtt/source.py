"""The source: parts that an inspector publishes, acknowledged to the broker once their decision is recorded.

It has two connections. One listens and acknowledges, and is not read while too much is under way; the other says
what we have to say, so that no answer ever waits behind parts that wait for their answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.plugin import Fetch, Inspect, Source, logger, rejecting, together
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.deliveries import Deliveries
from bridge_mqtt.dialling import Presence, connected, present
from bridge_mqtt.intake import Intake
from bridge_mqtt.mailbox import Mailbox
from bridge_mqtt.options import MqttSourceOptions
from bridge_mqtt.session import Session

__all__ = ["MqttSourceOptions", "open_source"]

MARK_SECONDS = 1.0
"""After so long the mark behind what the broker owes us is sent again: a full queue may have dropped it."""

TRIES_BEFORE_A_WORD = 10
LAST_SECONDS = 0.5
"""How long the end of a source waits for parts that are under way."""

log = logger()


@asynccontextmanager
async def open_source(options: MqttSourceOptions) -> AsyncIterator[Source]:
    """Take up the session at the broker, subscribe, be online; the source then feeds parts until cancelled.

    Raises:
        ConfigError: the broker will not have us as the options are.
        Unavailable: it cannot be reached, or the connection ended.
    """
    presence = Presence(options.topic("status"), "source")
    mailbox = Mailbox(presence, options.filters())
    ear = mailbox.session = Session(
        options,
        options.known_as("source"),
        lasting=True,
        most=options.in_flight,
        max_bytes=options.max_bytes,
        receive=mailbox.put,
    )
    mouth = Session(options, f"{options.known_as('source')}:answers", will=presence.will())
    deliveries = Deliveries(options.home)
    await deliveries.load()
    async with options.share() as fetch, connected(options, mouth), connected(options, ear), together() as tasks:
        watching = [tasks.create_task(session.watch(), name="mqtt-watch") for session in (mouth, ear)]
        listening = tasks.create_task(ear.listen([*options.filters(), presence.topic]), name="mqtt-listen")
        if not ear.resumed:
            await deliveries.forget()
            await listening  # else its confirmation may lie behind a thousand parts
        async with present(mouth, presence, options.dial_timeout_seconds):
            marking = tasks.create_task(_mark(mouth, ear, mailbox), name="mqtt-mark")

            async def run(inspect: Inspect) -> None:
                await _feed(options, ear, mouth, mailbox, deliveries, inspect, fetch)

            yield run
            for task in (listening, marking, *watching):
                task.cancel()


async def _mark(mouth: Session, ear: Session, mailbox: Mailbox) -> None:
    """Have what comes count as live once all that came in our absence is here."""
    if not ear.resumed:
        mailbox.now_live()
    tries = 0
    while not mailbox.live:
        try:
            async with asyncio.timeout(MARK_SECONDS):
                await mailbox.caught_up.wait()
        except TimeoutError:
            tries += 1
            if tries == TRIES_BEFORE_A_WORD:
                log.warning("our own status does not come back: every part counts as backlog", peer=ear.peer)
            await mouth.post(mailbox.presence.topic, mailbox.presence.online(), retain=True)


async def _feed(
    options: MqttSourceOptions,
    ear: Session,
    mouth: Session,
    mailbox: Mailbox,
    deliveries: Deliveries,
    inspect: Inspect,
    fetch: Fetch | None,
) -> None:
    """Hand in parts as they come, each in a task of its own; the session bounds how many there are.

    Told to stop, it lets what is nearly done be acknowledged: else the broker would deliver it again.
    """
    async with rejecting(options.home) as rejects, together() as tasks:
        intake = Intake(options, mouth, inspect, fetch, rejects, deliveries)
        under_way: set[asyncio.Task[None]] = set()

        async def take(arrival: Arrival, *, live: bool) -> None:
            await intake.take(arrival, live=live)
            ear.done(arrival)

        try:
            while True:
                arrival, live = await mailbox.get()
                task = tasks.create_task(take(arrival, live=live), name=f"mqtt-part {arrival.mid}")
                under_way.add(task)
                task.add_done_callback(under_way.discard)
        finally:
            if under_way and not (ear.over or mouth.over):
                await asyncio.wait(under_way, timeout=LAST_SECONDS)
