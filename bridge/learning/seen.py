"""What a bundle has seen: per picture the file's hash and the group that it must not be torn from.

``seen.json`` lies in the bundle. Whoever measures or calibrates the bundle leaves out what it was trained on, also
where a picture was renamed (its hash tells) and where only its neighbour was used (its group tells).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from bridge.errors import ConfigError

SEEN: Final = "seen.json"
"""Its name in the bundle."""
USES: Final = ("train", "validation", "calibration")
"""What a picture may have been used for."""
_DIGITS = 16

Known: TypeAlias = tuple[str, str]
"""16 hexadecimal digits of a file's SHA-256, and the picture's group; a picture that is no file has no digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The pictures that a bundle knows, by what they were used for."""

    train: tuple[Known, ...] = ()
    validation: tuple[Known, ...] = ()
    calibration: tuple[Known, ...] = ()
    prints: tuple[Known, ...] = ()
    """Of each picture that was trained on, what its copies are known by (``resemblance``), and its group; bundles
    of earlier versions keep none."""

    def __or__(self, other: Seen) -> Seen:
        """Return what either has seen."""
        return Seen(
            train=tuple({*self.train, *other.train}),
            validation=tuple({*self.validation, *other.validation}),
            calibration=tuple({*self.calibration, *other.calibration}),
            prints=tuple({*self.prints, *other.prints}),
        )

    @property
    def hashes(self) -> frozenset[str]:
        """The files that were used for anything."""
        return frozenset(digits for digits, _ in self._all() if digits)

    @property
    def groups(self) -> frozenset[str]:
        """The groups of which a picture was used for anything."""
        return frozenset(group for _, group in self._all())

    def _all(self) -> Iterable[Known]:
        return (*self.train, *self.validation, *self.calibration)

    def encoded(self) -> bytes:
        """Return the content of ``seen.json``; the same pictures in any order give the same bytes."""
        facts = {name: sorted(getattr(self, name)) for name in (*USES, *(["prints"] * bool(self.prints)))}
        return json.dumps(facts, indent=0, ensure_ascii=False).encode() + b"\n"


def short(sha256: str) -> str:
    """Return as many digits of a file's SHA-256 as are written down; none of a picture that is no file."""
    return sha256[:_DIGITS]


def read(folder: Path) -> Seen:
    """Return what the bundle in this folder has seen; nothing where it does not say, as an imported one.

    Raises:
        ConfigError: the file is there and is not what ``Seen.encoded`` writes.
    """
    path = folder / SEEN
    if not path.is_file():
        return Seen()
    try:
        facts = json.loads(path.read_bytes())
        facts = {"prints": [], **facts}
        pairs = {name: tuple((str(one), str(group)) for one, group in facts[name]) for name in Seen.__slots__}
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(str(path), f"is no list of pictures ({exc})") from exc
    return Seen(**pairs)
