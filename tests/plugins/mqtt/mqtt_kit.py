"""A broker of our own, a host that decides at once, and a source or a subscriber that runs while a test talks."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from adapter_host import decision_of

from bridge.plugin import Decision, Fetch, Inspection
from bridge.simulate.factory import free_ports
from bridge_mqtt import MqttReporterOptions, MqttSourceOptions, open_source
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.dialling import connected
from bridge_mqtt.peer import _kept
from bridge_mqtt.session import Session

_SPEC = importlib.util.spec_from_file_location(
    "mosquitto_process", Path(__file__).parents[3] / "benchmarks" / "mosquitto_process.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
mosquitto_process = sys.modules["mosquitto_process"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(mosquitto_process)
Mosquitto: Any = mosquitto_process.MosquittoProcess

needs_mosquitto = pytest.mark.skipif(
    mosquitto_process.MOSQUITTO is None, reason="mosquitto is not installed (Debian's package mosquitto)"
)
PATIENCE_SECONDS = 20.0
"""Of everything that is waited for; an idle machine needs milliseconds."""
PLACE = {"host": "127.0.0.1", "site": "plant", "area": "smt", "line": "l3"}
BASE = "v1/plant/smt/l3"
BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@asynccontextmanager
async def broker(folder: Path, more: str = "", **how: Any) -> AsyncIterator[Any]:
    """Run a broker on a free port."""
    mosquitto = Mosquitto(folder / "broker", free_ports(1)[0], more, **how)
    await mosquitto.start()
    try:
        yield mosquitto
    finally:
        mosquitto.kill()


def source_options(mosquitto: Any, home: Path, **more: Any) -> MqttSourceOptions:
    more.setdefault("answer_topic", f"{BASE}/answer")
    return MqttSourceOptions(home=home, port=mosquitto.port, **(PLACE | more))


def reporter_options(mosquitto: Any, **more: Any) -> MqttReporterOptions:
    more.setdefault("ack_timeout_seconds", 10)
    return MqttReporterOptions(**({"name": "mes", "port": mosquitto.port} | PLACE | more))


@dataclass
class Line:
    """What the host does for a source: one decision for each key, however often the part comes."""

    recorded: bool = True
    hold: Callable[[Inspection], Awaitable[object]] | None = None
    """Awaited before a part is answered."""
    parts: list[Inspection] = field(default_factory=list)
    """Every arrival."""
    images: dict[str, bytes] = field(default_factory=dict)
    decided: dict[str, Decision] = field(default_factory=dict)
    """By key."""
    most: int = 0
    """The most parts that were under way at once."""
    _inside: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        self.parts.append(part)
        self._inside += 1
        self.most = max(self.most, self._inside)
        self._changed.set()
        try:
            if self.hold is not None:
                await self.hold(part)
            if fetch is not None:
                for view in part.views:
                    self.images[view.name] = await fetch(view)
        finally:
            self._inside -= 1
            self._changed.set()
        if not self.recorded:
            return decision_of(part, len(self.parts), recorded=False)
        return self.decided.setdefault(str(part.key), decision_of(part, len(self.decided) + 1))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true of this host, looked at whenever a part comes or goes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def names(self) -> list[str]:
        return [part.part for part in self.parts]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - counts and files tell nobody when they change
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(options: MqttSourceOptions, line: Line) -> AsyncIterator[asyncio.Task[None]]:
    """Run a source for a host until the block ends, as the host does: cancelled there, which is a clean stop."""
    opened: asyncio.Event = asyncio.Event()

    async def run() -> None:
        async with open_source(options) as source:
            opened.set()
            await source(line)

    task = asyncio.create_task(run())
    waiting = asyncio.create_task(opened.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_SECONDS)
    waiting.cancel()
    if task.done():
        await task
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class Heard:
    """What a subscriber hears."""

    messages: list[Arrival] = field(default_factory=list)

    def on(self, topic: str) -> list[dict[str, Any]]:
        """Return the documents that came on a topic."""
        return [json.loads(message.payload) for message in self.messages if message.topic == topic]


@asynccontextmanager
async def subscriber(mosquitto: Any, *filters: str, protocol: str = "5") -> AsyncIterator[Heard]:
    """Hear everything, or what some filters cover."""
    heard = Heard()

    def receive(arrival: Arrival) -> None:
        heard.messages.append(arrival)
        session.done(arrival)

    options = reporter_options(mosquitto, protocol=protocol)
    session = Session(options, f"subscriber-{id(heard)}", receive=receive)
    async with connected(options, session):
        keeping = asyncio.create_task(_kept(session))
        await session.listen(filters or ["#"])
        yield heard
        keeping.cancel()


def payload(part: str, **more: Any) -> bytes:
    """Return a part's document."""
    return json.dumps({"part": part, "verdict": "NG"} | more).encode()


def names(documents: Sequence[dict[str, Any]]) -> list[str]:
    return [str(document["part"]) for document in documents]
