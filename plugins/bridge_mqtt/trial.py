"""How the contract kit sets the MQTT plugins up: with a Mosquitto of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bridge.plugin import ConfigError, Place, Trial

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
START_SECONDS = 10.0
POLL_SECONDS = 0.01
SETTINGS = "listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n"


@asynccontextmanager
async def broker(place: Place) -> AsyncIterator[None]:
    """Run a broker that keeps nothing on its disk.

    Raises:
        ConfigError: Mosquitto is not installed.
    """
    if MOSQUITTO is None:
        raise ConfigError("mosquitto", "is not installed, and a broker stands between the two sides", "install it")
    settings = place.folder / "mosquitto.conf"
    await asyncio.to_thread(settings.write_text, SETTINGS.format(port=place.port), "ascii")
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(MOSQUITTO, "-c", str(settings), stdout=silent, stderr=silent)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(place.port):  # noqa: ASYNC110 - another process says nothing when it listens
                await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _station(place: Place) -> dict[str, object]:
    here = {"host": "127.0.0.1", "port": place.port, "site": "plant", "area": "smt", "line": "l3"}
    return {**here, "dial_timeout_seconds": 2}


PARTS = Trial(
    options=lambda place: (
        _station(place)
        | {"images": place.folder, "image_poll_ms": 5, "answer_topic": "v1/plant/smt/l3/inspector/answer"}
    ),
    road="dials",
    around=broker,
    under_way=33,
)
"""Parts that are answered, pictures on the share."""

RESULTS = Trial(
    options=lambda place: _station(place) | {"ack_topic": "v1/plant/smt/l3/aoi/ack", "ack_timeout_seconds": 1},
    road="dials",
    around=broker,
)
"""Results that the MES itself acknowledges."""
