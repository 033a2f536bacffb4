"""Telling a message that the broker delivers again from one that only looks the same; for parts without a key.

The broker delivers again under the same number and with the DUP flag, so a key of our own choice is remembered
for each number, beside what the message said. The memory is a file, so that it outlives us: who is killed between
committing a part and acknowledging it must know it again. It is not synced: a process may be killed at any moment,
and only a power cut of this very machine can forget.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from bridge.plugin import count
from bridge_mqtt.arrivals import Arrival
from bridge_mqtt.codec import fingerprint

REMEMBERED = 4096
"""So many deliveries are remembered; the broker owes us far fewer at once."""
FILE = "deliveries.jsonl"


class Deliveries:
    """Gives each delivery without a key one, the same when it comes again."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._known: OrderedDict[int, tuple[str, str]] = OrderedDict()
        """Fingerprint and key by the broker's number, the latest last."""
        self._lines = 0
        self._cut = False
        """Whether the file's last line has no end: an earlier run was killed while it wrote."""
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Read what an earlier run remembered; what cannot be read is forgotten."""
        await asyncio.to_thread(self._load)

    async def forget(self) -> None:
        """Forget what a session knew that the broker has lost: it delivers none of that again, and counts anew."""
        self._known.clear()
        async with self._turn:
            try:
                await asyncio.to_thread(self._path.unlink, missing_ok=True)
            except OSError:
                count("deliveries_forgotten")
            self._lines, self._cut = 0, False

    async def key(self, arrival: Arrival) -> str:
        """Return the delivery's key; a new one is remembered on disk before it is returned."""
        content = fingerprint(arrival.topic, arrival.payload)
        known = self._known.get(arrival.mid)
        if arrival.again and known is not None and known[0] == content:
            return known[1]
        key = uuid.uuid4().hex
        if arrival.qos:
            self._remember(arrival.mid, content, key)
            await self._keep([(arrival.mid, content, key)])
        return key

    def _remember(self, mid: int, content: str, key: str) -> None:
        self._known[mid] = (content, key)
        self._known.move_to_end(mid)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _keep(self, entries: Iterable[tuple[int, str, str]]) -> None:
        """Append to the file, or write it anew where it has grown; a full disk only weakens the memory."""
        async with self._turn:
            try:
                if self._lines >= 2 * REMEMBERED:
                    known = [(mid, content, key) for mid, (content, key) in self._known.items()]
                    await asyncio.to_thread(self._write, known)
                else:
                    await asyncio.to_thread(self._append, entries)
            except OSError:
                self._cut = True  # half a line may stand there
                count("deliveries_forgotten")

    def _load(self) -> None:
        try:
            text = self._path.read_text(encoding="ascii")
        except (OSError, ValueError):
            return
        self._cut = not text.endswith("\n")
        for line in text.splitlines():
            self._lines += 1
            try:
                mid, content, key = json.loads(line)
            except ValueError:
                continue  # cut short when an earlier run was killed
            self._remember(mid, content, key)

    def _append(self, entries: Iterable[tuple[int, str, str]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="ascii") as file:
            file.write("\n" if self._cut else "")
            self._cut = False
            for entry in entries:
                file.write(json.dumps(entry) + "\n")
                self._lines += 1

    def _write(self, entries: Iterable[tuple[int, str, str]]) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="ascii")
        fresh.replace(self._path)
        self._lines, self._cut = len(self._known), False
