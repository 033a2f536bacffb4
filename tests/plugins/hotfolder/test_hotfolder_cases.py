"""Each folder under cases/ is one old machine: its options, what it wrote, and what must come of it.

``expected.jsonl`` lists the parts (only the facts that matter to the case), ``expected.err`` the reasons in the
quarantine, or the mistake in the options. A bug from the field becomes a folder.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
from hotfolder_host import Host, Reasons, Watch
from pydantic import ValidationError

from bridge.plugin import Inspection
from bridge_hotfolder import HotfolderOptions

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())


def facts(part: Inspection) -> dict[str, object]:
    """Return all that a case may say of a part."""
    return {
        "part": part.part,
        "legacy": part.legacy,
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_from_the_field(
    case: Path, tmp_path: Path, watch: Watch, host: Host, reasons: Reasons
) -> None:
    """What the machine wrote becomes exactly the expected parts, and the expected reasons."""
    chosen = tomllib.loads("\n".join(lines(case / "options.toml")))
    wanted = [json.loads(line) for line in lines(case / "expected.jsonl")]
    errors = lines(case / "expected.err")
    shutil.copytree(case / "input", tmp_path / "in", dirs_exist_ok=True)
    if (mistake := mistake_in(chosen)) is not None:
        assert errors
        assert all(error in mistake for error in errors), mistake
        return
    async with watch(image_wait_seconds=0.05, **chosen):
        await host.until(lambda: len(host.parts) >= len(wanted) and len(reasons()) >= len(errors))
    found = sorted((facts(part) for part in host.parts), key=lambda part: (str(part["part"]), str(part["key"])))
    assert len(found) == len(wanted), found
    for part, expected in zip(found, wanted, strict=True):
        assert holds(part, expected), part
    assert len(reasons()) == len(errors)
    assert all(any(error in reason for reason in reasons()) for error in errors), reasons()
