"""Which pictures show parts that a person labelled, so that sweeping never removes them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from bridge.errors import BridgeError
from bridge.labels import Label
from bridge.store.labels import labels
from bridge.store.reading import Reader
from bridge.store.words import stored

REFRESH_SECONDS = 60.0
"""So often new labels are looked for, while pictures go."""
AT_ONCE = 10_000


class Labelled:
    """Says which of some pictures a person has labelled; belongs to one thread, and blocks on the disk.

    Where journal or labels cannot be read, what was known before goes on counting. It holds a hash of 32 bytes for
    each picture of a labelled part.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._next = float("-inf")
        self._after = 0
        self._known: set[bytes] = set()

    def __call__(self, digests: Sequence[str]) -> Collection[str]:
        """Return those of the pictures, by their hashes, that show a labelled part."""
        if self._clock() >= self._next:
            self._next = self._clock() + REFRESH_SECONDS
            self._refresh()
        return [digest for digest in digests if bytes.fromhex(digest) in self._known]

    def _refresh(self) -> None:
        reader = Reader(self._folder)
        try:
            while found := labels(self._folder, after=self._after, limit=AT_ONCE):
                for shown in reader.digests(_inspections(reader, found)).values():
                    self._known.update(map(bytes.fromhex, shown))
                self._after = found[-1].number
        except BridgeError:  # the journal is looked at again in a minute
            return


def _inspections(reader: Reader, found: Sequence[Label]) -> set[int]:
    """Return the running numbers of the inspections that labels belong to."""
    named = reader.numbers({bytes.fromhex(label.id) for label in found if label.id})
    return {*named.values(), *_by_serial(reader, [label for label in found if not label.id])}


def _by_serial(reader: Reader, found: Iterable[Label]) -> set[int]:
    """Return the newest inspection of each label's serial number before it was said."""
    by_line: defaultdict[str, list[Label]] = defaultdict(list)
    for label in found:
        by_line[label.line].append(label)
    numbers: set[int] = set()
    for line, said in by_line.items():
        shown: defaultdict[str | bytes, list[tuple[float, int]]] = defaultdict(list)
        for number, part, at in reader.of_serials(line, {stored(label.part) for label in said}):
            shown[part].append((at, number))
        for label in said:
            before = [one for one in shown[stored(label.part)] if one[0] <= label.at]
            numbers.update(number for _, number in sorted(before)[-1:])
    return numbers
