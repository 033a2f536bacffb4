"""One connection to a broker: aiomqtt's client, with the parts that a gateway must have in its own hand.

aiomqtt acknowledges a message when it arrives, throws messages away when its queue is full, lets a publish wait
for its time-out when the connection is gone, and does not show the DUP flag. Here a message is acknowledged when
``done`` says so, reading stops while too much is under way, a loss ends every wait at once, and nothing that was
published outlives its connection: a session is opened once, so paho never sends anything again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

import aiomqtt
from paho.mqtt.client import (
    MQTT_CLEAN_START_FIRST_ONLY,
    MQTT_ERR_SUCCESS,
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    error_string,
)
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.plugin import Unavailable, count, logger
from bridge_mqtt.arrivals import Arrival, Arrivals
from bridge_mqtt.options import BrokerOptions
from bridge_mqtt.paho_edge import bound_reading, lend_socket
from bridge_mqtt.reasons import FAILURE, hung_up, refusal, subscription_refused
from bridge_mqtt.wire import Wire

T = TypeVar("T")

HEAD_BYTES = 1 << 17
"""Room for a message's topic and properties beside its payload."""
IN_FLIGHT_OUT = 1024
"""So many of our messages may be without the broker's acknowledgement, or fewer where it says so."""
FOR_EVER = 0xFFFF_FFFF
"""How long the broker keeps a lasting session, its subscriptions and what it owes us: until we end it."""
GOODBYE_SECONDS = 1.0
"""How long the end of a session may take."""

log = logger()
_quiet = logging.getLogger("bridge_mqtt.paho")
_quiet.setLevel(logging.CRITICAL)  # what goes wrong is raised, and said once by the host


class Session(Wire):
    """A connection that is opened once and ends once; every method but ``open`` belongs to the loop."""

    def __init__(
        self,
        options: BrokerOptions,
        identifier: str,
        *,
        will: aiomqtt.Will | None = None,
        lasting: bool = False,
        most: int = IN_FLIGHT_OUT,
        max_bytes: int = 1 << 20,
        receive: Callable[[Arrival], None] = lambda _: None,
    ) -> None:
        """Prepare a session; nothing is dialled yet.

        Args:
            options: where the broker is and who we are.
            identifier: the client id.
            will: what the broker says when we are lost.
            lasting: whether the broker keeps what it owes us while we are away.
            most: how many messages may be under way at once; above it nothing more is read.
            max_bytes: more of a payload is not kept.
            receive: called for each message, which is under way until ``done``; never waits.
        """
        self._modern = options.protocol == "5"
        super().__init__(
            options.host,
            options.port,
            username=options.user or None,
            password=options.password.get_secret_value() if options.password else None,
            logger=_quiet,
            identifier=identifier,
            protocol=aiomqtt.ProtocolVersion.V5 if self._modern else aiomqtt.ProtocolVersion.V311,
            will=will,
            clean_session=None if self._modern else not lasting,
            clean_start=not lasting if self._modern else MQTT_CLEAN_START_FIRST_ONLY,
            keepalive=options.keepalive_seconds,
            max_inflight_messages=0xFFFF,  # our own count is kept below; paho's queue would hold messages back
            properties=_asked(most, lasting=lasting) if self._modern else None,
        )
        self.pending_calls_threshold = 0xFFFF
        self.peer = f"{options.host}:{options.port}"
        self.resumed = False
        """Whether the broker knew us, and may owe us messages."""
        self.largest = 1 << 28
        """How large a packet the broker takes."""
        self._options, self._lasting, self._receive = options, lasting, receive
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._why: Exception = Unavailable(f"{self.peer} was left")
        self._published: dict[int, asyncio.Future[ReasonCode | None]] = {}
        self._room = asyncio.Semaphore(IN_FLIGHT_OUT)
        self._arrivals = Arrivals(most)
        self._client.manual_ack_set(True)  # noqa: FBT003 - paho's own
        bound_reading(self._client, max_bytes + HEAD_BYTES)

    async def open(self, dialled: socket.socket) -> None:
        """Greet the broker over a connection that was dialled.

        Raises:
            ConfigError: it will not have us as the options are.
            Unavailable: it does not answer, or not now.
        """
        lend_socket(self._client, dialled)
        self._client.connect(
            self._hostname, self._port, self._keepalive, clean_start=self._clean_start, properties=self._properties
        )
        await self._unless_over(self._greeted, self._options.dial_timeout_seconds, "does not answer as a broker")

    async def listen(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1; return once the broker has confirmed it, behind all that it owes us.

        Raises:
            ConfigError: the broker does not allow one of them.
        """
        wanted: Any = (
            [(each, SubscribeOptions(qos=1)) for each in filters]
            if self._modern
            else [(each, 1) for each in filters]
        )
        seconds = None if self.resumed else self._options.dial_timeout_seconds
        asking = self.subscribe(wanted, timeout=math.inf)
        codes: Sequence[Any] = await self._unless_over(asking, seconds, "does not answer a subscription")
        for pattern, code in zip(filters, codes, strict=False):
            if (code.value if isinstance(code, ReasonCode) else code) >= FAILURE:
                raise subscription_refused(self.peer, pattern, code)

    async def post(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_seconds: int | None = None
    ) -> asyncio.Future[ReasonCode | None]:
        """Publish with QoS 1; return what becomes the broker's answer, or None where the connection ends first.

        Waits only while the broker has as many of ours unanswered as it takes. ``expiry_seconds`` bounds how long
        the broker keeps it for others, where the protocol can say so.

        Raises:
            Unavailable: the connection is over.
        """
        await self._room.acquire()
        if self._over.done():
            self._room.release()
            raise self._why
        info = self._client.publish(topic, payload, 1, retain, self._expiring(expiry_seconds))
        answer: asyncio.Future[ReasonCode | None] = self._loop.create_future()
        answer.add_done_callback(lambda _: self._room.release())
        if info.rc != MQTT_ERR_SUCCESS:
            answer.set_result(None)
            raise Unavailable(f"{self.peer} cannot be told: {error_string(info.rc).lower()}")
        self._published[info.mid] = answer
        return answer

    async def send(
        self,
        topic: str,
        payload: bytes,
        seconds: float,
        *,
        retain: bool = False,
        expiry_seconds: int | None = None,
    ) -> ReasonCode:
        """Publish with QoS 1; return the broker's answer.

        Raises:
            Unavailable: there was none within so many seconds.
        """
        try:
            async with asyncio.timeout(seconds):
                answer = await self.post(topic, payload, retain=retain, expiry_seconds=expiry_seconds)
                code = await asyncio.shield(answer)
        except TimeoutError as exc:
            raise Unavailable(f"{self.peer} did not acknowledge within {seconds:g} s") from exc
        if code is None:
            raise self._why
        return code

    def done(self, arrival: Arrival) -> None:
        """Acknowledge a message that came on this session; the broker then forgets it."""
        if self._arrivals.leave(arrival, self._loop.time()) and not self._over.done():
            self._client.ack(arrival.mid, arrival.qos)
        if self.paused and not self._arrivals.too_many:
            self.read_on()

    async def watch(self) -> NoReturn:
        """Keep the connection alive; raise why it ended, once it has."""
        while not self._over.done():
            self._client.loop_misc()
            await asyncio.wait({self._over}, timeout=min(1.0, self._options.keepalive_seconds / 4))
        raise self._why

    async def leave(self) -> None:
        """Say goodbye to the broker, which then says no Will; within the time of a goodbye."""
        if not self._over.done() and self._client.disconnect() == MQTT_ERR_SUCCESS:
            await asyncio.wait({self._over}, timeout=GOODBYE_SECONDS)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._over.done()

    async def _unless_over(self, wanted: Awaitable[T], seconds: float | None, otherwise: str) -> T:
        task, over = asyncio.ensure_future(wanted), cast("asyncio.Future[Any]", self._over)
        try:
            await asyncio.wait([task, over], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if self._over.done():
                raise self._why
            if not task.done():
                raise Unavailable(f"{self.peer} {otherwise} within {seconds:g} s")
            return task.result()
        except aiomqtt.MqttError as exc:
            raise Unavailable(f"{self.peer} {otherwise}: {exc}") from exc
        finally:
            task.cancel()

    def _expiring(self, seconds: int | None) -> Properties | None:
        if seconds is None or not self._modern:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = seconds
        return properties

    def _end(self, why: Exception) -> None:
        """Let everybody who waits know that it is over, once."""
        if self._over.done():
            return
        self._why = why
        self._over.set_result(None)
        for answer in self._published.values():
            if not answer.done():
                answer.set_result(None)
        self._published.clear()

    # What paho calls, in the loop.

    def _on_connect(
        self,
        _: Client,
        __: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if reason_code.is_failure:
            self._end(refusal(self.peer, reason_code))
        elif not self._greeted.done():
            self.resumed = flags.session_present
            if (kept := getattr(properties, "SessionExpiryInterval", FOR_EVER)) != FOR_EVER and self._lasting:
                log.info("the broker forgets us, and what it owes us, after an absence", seconds=kept)
            self.largest = getattr(properties, "MaximumPacketSize", self.largest)
            self._room = asyncio.Semaphore(
                min(getattr(properties, "ReceiveMaximum", IN_FLIGHT_OUT), IN_FLIGHT_OUT)
            )
            self._greeted.set_result(None)

    def _on_disconnect(
        self, _: Client, __: Any, flags: DisconnectFlags, reason_code: ReasonCode, ___: Properties | None = None
    ) -> None:
        said = reason_code if flags.is_disconnect_packet_from_server else None
        self._end(hung_up(self.peer, said, greeted=self._greeted.done()))

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        arrival = self._arrivals.enter(message, self._loop.time())
        if arrival is None:
            return
        if self._arrivals.too_many:
            count("full")
            self.pause()
        self._receive(arrival)

    def _on_publish(self, _: Client, __: Any, mid: int, reason_code: ReasonCode, ___: Properties) -> None:
        answer = self._published.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)


def _asked(most: int, *, lasting: bool) -> Properties:
    """Return what we ask of a broker that speaks MQTT 5."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = min(most, 0xFFFF)
    if lasting:
        properties.SessionExpiryInterval = FOR_EVER
    return properties
