"""Each folder under cases/ is one old machine: its options, what it wrote, and what must come of it.

``cases/README.md`` tells what stands in a folder. A bug from the field becomes one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hotfolder_host import Host, Reasons, Watch
from pydantic import ValidationError

from bridge.plugin import Inspection
from bridge_hotfolder import HotfolderOptions
from bridge_hotfolder import listing as listing_module
from bridge_hotfolder.listing import Listing

SOME_LOOKS = 8
"""After so many looks what lies there has been noticed, and is whole where nothing more is to come."""
CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())


def facts(part: Inspection) -> dict[str, object]:
    """Return all that a case may say of a part."""
    return {
        "part": part.part,
        "legacy": part.legacy,
        "legacy_understood": part.legacy_understood,
        "recipe": part.recipe,
        "defect": part.defect,
        "ng_views": part.ng_views,
        "backlog": part.backlog,
        "key": part.key,
        "views": {
            view.name: {
                "legacy": view.legacy,
                "defect": view.defect,
                "tied": view.tied,
                "image": None if view.image is None else view.image.decode(errors="replace").strip(),
            }
            for view in part.views
        },
    }


def holds(found: object, wanted: object) -> bool:
    """Say whether all that is wanted is found; facts that a case leaves out do not matter."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return all(key in found and holds(found[key], value) for key, value in wanted.items())
    return found == wanted


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def mistake_in(chosen: dict[str, object]) -> str | None:
    """Return what is wrong with the options, if anything is."""
    try:
        HotfolderOptions.model_validate({"path": "/aoi", **chosen})
    except ValidationError as exc:
        return str(exc)
    return None


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Count the looks that are taken at the folder."""
    taken: list[None] = []

    def counted(*arguments: Any) -> Listing:
        listing = listing_module.look(*arguments)
        taken.append(None)
        return listing

    monkeypatch.setattr("bridge_hotfolder.source.look", counted)
    return taken


def take(step: Path, folder: Path) -> None:
    """Let the machine do one step: write files, rename some, take some away."""
    for path in sorted(step.rglob("*")):
        target = folder / path.relative_to(step)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif path.suffix == ".gone":
            target.with_suffix("").unlink()
        elif path.suffix == ".renamed":
            target.with_suffix("").replace(target.with_name(os.fsdecode(path.read_bytes().strip())))
        else:
            target.write_bytes(path.read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_from_the_field(
    case: Path, tmp_path: Path, watch: Watch, host: Host, reasons: Reasons, looks: list[None]
) -> None:
    """What the machine wrote becomes exactly the expected parts, and the expected reasons."""
    chosen = tomllib.loads("\n".join(lines(case / "options.toml")))
    wanted = [json.loads(line) for line in lines(case / "expected.jsonl")]
    errors = lines(case / "expected.err")
    if (case / "input").exists():
        shutil.copytree(case / "input", tmp_path / "in", dirs_exist_ok=True)
    if (mistake := mistake_in(chosen)) is not None:
        assert errors
        assert all(error in mistake for error in errors), mistake
        return
    async with watch(**{"image_wait_seconds": 0.05, **chosen}):
        for step in sorted((case / "steps").glob("*")):
            parts = int(step.name.partition("-after-")[2] or 0)
            seen = len(looks) + SOME_LOOKS
            await host.until(lambda: len(looks) >= seen and len(host.parts) + len(reasons()) >= parts)  # noqa: B023 - awaited at once
            await asyncio.to_thread(take, step, tmp_path / "in")
        seen = len(looks) + SOME_LOOKS
        await host.until(lambda: len(host.parts) >= len(wanted) and len(reasons()) >= len(errors))
        await host.until(lambda: len(looks) >= seen)
    found = sorted((facts(part) for part in host.parts), key=lambda part: (str(part["part"]), str(part["key"])))
    assert len(found) == len(wanted), found
    for part, expected in zip(found, wanted, strict=True):
        assert holds(part, expected), part
    assert len(reasons()) == len(errors)
    assert all(any(error in reason for reason in reasons()) for error in errors), reasons()
