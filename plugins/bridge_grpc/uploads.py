"""An upload: the pictures that a part announces, put together from chunks and proved. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

from aoi_bridge.inspection.v1 import inspection_pb2 as pb
from bridge.plugin import Unreadable, short_text

SHA256_BYTES = 32


@dataclass(frozen=True, slots=True)
class Announced:
    """One picture that is to come."""

    view: str
    size_bytes: int
    sha256: bytes


def announced(told: pb.Inspection, max_bytes: int) -> tuple[Announced, ...]:
    """Return the pictures that a part announces; nothing is kept for them before.

    Raises:
        Unreadable: a size or a checksum is none, or they hold more than ``max_bytes`` together.
    """
    found = tuple(
        Announced(short_text("view", view.name) or str(number), view.upload.size_bytes, view.upload.sha256)
        for number, view in enumerate(told.views, start=1)
        if view.WhichOneof("picture") == "upload"
    )
    for picture in found:
        if not picture.size_bytes:
            raise Unreadable(f"view {picture.view}: size_bytes is 0")
        if len(picture.sha256) != SHA256_BYTES:
            raise Unreadable(f"view {picture.view}: sha256 has {len(picture.sha256)} bytes, not {SHA256_BYTES}")
    if (total := sum(picture.size_bytes for picture in found)) > max_bytes:
        raise Unreadable(f"the pictures have {total} bytes, more than {max_bytes}")
    return found


@dataclass
class Assembly:
    """The pictures of one upload, as far as they have come."""

    pictures: tuple[Announced, ...]
    images: list[bytes] = field(default_factory=list)
    """The pictures that are whole and proved, in the order of their views."""
    _begun: BytesIO = field(default_factory=BytesIO)
    """Grows with what comes, and gives it away without a copy; a million chunks of a byte cost a megabyte."""
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def whole(self) -> bool:
        """Whether nothing more is to come."""
        return len(self.images) == len(self.pictures)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes; hashing a big chunk is work for a thread.

        Raises:
            Unreadable: they are more than was announced, or complete a picture that has another checksum.
        """
        if self.whole:
            raise Unreadable("a chunk follows though every announced picture is whole")
        picture = self.pictures[len(self.images)]
        if self._begun.tell() + len(chunk) > picture.size_bytes:
            raise Unreadable(f"view {picture.view}: more than the announced {picture.size_bytes} bytes came")
        self._begun.write(chunk)
        self._hash.update(chunk)
        if self._begun.tell() == picture.size_bytes:
            self._finish(picture)

    def _finish(self, picture: Announced) -> None:
        if self._hash.digest() != picture.sha256:
            raise Unreadable(f"view {picture.view}: the bytes that came do not have the announced SHA-256")
        self.images.append(self._begun.getvalue())
        self._begun, self._hash = BytesIO(), hashlib.sha256()

    def finish(self) -> list[bytes]:
        """Return the pictures.

        Raises:
            Unreadable: something is missing.
        """
        if not self.whole:
            picture = self.pictures[len(self.images)]
            raise Unreadable(f"view {picture.view}: only {self._begun.tell()} of {picture.size_bytes} bytes came")
        return self.images


def chunks(images: Iterator[bytes], size_bytes: int) -> Iterator[bytes]:
    """Cut pictures into chunks, each of one picture; the inspector's side."""
    for image in images:
        for at in range(0, len(image), size_bytes):
            yield image[at : at + size_bytes]
