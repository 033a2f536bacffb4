"""Topics, words and reasons, without a broker."""

from __future__ import annotations

from typing import Any

import aiomqtt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from paho.mqtt.client import CONNACK_REFUSED_NOT_AUTHORIZED, Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from bridge.plugin import ConfigError, Refused, Unavailable, Unreadable, Verdict, Words
from bridge_mqtt import MqttReporterOptions, MqttSourceOptions
from bridge_mqtt.codec import read_ack, read_message
from bridge_mqtt.reasons import NOBODY, hung_up, published, refusal, subscription_refused
from bridge_mqtt.topics import covers, example, filter_mistake, topic_mistake

PLACE = {"host": "broker", "site": "s", "area": "a", "line": "l"}
LEVELS = st.sampled_from(["", "a", "b", "aoi", "+", "#", "$x", "a+", "b#"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join)
FILTERS = TOPICS.filter(lambda topic: filter_mistake(topic) is None)
PLAIN = st.lists(st.sampled_from(["", "a", "b", "aoi"]), min_size=1, max_size=4).map("/".join).filter(bool)


def code(kind: int, value: int) -> ReasonCode:
    return ReasonCode(kind, identifier=value)  # type: ignore[no-untyped-call]


@given(FILTERS, PLAIN)
def test_filters_cover_what_the_library_says(pattern: str, topic: str) -> None:
    """Our own pure rule and aiomqtt's are the same one."""
    assert covers([pattern], topic) == aiomqtt.Topic(topic).matches(pattern)


@given(FILTERS)
def test_a_filter_covers_its_example(pattern: str) -> None:
    assume(example(pattern) != "")
    assert topic_mistake(example(pattern)) is None
    assert covers([pattern], example(pattern))


@given(FILTERS)
def test_what_we_take_for_a_filter_the_library_takes_too(pattern: str) -> None:
    assert aiomqtt.Wildcard(pattern).value == pattern


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"topics": ["a/#/b"]}, "has a wildcard in a wrong place"),
        ({"topics": ["$share/us/a"]}, "neither the broker's own topics nor shared subscriptions"),
        ({"topics": [""]}, "is empty"),
        ({"answer_topic": "a/+"}, "one publishes on one topic"),
        ({"answer_topic": "a/\0"}, "holds a control character"),
        ({"topics": ["aoi/#"], "answer_topic": "aoi/answer"}, "answers would come back as parts"),
        ({"site": "a/b"}, "String should match pattern"),
        ({"client_id": "two words"}, "String should match pattern"),
        ({"ok_words": ["X"], "ng_words": ["x"]}, "stands in ok_words too"),
        ({"keepalive_seconds": 0}, "greater than or equal to 1"),
        ({"protocol": "4"}, "Input should be '5' or '3.1.1'"),
    ],
)
def test_mistakes_are_said(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MqttSourceOptions(**(PLACE | table))
    assert said in str(caught.value)


def test_a_password_belongs_to_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hunter22")
    with pytest.raises(ValidationError, match="write user too"):
        MqttReporterOptions(name="mes", password="env:MQTT_PASSWORD", **PLACE)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="is not a reference"):
        MqttReporterOptions(name="mes", user="u", password="hunter22", **PLACE)  # type: ignore[arg-type]


def test_client_ids_are_of_one_role_of_one_line() -> None:
    one, two = MqttSourceOptions(**PLACE), MqttSourceOptions(**(PLACE | {"line": "l2"}))
    assert len({one.known_as("source"), two.known_as("source"), one.known_as("mes"), two.known_as("mes")}) == 4
    assert MqttSourceOptions(client_id="x7", **PLACE).known_as("source") == "x7"


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_no_message_is_an_ok_by_accident(data: bytes) -> None:
    """Whatever comes: a part, or a reason for the quarantine."""
    try:
        part = read_message(data, Words(("OK",), ("NG",)), 1000)
    except Unreadable:
        return
    assert part.legacy is not Verdict.OK or b"ok" in data.lower()


@given(st.binary(max_size=60))
def test_no_acknowledgement_by_accident(data: bytes) -> None:
    """Only a positive statement is an acceptance."""
    try:
        ack = read_ack(data, ("accepted",), ("refused",))
    except Unreadable:
        return
    assert ack.accepted is not True or b"accepted" in data.lower()


def test_a_refusal_says_whose_turn_it_is() -> None:
    """What a person can mend is a mistake of the configuration; the rest is tried again."""
    mended = [0x84, 0x85, 0x86, 0x87]
    assert {type(refusal("b", code(PacketTypes.CONNACK, value))) for value in mended} == {ConfigError}
    assert isinstance(refusal("b", code(PacketTypes.CONNACK, 0x88)), Unavailable)
    assert 'write protocol = "3.1.1"' in str(refusal("b", code(PacketTypes.CONNACK, 0x84)))
    assert "secret/#" in str(subscription_refused("b", "secret/#", code(PacketTypes.SUBACK, 0x87)))


def test_a_publish_is_told_retried_or_parked() -> None:
    """By what the broker says of it; that nobody listens is the reporter's to weigh."""
    answers = {
        value: published("b", "t", code(PacketTypes.PUBACK, value)) for value in (0, NOBODY, 0x87, 0x97, 0x99)
    }
    assert [type(answers[value]) for value in (0, NOBODY)] == [type(None), type(None)]
    assert [type(answers[value]) for value in (0x87, 0x97, 0x99)] == [Unavailable, Unavailable, Refused]


def test_a_hang_up_says_why() -> None:
    taken = code(PacketTypes.DISCONNECT, 0x8E)
    assert "another client of the same client_id" in str(hung_up("b", taken, greeted=True))
    assert "administrative action" in str(hung_up("b", code(PacketTypes.DISCONNECT, 0x98), greeted=True))
    assert "wants tls" in str(hung_up("b", None, greeted=False))
    assert "fell silent" in str(hung_up("b", None, greeted=True))


def test_paho_still_has_what_we_reach_for() -> None:
    """The names of its own that stand in paho_edge.py; without them nothing would be bounded or cut."""
    client = Client(CallbackAPIVersion.VERSION2)
    assert callable(client._create_socket)
    assert callable(client._sock_recv)
    assert callable(client._sock_close)
    assert callable(client._handle_publish)
    assert client._in_packet["packet"] == bytearray()
    assert {"command", "remaining_length"} <= client._in_packet.keys()
    assert CONNACK_REFUSED_NOT_AUTHORIZED == 5
