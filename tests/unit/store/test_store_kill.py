"""kill -9 at any moment loses no acknowledged part, and no key ever gets two decisions.

Run as a script, this file is the process that is killed: it commits on eight lines for ever and prints what was
acknowledged.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from store_samples import decision

from bridge.store import Journal, Reader, open_journal, schema

LINES = tuple(f"line-{place}" for place in range(8))


async def commit_for_ever(journal: Journal, line: str) -> None:
    place = 0
    while True:
        part = replace(decision(line, key=f"{line} {place}"), id=uuid4().hex)
        answer = await journal.commit(part, ["mes"])
        print(answer.id, answer.key, answer.number, flush=True)  # noqa: T201 - the parent reads it
        place += 1


async def main(folder: Path) -> None:
    async with open_journal(folder) as journal, asyncio.TaskGroup() as lines:
        for line in LINES:
            lines.create_task(commit_for_ever(journal, line), name=line)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_gateway_has_every_part_that_it_acknowledged(tmp_path: Path, seed: int) -> None:
    """Three lives over one folder: each delivers the same keys again, and each is killed in the middle."""
    random_ = random.Random(seed)  # noqa: S311 - where to kill, not a secret
    known: dict[str, tuple[str, int]] = {}
    for life in (1, 2, 3):
        acknowledged = live_and_die(tmp_path, life * random_.randrange(1, 150))
        for id_, key, number in acknowledged:
            assert known.setdefault(key, (id_, number)) == (id_, number)
    parts = {part.id: part for part in Reader(tmp_path).decisions(limit=100_000)}
    assert {id_: parts[id_].number for id_, _ in known.values()} == dict(known.values())
    assert len({(part.line, part.key) for part in parts.values()}) == len(parts)
    queued = {line: sum(part.line == line for part in parts.values()) for line in LINES}
    assert Reader(tmp_path).outbox() == {(line, "mes"): (count, 0) for line, count in queued.items()}
    with closing(sqlite3.connect(tmp_path / schema.FILE)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def live_and_die(folder: Path, parts: int) -> list[tuple[str, str, int]]:
    """Run a gateway until it has acknowledged so many parts, kill it, and return all it acknowledged."""
    with subprocess.Popen(  # stdout is a pipe: what was printed before the kill is all there
        [sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True
    ) as gateway:
        assert gateway.stdout is not None
        lines = [gateway.stdout.readline() for _ in range(parts)]
        gateway.kill()
        lines += gateway.stdout.readlines()
    whole = [line.split(" ") for line in lines if line.endswith("\n")]
    return [(id_, f"{line} {place}", int(number)) for id_, line, place, number in whole]


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
