"""What a user may set on the MQTT source and the MQTT reporter; checked without a network."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bridge.plugin import (
    ClientTls,
    HostName,
    Login,
    Options,
    Port,
    ReporterOptions,
    Secret,
    ShareOptions,
    SourceOptions,
    WordList,
    WordOptions,
)
from bridge_mqtt.topics import VERSION, Level, TopicFilter, TopicName, covers

Span = Annotated[float, Field(gt=0, le=3600)]
ClientId = Annotated[str, Field(max_length=128, pattern=r"^[^\s\x00-\x1f\x7f]*$")]


class BrokerOptions(Options):
    """Where the broker is, who we are to it, and which station we speak for."""

    host: HostName = Field(examples=["192.168.0.30"])
    """the name or address of the broker"""
    port: Port = 1883
    """a port from 1 to 65535; brokers mostly listen on 1883, and on 8883 with TLS"""
    tls: ClientTls | None = Field(default=None, examples=[{"ca": "tls/plant-ca.pem"}])
    """a table for TLS: ca (whom we believe), cert, key, key_password, server_name; left out, plain TCP"""
    user: Login = ""
    """the user name at the broker, or a reference to it (env:NAME or file:/path); empty for none"""
    password: Secret | None = Field(default=None, examples=["env:MQTT_PASSWORD"])
    """a reference to the user's password"""
    protocol: Literal["5", "3.1.1"] = "5"
    """version 5, or 3.1.1 for an old broker: that one does not say where nobody listens, nor why it hangs up"""
    site: Level = Field(examples=["plant-1"])
    """the site, a level of each topic: v1/site/area/line/station/..."""
    area: Level = Field(examples=["smt"])
    """the area within the site, a level of each topic"""
    line: Level = Field(examples=["line-3"])
    """the line within the area, a level of each topic"""
    station: Level = "aoi"
    """the station within the line, a level of each topic; one that no other plugin of the line speaks for"""
    client_id: ClientId = ""
    """what the broker knows us by, of nobody else's; empty for one made of site, area, line, station and role"""
    dial_timeout_seconds: Span = 5
    """seconds up to 3600 that dialling the broker may take"""
    keepalive_seconds: Annotated[int, Field(ge=1, le=3600)] = 15
    """whole seconds up to 3600 after which a silent broker is asked for a sign; after as many again it is gone"""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.password is not None and not self.user:
            raise ValueError("password: has no user that it belongs to; write user too")
        return self

    def topic(self, last: str) -> str:
        """Return one of the station's topics."""
        return f"{VERSION}/{self.site}/{self.area}/{self.line}/{self.station}/{last}"

    def known_as(self, role: str) -> str:
        """Return the client id of the source, or of the reporter of this name."""
        return self.client_id or f"aoi-bridge:{self.site}:{self.area}:{self.line}:{self.station}:{role}"


class MqttSourceOptions(ShareOptions, WordOptions, BrokerOptions, SourceOptions):
    """An inspector that publishes its parts to a broker."""

    station: Level = "inspector"
    """the station within the line, a level of each topic; one that no other plugin of the line speaks for"""
    topics: tuple[TopicFilter, ...] = Field(default=(), examples=[("aoi/line-3/+/result",)])
    """a list of the topics that parts come on, + and # allowed; left out, the station's own: .../station/part"""
    answer_topic: TopicName = Field(default="", examples=["aoi/line-3/answer"])
    """the topic that each answer is published on, once its part is decided; empty for no answers"""
    without_key: Literal["delivery", "content"] = "delivery"
    """what makes two messages without a key the same part: delivery (the broker sends one again) or content (the
    same bytes on the same topic, for a machine whose messages all hold a time or a counter)"""
    max_bytes: Annotated[int, Field(ge=64, le=64 << 20)] = 1 << 20
    """a number of bytes from 64 to 67108864: the largest message; a larger one is quarantined"""
    in_flight: Annotated[int, Field(ge=1, le=1024)] = 32
    """a number from 1 to 1024: how many parts are under way at once; more wait in the broker"""
    answer_timeout_seconds: Span = 5
    """seconds up to 3600 that the broker may take to acknowledge an answer; after that we dial anew"""

    @model_validator(mode="after")
    def _no_echo(self) -> Self:
        if self.answer_topic and covers(self.filters(), self.answer_topic):
            raise ValueError("answer_topic: is one of topics, so that answers would come back as parts")
        return self

    def filters(self) -> tuple[str, ...]:
        """Return the topics that parts come on."""
        return self.topics or (self.topic("part"),)


class MqttReporterOptions(BrokerOptions, ReporterOptions):
    """An MES, or anybody else, that hears decisions from a broker."""

    result_topic: TopicName = Field(default="", examples=["mes/line-3/result"])
    """the topic that results are published on; empty for the station's own: .../station/result"""
    unheard: Literal["retry", "accepted"] = "retry"
    """what it means that nobody has subscribed to the result, which brokers say in MQTT 5: retry (it was not
    told) or accepted"""
    ack_topic: TopicName = Field(default="", examples=["mes/line-3/ack"])
    """the topic on which the MES itself acknowledges each result; empty where the broker's word is enough"""
    accepted_words: WordList = ("accepted", "ok")
    """a list of the statuses that mean taken, with ack_topic; after a status in no list we try again"""
    refused_words: WordList = ("refused",)
    """a list of the statuses that mean never to be taken: the decision is parked with its reason"""
    ack_timeout_seconds: Span = 5
    """seconds up to 3600 that an acknowledgement may take; after that we dial anew and send again"""

    def results(self) -> str:
        """Return the topic of the results."""
        return self.result_topic or self.topic("result")
