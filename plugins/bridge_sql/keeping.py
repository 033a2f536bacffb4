"""The file in which a position survives: written whole and renamed, so that no crash leaves half of one."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from bridge.plugin import ConfigError, count, logger
from bridge_sql.position import Position, read, written

SAVE_SECONDS = 0.5
"""A crash costs what was done in this time: it is offered again, under the same keys."""


@dataclass
class Keeper:
    """Keeps the position in one table."""

    file: Path
    table: str
    """Which table it is, in words: a position of another one is not believed."""
    position: Position = field(default_factory=lambda: Position(0))
    _saved: str = ""
    _writing: threading.Lock = field(default_factory=threading.Lock)
    """Whoever was cancelled may have left a thread that still writes."""

    def load(self, settle_seconds: float) -> bool:
        """Take up the position that was kept; return whether there was one of this table. Blocks on the disk.

        Raises:
            ConfigError: it cannot be read.
        """
        try:
            table, kept = read(self.file.read_text(encoding="utf-8"), settle_seconds)
        except FileNotFoundError:
            self.position = Position(settle_seconds)
            return False
        except (OSError, ValueError) as exc:
            found = f"does not tell how far the table was read ({exc})"
            raise ConfigError(str(self.file), found, "move it away to begin as at the first start") from exc
        if table == self.table:
            self.position = kept
            return True
        count("another_table")
        logger().error("the position kept is of another table, so we begin anew", kept=table, now=self.table)
        self.position = Position(settle_seconds, generation=kept.generation + 1)
        return False

    async def save(self) -> None:
        """Write the position if it has changed.

        Raises:
            OSError: it cannot be written.
        """
        text = written(self.position, self.table)
        if text != self._saved:
            await asyncio.to_thread(self._write, text)
            self._saved = text

    def _write(self, text: str) -> None:
        with self._writing:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            beside = self.file.with_suffix(".new")
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.file)

    async def keep(self) -> None:
        """Save again and again until cancelled; a full disk stops nothing."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self.try_to_save()

    async def try_to_save(self) -> None:
        """Save; where that fails, the same rows are offered again after a restart."""
        try:
            await self.save()
        except OSError as exc:
            count("position_unwritten")
            logger().error("the position cannot be written", file=str(self.file), reason=exc.strerror)
