"""Counting what happens, for people and for Prometheus.

A plugin says ``count("garbage")`` and nothing more; which line and which plugin that was comes from the
context in which the host runs it. Metrics live in one registry, served by the gateway on its loopback port.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter

registry = CollectorRegistry()

events = Counter(
    "aoi_bridge_plugin_events",
    "What plugins counted: garbage, quarantined, reconnects …",
    ["line", "plugin", "event"],
    registry=registry,
)

_instance: ContextVar[tuple[str, str]] = ContextVar("instance", default=("", ""))


@contextmanager
def instance(line: str, plugin: str) -> Iterator[None]:
    """Count everything inside, and in tasks started inside, for this plugin of this line."""
    token = _instance.set((line, plugin))
    try:
        yield
    finally:
        _instance.reset(token)


def current() -> tuple[str, str]:
    """Return the line and the plugin whose code is running; two empty strings outside of any."""
    return _instance.get()


def count(event: str, amount: float = 1) -> None:
    """Add to a named count of the plugin that is running, for instance ``count("garbage")``."""
    events.labels(*_instance.get(), event).inc(amount)


def counted(event: str, line: str = "", plugin: str = "") -> float:
    """Return a count as it stands, for status pages and tests."""
    value = registry.get_sample_value(
        "aoi_bridge_plugin_events_total", {"line": line, "plugin": plugin, "event": event}
    )
    return value or 0.0
