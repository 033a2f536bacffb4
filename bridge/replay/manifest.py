"""What a replay is of, in ``replay.json`` beside its journal: to go on with it, and to defend its numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bridge.durable import replace_text
from bridge.errors import ConfigError

FILE = "replay.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One replay."""

    line: str
    journal: str
    """The data folder that it was read from."""
    bundle: str
    """Name, version and short hash of what judged; empty where only the threshold is another."""
    bundle_folder: str
    threshold: float | None
    """None: those of the configuration."""
    goal: int | None
    """None: that of each part."""
    since: float | None
    """Unix time, None for the beginning."""
    until: float | None
    last: int
    """The highest number that a part had when the replay began; what came later is not part of it."""
    parts: int
    """How many there are."""
    rules: str
    """Short hash of all that the configuration says of the line and that moves verdicts."""
    sample: float
    """The share of agreements of which ``[images]`` keeps pictures; see ``anew``."""
    begun_at: float
    """Unix time."""
    finished_at: float | None = None
    outcome: Mapping[str, Any] = field(default_factory=dict)
    """What ``target.Outcome`` counts, once it is finished."""

    @property
    def terms(self) -> Mapping[str, object]:
        """What must be the same for a command to go on with it."""
        held = ("line", "journal", "bundle", "threshold", "goal", "since", "until", "rules")
        return {name: getattr(self, name) for name in held}


def read(folder: Path) -> Manifest | None:
    """Return the replay that is in a folder, None for none.

    Raises:
        ConfigError: there is something else.
    """
    path = folder / FILE
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:
        raise ConfigError(
            str(path), f"cannot be read ({exc})", "remove the folder, or write another --name"
        ) from exc


def write(folder: Path, manifest: Manifest) -> None:
    """Put it into its folder, in the place of what is there."""
    replace_text(folder / FILE, json.dumps(asdict(manifest), indent=2) + "\n")


def agree(folder: Path, found: Manifest, now: Manifest) -> None:
    """See to it that a command means the replay that was begun in a folder.

    Raises:
        ConfigError: it means another.
    """
    others = [name for name, value in found.terms.items() if now.terms[name] != value]
    if others:
        said = ", ".join(f"{name} {found.terms[name] or 'none'}" for name in others)
        raise ConfigError(str(folder), f"holds another replay ({said})", "write another --name, or remove it")
