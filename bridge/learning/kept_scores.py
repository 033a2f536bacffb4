"""What was judged already: scores that outlive an interruption, so that the same command goes on where it was.

One file for each bundle, temperature and version of the engine, in the user's own cache; a line for each picture,
by its bytes and its view. It is gone once all is judged: no figure rests on scores that somebody left behind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from bridge.judging.bundle import Bundle

Key: TypeAlias = tuple[str, str]
"""The SHA-256 of the picture's bytes, and its view."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the bundle said of one picture."""

    score: float | None
    row: tuple[float, ...] = ()
    """The probabilities; empty where it could not be judged."""
    why: str = ""
    """Why it could not."""


class KeptScores:
    """The scores of one bundle at one temperature."""

    def __init__(self, model: Bundle, temperature: float) -> None:
        """Read what is there; a line that was cut short counts as missing."""
        short = model.identity.rpartition(" ")[2]
        self._path = folder() / f"{short} {temperature!r} openvino {version('openvino')}.jsonl"
        self._known: Mapping[Key, Said] = dict(_read(self._path))

    def of(self, keys: Iterable[Key]) -> list[Said] | None:
        """Return what was said of all of these; None if any is missing.

        A batch is judged as a whole or not at all: in another company a score's last digit may change.
        """
        found = [self._known.get(key) for key in keys]
        return None if None in found else [one for one in found if one is not None]

    def keep(self, keys: Iterable[Key], said: Iterable[Said]) -> None:
        """Add these; quietly nothing where the disk refuses."""
        lines = "".join(
            json.dumps({"key": key, "score": one.score, "row": one.row, "why": one.why}) + "\n"
            for key, one in zip(keys, said, strict=True)
        )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(lines)
        except OSError:
            return

    def forget(self) -> None:
        """Remove the file: all is judged."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def folder() -> Path:
    """Return where scores are kept, after the XDG Base Directory Specification."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "aoi-bridge" / "scores"


def _read(path: Path) -> Iterable[tuple[Key, Said]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        try:
            yield _line(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue


def _line(facts: dict[str, Any]) -> tuple[Key, Said]:
    digest, view = facts["key"]
    score = facts["score"]
    row = tuple(map(float, facts["row"]))
    return (str(digest), str(view)), Said(None if score is None else float(score), row, str(facts["why"]))
