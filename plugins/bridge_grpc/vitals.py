"""``grpc.health.v1`` of a line: SERVING while a part would be answered as planned."""

from __future__ import annotations

import asyncio

from grpc_health.v1.health import aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

from bridge.plugin import Host

LOOK_SECONDS = 0.25
"""How old what is said of the line may be."""


class Vitals:
    """Tells how the line stands, under the names of the server (empty), of our service and of the line."""

    def __init__(self, line: Host, service: str) -> None:
        self._line = line
        self._names = dict.fromkeys(("", service, line.name))
        self.servicer = aio.HealthServicer()

    async def keep(self) -> None:
        """Follow the line until cancelled."""
        before: bool | None = None
        while True:
            ready = self._line.ready()
            if ready is not before:
                await self._tell(ready=ready)
                before = ready
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell(self, *, ready: bool) -> None:
        status = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self.servicer.set(name, status)

    async def end(self) -> None:
        """Say NOT_SERVING for good."""
        await self.servicer.enter_graceful_shutdown()
