"""Topics: where a station says what, and which filters cover which topics. Pure.

A station's topics are ``v1/<site>/<area>/<line>/<station>/…``. Nothing here knows a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

VERSION = "v1"
TOPIC_BYTES = 65_535
"""The longest topic of the protocol."""
_UNFIT = re.compile("[\x00-\x1f\x7f]")

Level: TypeAlias = Annotated[str, Field(pattern=r"^[^/+#$\x00-\x1f\x7f][^/+#\x00-\x1f\x7f]{0,63}$")]
"""One level of a topic."""


def _plain(topic: str) -> str:
    if topic and (mistake := topic_mistake(topic)):
        raise ValueError(mistake)
    return topic


def _filter(pattern: str) -> str:
    if mistake := filter_mistake(pattern):
        raise ValueError(mistake)
    return pattern


TopicName: TypeAlias = Annotated[str, AfterValidator(_plain)]
"""A topic to publish on; empty for none."""
TopicFilter: TypeAlias = Annotated[str, AfterValidator(_filter)]
"""A topic to subscribe to, in which ``+`` stands for one level and a last ``#`` for all that follow."""


def topic_mistake(topic: str) -> str | None:
    """Return why nothing can be published on a topic, None where it can."""
    if "+" in topic or "#" in topic:
        return "has a wildcard, but one publishes on one topic"
    return _mistake(topic)


def filter_mistake(pattern: str) -> str | None:
    """Return why one cannot subscribe to a topic, None where one can."""
    if pattern.startswith("$"):
        return "begins with $: neither the broker's own topics nor shared subscriptions are parts of one line"
    levels = pattern.split("/")
    if any("#" in level for level in levels[:-1]) or any(
        len(level) > 1 and ("+" in level or "#" in level) for level in levels
    ):
        return "has a wildcard in a wrong place: + is a whole level, # the whole last one"
    return _mistake(pattern)


def _mistake(topic: str) -> str | None:
    if not topic:
        return "is empty"
    if _UNFIT.search(topic):
        return "holds a control character"
    return "is too long" if len(topic.encode()) > TOPIC_BYTES else None


def covers(patterns: Iterable[str], topic: str) -> bool:
    """Return whether one of some filters covers a topic."""
    return any(_covers(pattern.split("/"), topic.split("/")) for pattern in patterns)


def _covers(pattern: list[str], levels: list[str]) -> bool:
    for place, wanted in enumerate(pattern):
        if wanted == "#":
            return True
        if place >= len(levels) or wanted not in {"+", levels[place]}:
            return False
    return len(pattern) == len(levels)


def example(pattern: str) -> str:
    """Return a topic that a filter covers, for a machine that publishes on it."""
    return "/".join({"+": "machine", "#": "part"}.get(level, level) for level in pattern.split("/"))
