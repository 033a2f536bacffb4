"""The label road: what people at a station said, in files dropped into a folder or in one that grows.

A file is remembered only once its labels are on the disk. A row that is not understood is no label: the file goes
into the quarantine with every such row's reason, and its other rows count.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bridge.plugin import Label, LabelRoad, Tell, Unreadable, as_key, count, read_label
from bridge_hotfolder.assembly import Unfit, read_whole
from bridge_hotfolder.codec import line_header
from bridge_hotfolder.completion import Candidate
from bridge_hotfolder.formats import ParseError, Row, csv_line, decode, read_rows
from bridge_hotfolder.keeping import Keeper, key_of
from bridge_hotfolder.listing import Listing
from bridge_hotfolder.options import HotfolderLabelOptions
from bridge_hotfolder.seen import Seen
from bridge_hotfolder.source import open_folder
from bridge_hotfolder.tail import Line

__all__ = ["HotfolderLabelOptions", "open_labels"]

REASONS = 20
"""So many rows are explained in the quarantine; of the rest there is the number."""


@asynccontextmanager
async def open_labels(options: HotfolderLabelOptions) -> AsyncIterator[LabelRoad]:
    """Open a hot folder of labels.

    Raises:
        ConfigError: if the path is there and no folder.
        Unavailable: if it is away.
    """
    async with open_folder(options.folder()) as (folder, seen):

        async def run(tell: Tell) -> None:
            await folder.present(LabelPresenter(options, seen, tell))

        yield run


class LabelPresenter(Keeper):
    """Turns what is whole into labels that are told."""

    def __init__(self, options: HotfolderLabelOptions, seen: Seen, tell: Tell) -> None:
        super().__init__(options.folder(), seen)
        self._told = options
        self._tell = tell

    async def candidate(self, candidate: Candidate, listing: Listing) -> bool:
        """Tell the labels of one file.

        Raises:
            ChangedError: if it is not whole yet after all.
            Unavailable: if the share does not answer, or the labels cannot be written down.
            OSError: if it cannot be read now.
        """
        del listing
        try:
            data = await self.off_loop(partial(read_whole, candidate, self.options))
            digest = hashlib.sha256(data).digest()
            if not (candidate.touched and digest == self.known_digest(candidate)):
                await self._take(data, candidate)
        except Unfit as exc:
            await self.unfit(candidate, exc)
            return True
        await self.mark(candidate, digest)
        await self.clear_up(candidate)
        return True

    async def line(self, line: Line, listing: Listing) -> bool:
        """Tell the label of one appended line; raises Unavailable where it cannot be written down."""
        del listing
        try:
            label = self._label(self._row(line), time.time(), line.key)
        except (ParseError, Unreadable) as exc:
            count("label_unreadable")
            await self.set_aside(line.data, str(exc), f"{line.path} at byte {line.start}")
            return True
        await self._tell([label])
        return True

    async def _take(self, data: bytes, candidate: Candidate) -> None:
        rows = self._rows(data, candidate.path)
        written_at = min(candidate.files[0][1].mtime_ns / 1e9, time.time())
        labels, wrong = [], []
        for number, row in enumerate(rows, start=1):
            try:
                labels.append(self._label(row, written_at, f"{key_of(candidate)}#{number}"))
            except Unreadable as exc:
                wrong.append(f"row {number}: {exc}")
        await self._tell(labels)
        if wrong:
            count("label_unreadable", len(wrong))
            more = [f"and {len(wrong) - REASONS} more"] if len(wrong) > REASONS else []
            await self.set_aside(data, "; ".join(wrong[:REASONS] + more), candidate.path)

    def _rows(self, data: bytes, path: str) -> Sequence[Row]:
        form = self._told.form_of(path)
        if form is None:
            raise Unfit("has a suffix of no known form; set format", data)
        try:
            return read_rows(data, form, self._told)
        except ParseError as exc:
            raise Unfit(str(exc), data) from exc

    def _row(self, line: Line) -> Row:
        if line.header is None:
            return read_rows(line.data, "json", self._told)[0]
        header = line_header(line.header, self._told)
        return csv_line(decode(line.data, self._told.encoding).strip("\r\n"), header)

    def _label(self, row: Row, now: float, key: str) -> Label:
        facts = {**row.whole, **row.own}
        return read_label(facts, self._told, now, as_key(facts) or key)
