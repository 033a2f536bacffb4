"""The other side: an old inspector that writes its pictures and results into a folder.

It writes as such machines do: in pieces, images first or last, with each of the ways to say that a file is
whole. Used by the simulators, the demo and the tests; ``settings()`` is what a hot folder needs to read it.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias
from xml.etree import ElementTree as ET

from bridge.plugin import ConfigError, Habits, Inspection, Mood, Play, moody, with_habits
from bridge_hotfolder.habits import AOI_HABITS, Hand
from bridge_hotfolder.options import HotfolderOptions

Style: TypeAlias = Literal["stable", "renamed", "flag", "footer", "manifest", "appended", "name"]
Form: TypeAlias = Literal["json", "csv", "xml", "ini"]

_FOOTER = {"csv": "#END", "ini": ";END"}
_CSV_COLUMNS = ("part", "verdict", "recipe", "defect", "view", "image")


class FolderAoi:
    """An old inspector that hands over through a folder.

    Args:
        folder: where to write; made if it is not there.
        style: how it says that a file is whole; ``name`` writes images only, the verdict in their folder.
        form: the form of its result files; appended files are CSV or JSON lines.
        pause: seconds between the two halves of a file that is not renamed when whole.
        views: how many views each part has, for ``settings()`` of the style ``name``.
        encoding: the code page of its result files.
        habits: its bad habits.
    """

    def __init__(
        self,
        folder: Path,
        style: Style = "renamed",
        *,
        form: Form = "json",
        pause: float = 0.0,
        views: int = 1,
        encoding: str = "utf-8",
        habits: Habits = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.style = style
        self.form = form
        self._pause = pause
        self._views = views
        self._made = 0
        self._encoding = encoding.removesuffix("-sig")
        self._hand = Hand(folder, Mood(habits))

    def settings(self) -> dict[str, object]:
        """Return the options of a hot folder that reads this machine, ready for a configuration file."""
        found: dict[str, object] = {"path": str(self.folder), "complete": self.style}
        if self.style == "name":
            pattern = r"(?P<verdict>OK|NG)/(?P<part>.+)_(?P<view>[^_]+)\.\w+$"
            found |= {"complete": "renamed", "verdict_in": "name", "pattern": pattern}
            return found | {"images_per_part": self._views}
        found["results"] = [f"*.{self.form}"]
        if self.style == "footer" and self.form in _FOOTER:
            found["footer"] = f"^{_FOOTER[self.form]}$"
        if self.style == "appended":
            found |= {"results": ["results.*"], "format": self.form}
        if self.form == "xml":
            found |= {"rows": "views/view", "columns": {name: f"@{name}" for name in ("view", "image")}}
        if self.form == "ini":
            found["rows"] = "view *"
        return found

    async def put(
        self,
        *,
        part: str,
        verdict: str,
        views: Mapping[str, bytes],
        recipe: str = "",
        defect: str = "",
        view_verdicts: Mapping[str, str] | None = None,
    ) -> Path:
        """Inspect one part: write its pictures and its result; return the file that tells of it.

        Words go out as they are given, so that a machine with its own words, or a faulty one, can be played.
        """
        async with self._hand.turn:
            await self._hand.vanish()
            self._made += 1
            stem = re.sub(r"[^\w.-]", "-", part) or f"{self._made:06d}"
            below = f"{verdict}/" if self.style == "name" and verdict else ""
            names = {view: f"{below}{stem}_{view}{_suffix(image)}" for view, image in views.items()}
            images = [(names[view], image) for view, image in views.items()]
            race = self._hand.habits.get("race") if self.style != "name" else None
            if self.style != "manifest" and race is None:
                await self._images(images)
            if self.style == "name":
                return self._hand.place / names[next(iter(names))]
            told = _told(
                part, verdict, recipe, defect, {v: (names[v], (view_verdicts or {}).get(v, "")) for v in names}
            )
            path = await self._result(stem, told)
            if self.style == "manifest" or race is not None:
                await asyncio.sleep(race or 0)
                await self._images(images)
            return path

    async def close(self) -> None:
        """End; a share that has vanished comes back."""
        await self._hand.close()

    async def _images(self, images: list[tuple[str, bytes]]) -> None:
        for name, image in images:
            await self._hand.picture(self._hand.place / name, image, renamed=self.style == "name")

    async def _result(self, stem: str, told: dict[str, object]) -> Path:
        if self.style == "appended":
            return await self._append(told)
        path = self._hand.place / f"{stem}.{self.form}"
        data = self._document(told).encode(self._encoding)
        if self.style == "renamed":
            await self._hand.write_renamed(path, data)
        else:
            await self._write_slowly(path, data)
        await self._hand.wrote(path)
        if self.style == "flag":
            await self._hand.write_renamed(path.with_suffix(".done"), b"")
        return path

    async def _append(self, told: dict[str, object]) -> Path:
        path = self._hand.place / ("results.csv" if self.form == "csv" else "results.jsonl")
        if self.form == "csv":
            lines = _csv(told).splitlines(keepends=True)
            text = "".join(lines[1:] if await asyncio.to_thread(path.exists) else lines)
        else:
            text = json.dumps(told, ensure_ascii=False) + "\n"
        await self._write_slowly(path, text.encode(self._encoding), mode="ab")
        return path

    async def _write_slowly(self, path: Path, data: bytes, mode: Literal["wb", "ab"] = "wb") -> None:
        half = len(data) // 2
        await self._hand.write(path, data[:half], mode)
        await asyncio.sleep(self._pause)
        await self._hand.write(path, data[half:], "ab")

    def _document(self, told: dict[str, object]) -> str:
        documents = {"json": _json, "csv": _csv, "xml": _xml, "ini": _ini}
        footer = _FOOTER.get(self.form, "") if self.style == "footer" else ""
        declared = f'<?xml version="1.0" encoding="{self._encoding}"?>\n' if self.form == "xml" else ""
        return declared + documents[self.form](told) + (f"{footer}\n" if footer else "")


@with_habits(AOI_HABITS)
@asynccontextmanager
async def open_inspector(options: HotfolderOptions, habits: Habits) -> AsyncIterator[Play]:
    """Be an inspector that writes into the folder of these options, in the way they expect.

    It keeps to its own names of columns, so options that rename them are refused rather than played wrongly.

    Raises:
        ConfigError: the options describe a machine that this simulator does not play.
    """
    style: Style = "name" if options.verdict_in == "name" else options.complete
    form: Form = "json" if options.format == "auto" else options.format
    views, page = options.images_per_part, options.encoding
    aoi = FolderAoi(options.path, style, form=form, views=views, encoding=page, habits=habits)
    if options.columns != HotfolderOptions(path=options.path).columns:
        raise ConfigError(
            "columns", "differ from what the simulated inspector writes", "leave them out to simulate"
        )
    await asyncio.to_thread(options.path.mkdir, parents=True, exist_ok=True)

    async def play(part: Inspection) -> None:
        words = {view.name: str(view.legacy or "") for view in part.views}
        await aoi.put(
            part=part.part,
            verdict=str(part.legacy or ""),
            views={view.name: view.image for view in part.views if view.image is not None},
            recipe=part.recipe,
            defect=part.defect,
            view_verdicts=words,
        )

    try:
        async with moody(play, habits, page) as machine:
            yield machine
    finally:
        await aoi.close()


def _told(
    part: str, verdict: str, recipe: str, defect: str, views: Mapping[str, tuple[str, str]]
) -> dict[str, object]:
    rows = [{"view": view, "image": image, "verdict": word} for view, (image, word) in views.items()]
    return {
        "part": part,
        "verdict": verdict,
        "recipe": recipe,
        "defect": defect,
        "images": len(rows),
        "views": [{key: text for key, text in row.items() if text} for row in rows],
    }


def _json(told: dict[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _csv(told: dict[str, object]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_CSV_COLUMNS)
    for row in _rows(told) or [{}]:
        writer.writerow([row.get(column) or told.get(column, "") for column in _CSV_COLUMNS])
    return out.getvalue()


def _xml(told: dict[str, object]) -> str:
    root = ET.Element("inspection")
    for key, value in told.items():
        if key != "views":
            ET.SubElement(root, key).text = str(value)
    views = ET.SubElement(root, "views")
    for row in _rows(told):
        verdict = row.pop("verdict", "")
        element = ET.SubElement(views, "view", row)
        if verdict:
            ET.SubElement(element, "verdict").text = verdict
    return ET.tostring(root, encoding="unicode") + "\n"


def _ini(told: dict[str, object]) -> str:
    lines = ["[inspection]", *(f"{key} = {value}" for key, value in told.items() if key != "views")]
    for row in _rows(told):
        lines += ["", f"[view {row['view']}]", *(f"{key} = {value}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def _rows(told: dict[str, object]) -> list[dict[str, str]]:
    rows = told["views"]
    return [dict(row) for row in rows] if isinstance(rows, list) else []


def _suffix(image: bytes) -> str:
    if image.startswith(b"\x89PNG"):
        return ".png"
    return ".bmp" if image.startswith(b"BM") else ".jpg"
