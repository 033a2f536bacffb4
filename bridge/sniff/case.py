"""A capture as a test case: options, the bytes as they came, and what they are understood as today.

What a source understands today may be wrong: the engineer reads ``expected.jsonl`` and corrects it, and from then
on the case holds the source to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bridge.errors import ConfigError
from bridge.messages import Inspection
from bridge.plugin.discovery import Plugged
from bridge.plugin.sample import toml
from bridge.sniff.capture import Capture
from bridge.sniff.feed import history
from bridge.sniff.replay import Outcome, Row

SAME_MOMENT_SECONDS = 0.05
NOT_A_CASE = {"home", "host", "allow", "tls", "path"}
"""Options that say where a machine stands, and nothing of what it means."""


def connections(capture: Capture) -> Sequence[Capture]:
    """Return a capture for each connection on which the machine said anything: each is a case of its own."""
    if capture.kind == "folder":
        return [capture]
    said = [events for events in capture.connections().values() if any(e.what == "machine" for e in events)]
    return [replace(capture, events=tuple(events)) for events in said]


def write(capture: Capture, plugged: Plugged, outcome: Outcome, folder: Path) -> None:
    """Write one case; blocks on the disk.

    Raises:
        ConfigError: the folder is there already, or cannot be made.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError as exc:
        raise ConfigError(f"--out {folder}", "is there already", "write the name of a new folder") from exc
    except OSError as exc:
        raise ConfigError(f"--out {folder}", f"cannot be made ({exc.strerror})", "write another") from exc
    said = "".join(f"{name} = {toml(value)}\n" for name, value in _options(plugged).items())
    (folder / "options.toml").write_text(said, encoding="utf-8")
    if capture.kind == "tcp":
        data = b"".join(event.data for event in capture.events if event.what == "machine")
        (folder / "input.bin").write_bytes(data)
        expected = [_expected(row) for row in outcome.rows]
    else:
        _files(capture, folder)
        told = [_facts(row.part) for row in outcome.rows if row.part is not None]
        expected = sorted(told, key=lambda said: str(said["part"]))
        reasons = [row.why for row in outcome.rows if row.part is None]
        if reasons:
            (folder / "expected.err").write_text("".join(f"{why}\n" for why in reasons), encoding="utf-8")
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in expected)
    (folder / "expected.jsonl").write_text(lines, encoding="utf-8")


def _options(plugged: Plugged) -> Mapping[str, object]:
    """Return the options that differ from their defaults and belong to the machine, not to the place."""
    options = plugged.options
    said = options.model_dump(exclude=NOT_A_CASE, exclude_defaults=True, mode="json")
    required = {name for name, field in type(options).model_fields.items() if field.is_required()}
    return {name: said[name] for name in said if name not in NOT_A_CASE} | {
        name: getattr(options, name) for name in required - NOT_A_CASE
    }


def _expected(row: Row) -> Mapping[str, object]:
    if row.part is None:
        return {"quarantined": row.why}
    return _facts(row.part)


def _facts(part: Inspection) -> Mapping[str, object]:
    """Return the facts of a part that a case holds; what is empty is left out, a missing verdict is not."""
    said: dict[str, object] = {"part": part.part, "legacy": part.legacy}
    for name in ("recipe", "defect", "ng_views", "sequence", "deadline_ms", "lot", "counter"):
        if value := getattr(part, name):
            said[name] = value
    if not part.legacy_understood:
        said["legacy_understood"] = False
    return said


def _files(capture: Capture, folder: Path) -> None:
    """Write what the machine did, step by step; what it did in one moment to different files is one step."""
    step, done, last = 0, set[str](), float("-inf")
    for event, data in history(capture):
        if event.t - last > SAME_MOMENT_SECONDS or event.path in done or event.before in done:
            step, done = step + 1, set()
        last = event.t
        done |= {event.path, event.before}
        place = folder / "input" if event.how == "there" else folder / "steps" / f"{step:04d}"
        if event.how == "renamed":
            place, stands = place / f"{event.before}.renamed", event.path.rpartition("/")[2].encode()
        else:
            place, stands = place / (f"{event.path}.gone" if event.how == "gone" else event.path), data
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(stands)
