"""From what a person asks for to a job: which line and span, which judge runs which bundle, under which name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.clock import Clock
from bridge.config import Config, Line
from bridge.config.changes import facts
from bridge.errors import ConfigError
from bridge.judging import bundle, kinds, shelf
from bridge.judging.bundle import Bundle
from bridge.judging.hiring import BundleOptions
from bridge.messages import Goal
from bridge.plugin.discovery import Plugged, find
from bridge.replay import manifest
from bridge.replay.manifest import Manifest
from bridge.replay.run import Job
from bridge.store import Archive, Images, Span

FOLDER = "replays"
"""In the data folder: a data folder for each replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person asks for."""

    line: str
    bundle: str = ""
    """As it is written on a command line; empty: the scores of the journal, at another threshold."""
    threshold: float | None = None
    since: float | None = None
    """Unix time."""
    until: float | None = None
    goal: Goal | None = None
    name: str = ""
    """Of the replay; empty: after line, bundle and threshold."""
    workers: int | None = None
    """None: one for each core."""


def _place(text: str, data: Path) -> str:
    """Return where a bundle lies: a bare name is a model's of the data folder, unless there is such a place."""
    name, ours = text.partition("@")[0], data / "models"
    bare = Path(name).name == name and not Path(name).exists() and (ours / name).is_dir()
    return str(ours / text) if bare else text


def prepared(wanted: Wanted, config: Config, clock: Clock) -> tuple[Job, Manifest, Path]:
    """Return what is to be done, what it is, and the folder that it goes to.

    Raises:
        ConfigError: there is no such line, bundle or part, or the folder holds another replay.
    """
    line = _line(config, wanted.line)
    model = bundle.load(shelf.located(_place(wanted.bundle, config.data))) if wanted.bundle else None
    if model is None and wanted.threshold is None:
        raise ConfigError("replay", "is told neither a bundle nor a threshold", "write --bundle or --threshold")
    folder = config.data / FOLDER / (wanted.name or _named(wanted, model))
    archive, before = Archive(config.data), manifest.read(folder)
    span = Span(line=line.name)
    if wanted.since is not None:
        span = replace(span, since=wanted.since)
    if wanted.until is not None:
        span = replace(span, until=wanted.until)
    parts, last = archive.count(span)
    if not parts:
        raise ConfigError(
            f"line {line.name!r}", f"has no part in {config.data} in this span", "write another span"
        )
    now = Manifest(
        line=line.name,
        journal=str(config.data),
        bundle=model.identity if model else "",
        bundle_folder=str(model.folder) if model else "",
        threshold=wanted.threshold,
        goal=wanted.goal,
        since=wanted.since,
        until=wanted.until,
        last=last,
        parts=parts,
        rules=_rules(config, line),
        sample=config.images.sample,
        begun_at=clock.wall(),
    )
    if before is not None:
        manifest.agree(folder, before, now)
        now = before
    judges, held = _judges(config, line, model)
    job = Job(
        line=line,
        archive=archive,
        span=replace(span, last=now.last),
        images=Images(config.data / "images"),
        judges=judges,
        models=config.data / "models",
        threshold=wanted.threshold,
        judges_held=held,
        goal=wanted.goal,
        workers=wanted.workers or len(os.sched_getaffinity(0)),
        parts=now.parts,
        clock=clock,
        said=f"{now.bundle or 'the scores of the journal'} at {wanted.threshold or 'its threshold'}",
    )
    return job, now, folder


def _line(config: Config, name: str) -> Line:
    for line in config.line:
        if line.name == name:
            return line
    have = ", ".join(line.name for line in config.line)
    raise ConfigError(f"line {name!r}", "is not in the configuration", f"write one of {have}")


def _named(wanted: Wanted, model: Bundle | None) -> str:
    words = [wanted.line]
    if model is not None:
        words += [model.manifest.name, str(model.manifest.version)]
    if wanted.threshold is not None:
        words.append(f"at-{wanted.threshold:g}")
    return "-".join(words)


def _rules(config: Config, line: Line) -> str:
    said = facts(config, {})[line.name]
    held = {key: fact.value for key, fact in said.items() if fact.guarded and key != "stage"}
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:16]


def _judges(config: Config, line: Line, model: Bundle | None) -> tuple[Mapping[str, Plugged], frozenset[str]]:
    """Return the judges of a line on the bundles that they are to run, and those that run the one asked for."""
    mine = {name: config.judge[name] for name in sorted(line.judges())}
    if model is None:
        return {}, frozenset(mine)
    held = set(mine) if len(mine) == 1 else {name for name, one in mine.items() if _runs(one, config, model)}
    if not held:
        raise ConfigError(
            model.identity,
            f"is no version of what the judges {', '.join(mine)} of this line run",
            "write a version of one of their models",
        )
    judges = {name: _alone(_on(one, model) if name in held else one) for name, one in mine.items()}
    return judges, frozenset(held)


def _runs(one: Plugged, config: Config, model: Bundle) -> bool:
    """Return whether a judge runs a version of this bundle's model."""
    if not isinstance(one.options, BundleOptions):
        return False
    return (
        bundle.peek(bundle.locate(config.data / "models", one.options.model)).manifest.name == model.manifest.name
    )


def _on(one: Plugged, model: Bundle) -> Plugged:
    """Return the judge on another bundle; one of another kind has nothing of its options but their limits."""
    options, folder = one.options, str(model.folder)
    if isinstance(options, BundleOptions) and options.kind == model.manifest.kind:
        return replace(one, options=options.model_copy(update={"model": folder}))
    return Plugged(find("judge", model.manifest.kind), kinds.options(model))


def _alone(one: Plugged) -> Plugged:
    """Return the judge on one core: several of them, each on its own, are faster than one on all."""
    if not isinstance(one.options, BundleOptions):
        return one
    return replace(one, options=one.options.model_copy(update={"threads": 1}))
