"""aiomqtt's client on the event loop: it can stop reading, and whatever goes wrong ends it at once.

aiomqtt leaves a broken connection to whoever asks next, and reads on whatever may be waiting.
"""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import aiomqtt
from paho.mqtt.client import Client

from bridge.plugin import Unavailable
from bridge_mqtt.paho_edge import cut


class Wire(aiomqtt.Client, ABC):
    """Reads and writes while the loop says that it can; all of it in the loop."""

    _paused = False

    def read_on(self) -> None:
        """Read, or go on reading after ``pause``."""
        self._paused = False
        if (sock := self._client.socket()) is not None:
            self._loop.add_reader(sock.fileno(), self._read)
            if isinstance(sock, ssl.SSLSocket):  # what TLS holds already wakes no reader
                self._loop.call_soon(self._read)

    def pause(self) -> None:
        """Read nothing more until ``read_on``; what comes waits in the network."""
        if not self._paused and (sock := self._client.socket()) is not None:
            self._loop.remove_reader(sock.fileno())
            self._paused = True

    @property
    def paused(self) -> bool:
        """Whether nothing is read."""
        return self._paused

    def cut(self, why: Exception) -> None:
        """End the connection now; nothing that has not left yet leaves any more."""
        self._end(why)
        cut(self._client)

    @abstractmethod
    def _end(self, why: Exception) -> None:
        """Let everybody who waits know that it is over, and why."""

    def _on_socket_open(self, _: Client, __: Any, ___: Any) -> None:
        self.read_on()

    def _on_socket_close(self, _: Client, __: Any, sock: Any) -> None:
        if (number := sock.fileno()) >= 0:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)

    def _on_socket_register_write(self, _: Client, __: Any, sock: Any) -> None:
        self._loop.add_writer(sock.fileno(), self._write)

    def _on_socket_unregister_write(self, _: Client, __: Any, sock: Any) -> None:
        if (number := sock.fileno()) >= 0:
            self._loop.remove_writer(number)

    def _read(self) -> None:
        """Take what has come, or as much of it as there is room for."""
        while not self._paused and (sock := self._client.socket()) is not None:
            self._try(self._client.loop_read)
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                break

    def _write(self) -> None:
        self._try(self._client.loop_write)

    def _try(self, step: Callable[[], object]) -> None:
        """A step of paho's that fails ends the connection; a bug of ours comes out as it is."""
        try:
            step()
        except OSError as exc:
            self.cut(Unavailable(f"the broker is gone: {exc}"))
        except Exception as exc:  # noqa: BLE001 - raised where somebody hears it
            self.cut(exc)
