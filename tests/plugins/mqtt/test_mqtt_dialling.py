"""Dialling a broker, and leaving before somebody answers."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from bridge_mqtt import dialling
from bridge_mqtt.options import BrokerOptions


async def test_a_refusal_that_comes_after_we_have_left_is_nobody_s_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dials, answer = threading.Event(), threading.Event()

    def refused(*_: object) -> Any:
        dials.set()
        answer.wait(10)
        raise ConnectionRefusedError

    monkeypatch.setattr(dialling, "_dial", refused)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    waiting = asyncio.create_task(
        dialling.dialled(BrokerOptions(host="127.0.0.1", site="s", area="a", line="l", station="p"), None)
    )
    await asyncio.to_thread(dials.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    answer.set()
    for thread in threading.enumerate():
        if thread.name.startswith("mqtt-dial"):
            await asyncio.to_thread(thread.join, 10)
    await asyncio.sleep(0)
    del waiting
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
