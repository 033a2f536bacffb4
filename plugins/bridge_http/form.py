"""A form as a whole: its texts and its pictures, each bounded while it arrives. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.plugin import Unreadable
from bridge_http.multipart import End, Event, Head, TooLarge

DOCUMENT_BYTES = 1 << 20
"""The longest text of a form, and the longest document."""


@dataclass
class Form:
    """What a form held."""

    max_image_bytes: int
    texts: dict[str, bytes] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    """The pictures by the names of their fields, in the order of arrival."""
    _head: Head | None = None
    _pieces: list[bytes] = field(default_factory=list)
    _size: int = 0

    def take(self, event: Event) -> None:
        """Keep what an event brings.

        Raises:
            TooLarge: the field has more bytes than one may have.
            Unreadable: a field of this name was there before.
        """
        if isinstance(event, Head):
            if event.name in self.texts or event.name in self.images:
                raise Unreadable(f"the field {event.name} is there twice")
            self._head, self._size = event, 0
        elif isinstance(event, bytes):
            self._grow(event)
        elif event is End.FIELD and self._head is not None:
            kept = self.images if self._head.file else self.texts
            kept[self._head.name] = b"".join(self._pieces)
            self._pieces.clear()

    def _grow(self, data: bytes) -> None:
        assert self._head is not None  # noqa: S101 - for the type checker; bytes follow a head
        self._size += len(data)
        most = self.max_image_bytes if self._head.file else DOCUMENT_BYTES
        if self._size > most:
            raise TooLarge(f"the field {self._head.name} has more than {most} bytes")
        self._pieces.append(data)
