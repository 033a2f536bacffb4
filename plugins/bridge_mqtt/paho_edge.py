"""What paho, below aiomqtt, has no setting for: a socket dialled elsewhere, bounded reading, a hard close.

The four reach into paho's own names, here and nowhere else; a test holds that they are still there.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import MQTTErrorCode

CHUNK_BYTES = 1 << 16
"""How much is read at once: paho asks for a whole message, up to 256 MiB, before its first byte has come."""
_QOS, _NO_PROPERTIES = 0x06, b"\0"
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: what the system has not sent yet is thrown away on closing."""


def lend_socket(client: Client, dialled: socket.socket) -> None:
    """Have the next ``connect`` take this connection, so that it neither blocks nor looks up a name."""
    client._create_socket = lambda: dialled  # type: ignore[method-assign]  # noqa: SLF001 - see above


def bound_reading(client: Client, most: int) -> None:
    """Keep only about so many bytes of a message, however many come; the rest is read and thrown away."""
    receive = client._sock_recv  # noqa: SLF001 - see above

    def bounded(size: int) -> bytes:
        del client._in_packet["packet"][most:]  # noqa: SLF001 - see above
        return receive(min(size, CHUNK_BYTES))

    client._sock_recv = bounded  # type: ignore[method-assign, assignment]  # noqa: SLF001 - see above
    if client.protocol == MQTTv5:
        _read_cut_messages(client, most)


def _read_cut_messages(client: Client, most: int) -> None:
    """Read a message that was cut though its properties were cut too: it would break every connection anew."""
    handle = client._handle_publish  # noqa: SLF001 - see above

    def handled() -> MQTTErrorCode:
        read = client._in_packet  # noqa: SLF001 - see above
        if read["remaining_length"] > most:
            packet = read["packet"]
            head = 2 + int.from_bytes(packet[:2], "big") + (2 if read["command"] & _QOS else 0)
            read["packet"] = packet[:head] + _NO_PROPERTIES + packet[head:]
        return handle()

    client._handle_publish = handled  # type: ignore[method-assign]  # noqa: SLF001 - see above


def cut(client: Client) -> None:
    """Close the connection now; nothing that was not sent yet leaves any more, out of paho or the system."""
    dialled = client.socket()
    if isinstance(dialled, socket.socket):
        with suppress(OSError):
            dialled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    client._sock_close()  # noqa: SLF001 - see above
