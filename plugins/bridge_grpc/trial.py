"""How the contract kit sets the gRPC plugins up."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc

from bridge.plugin import Trial
from bridge_grpc.wire import hold_poller


async def _hold_poller() -> None:
    hold_poller()


# What gRPC opens once for the process is there before a plugin could be blamed for it. It wants a loop to start
# in, and whoever loads this may have one, or have closed it: so it gets its own.
with ThreadPoolExecutor(1) as _elsewhere:
    _elsewhere.submit(asyncio.run, _hold_poller()).result()
_KEPT = grpc.server(ThreadPoolExecutor(1))
_KEPT.add_insecure_port("127.0.0.1:0")

CALLS = Trial(
    options=lambda place: {"port": place.port, "client_ping_seconds": 1},
    road="listens",
    under_way=16,
)

REPORTS = Trial(
    options=lambda place: {
        "host": "127.0.0.1",
        "port": place.port,
        "dial_timeout_seconds": 1,
        "ack_timeout_seconds": 1,
        "probe_seconds": 1,
    },
    road="dials",
)
