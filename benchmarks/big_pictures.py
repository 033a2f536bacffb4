"""What a big picture costs on its way in: 8 megapixels and 5 MB, by gRPC, TCP and hot folder.

    python benchmarks/adapters.py --big [--rounds 20]

The time runs from the first byte that leaves the inspector (for the hot folder: from the rename that makes the
result whole) until the MES has the decision; the judge's time, which decodes the picture, is taken off. Beside it,
in turn, the same transport into a receiver that only hashes: a socket into SHA-256 for TCP and gRPC, the file into
SHA-256 for the hot folder. Medians, and the median of the ratios round by round.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from harness import config, tiny_bundle

from bridge.messages import Inspection, Verdict, View
from bridge.plugin import Ledger
from bridge.simulate.factory import free_ports, open_bridge
from bridge.store import Reader
from bridge_grpc.peer import dial_bridge as dial_grpc
from bridge_grpc.peer import upload_messages
from bridge_tcp.codec import write_part
from bridge_tcp.framing import Crlf
from bridge_tcp.len32be import Len32be
from bridge_tcp.peer import dial_bridge, serve_mes

WIDTH, HEIGHT = 3264, 2448
BYTES = 5_000_000
FRAME_BYTES = 64 << 20
WARM = 2
TARGETS = {"tcp": 3.0, "hotfolder": 3.0, "grpc upload": 8.0, "grpc inspect": 8.0}

LINE = """
[[line]]
name = "{name}"
goal = 3
stage = "live"
live_because = "a benchmark"
shadow.guard_share = 0
topology = "inline"
deadline_ms = 5000
judge = "bolts"

[line.source]
type = "{type}"
{source}
[[line.reporter]]
name = "mes"
type = "tcp"
host = "127.0.0.1"
port = {mes}
"""
Send: TypeAlias = Callable[[Inspection], Awaitable[float]]
"""Hands one part over; returns the instant at which its first byte left."""


def big_picture() -> bytes:
    """Return a JPEG of 8 megapixels and about 5 MB."""
    rng = np.random.default_rng(8)
    coarse = rng.integers(0, 256, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    image = cv2.add(smooth, rng.integers(0, 24, smooth.shape, np.uint8))
    for quality in range(98, 10, -1):
        data: bytes = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= BYTES:
            return data
    raise ValueError("no quality gives so few bytes")


async def run(rounds: int) -> dict[str, dict[str, float]]:
    """Return each road's figures."""
    took: dict[str, list[float]] = {}
    bare: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        async with roads(Path(name)) as (sends, mes, journal):
            picture = await asyncio.to_thread(big_picture)
            serials = itertools.count()
            for number in range(WARM + rounds):
                for road, send in sends.items():
                    serial = f"P{next(serials):05d}"
                    image = picture + serial.encode()
                    local = await hashed_locally(road, Path(name), image)
                    milliseconds = await carried(send, serial, image, mes, journal)
                    if number >= WARM:
                        took.setdefault(road, []).append(milliseconds)
                        bare.setdefault(road, []).append(local)
    return {road: figures(took[road], bare[road], TARGETS[road]) for road in took}


def figures(took: list[float], bare: list[float], target: float) -> dict[str, float]:
    """Return the medians, and the median ratio of the rounds with the target it is held against."""
    ratios = [ours / local for ours, local in zip(took, bare, strict=True)]
    return {
        "p50_ms": round(statistics.median(took), 2),
        "only_hashed_p50_ms": round(statistics.median(bare), 2),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_lowest": round(min(ratios), 2),
        "ratio_highest": round(max(ratios), 2),
        "target": target,
    }


async def carried(send: Send, serial: str, image: bytes, mes: Ledger, journal: Reader) -> float:
    """Hand a part over; return the milliseconds until the MES knew, without the judge's."""
    part = Inspection(part=serial, key=serial, legacy=Verdict.OK, views=(View(name="1", image=image),))
    began = await send(part)
    async with asyncio.timeout(30):
        while not (found := [told for told, said in mes.documents.items() if said["part"] == serial]):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    decision = await asyncio.to_thread(journal.decision, found[0])
    assert decision is not None
    assert not decision.failures, decision.failures
    return (mes.told_at[found[0]] - began) * 1000 - decision.judge_ms


async def hashed_locally(road: str, folder: Path, image: bytes) -> float:
    """Return the milliseconds that the same bytes take into a receiver that only hashes."""
    if road != "hotfolder":
        return await through_a_socket(image)
    path = folder / "bare.jpg"
    await asyncio.to_thread(path.write_bytes, image)
    began = time.monotonic()
    await asyncio.to_thread(lambda: hashlib.sha256(path.read_bytes()).digest())
    return (time.monotonic() - began) * 1000


async def through_a_socket(image: bytes) -> float:
    """Send the bytes over loopback to somebody who hashes them and says so."""

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readexactly(len(image))
        writer.write(await asyncio.to_thread(lambda: hashlib.sha256(data).digest()))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(receive, "127.0.0.1", 0, limit=1 << 20) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        began = time.monotonic()
        writer.write(image)
        await writer.drain()
        await reader.readexactly(hashlib.sha256().digest_size)
        took = (time.monotonic() - began) * 1000
        writer.close()
    return took


@asynccontextmanager
async def roads(folder: Path) -> AsyncIterator[tuple[Mapping[str, Send], Ledger, Reader]]:
    """Run the gateway with a line for each road; yield how to send on each, the MES and the journal."""
    tcp, grpc = free_ports(2)
    (folder / "aoi").mkdir()
    async with AsyncExitStack() as stack:
        mes = await stack.enter_async_context(serve_mes(lambda: Crlf(1 << 20)))
        lines = [
            ("tcp", "tcp", f'framing = "len32be"\nmax_frame_bytes = {FRAME_BYTES}\nport = {tcp}\n'),
            ("hotfolder", "hotfolder", f'path = "{folder}/aoi"\ncomplete = "renamed"\n'),
            ("grpc", "grpc", f"port = {grpc}\n"),
        ]
        blocks = [LINE.format(name=name, type=type_, source=text, mes=mes.port) for name, type_, text in lines]
        path = folder / "bridge.toml"
        text = config(blocks, tiny_bundle(folder / "model"))
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        await stack.enter_async_context(open_bridge(path))
        by_tcp = await stack.enter_async_context(dial_bridge("127.0.0.1", tcp, Len32be(FRAME_BYTES)))
        by_grpc = await stack.enter_async_context(dial_grpc(grpc))

        async def send_tcp(part: Inspection) -> float:
            data = by_tcp.framed(*write_part(part))
            began = time.monotonic()
            await by_tcp.send_raw(data)
            return began

        async def send_upload(part: Inspection) -> float:
            messages = list(upload_messages(part))
            began = time.monotonic()
            await by_grpc.raw_upload(iter(messages))
            return began

        async def send_inspect(part: Inspection) -> float:
            began = time.monotonic()
            await by_grpc.inspect(part)
            return began

        async def send_folder(part: Inspection) -> float:
            return await asyncio.to_thread(_leave, folder / "aoi", part)

        sends = {
            "tcp": send_tcp,
            "hotfolder": send_folder,
            "grpc upload": send_upload,
            "grpc inspect": send_inspect,
        }
        yield sends, mes, Reader(folder / "var")


def _leave(folder: Path, part: Inspection) -> float:
    (folder / f"{part.part}.jpg").write_bytes(part.views[0].image or b"")
    result = folder / f"{part.part}.json"
    result.with_suffix(".tmp").write_text(f'{{"part": "{part.part}", "verdict": "OK"}}', encoding="utf-8")
    began = time.monotonic()
    result.with_suffix(".tmp").rename(result)
    return began
