"""What a user may set on a hot folder; everything but ``path`` has a default that works with most machines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bridge.plugin import CodePage, LabelOptions, LabelPlaces, Options, Seconds, SourceOptions

Format: TypeAlias = Literal["csv", "json", "xml", "ini"]
Text: TypeAlias = Annotated[str, Field(min_length=1)]

_NAMED = {"part", "verdict", "view", "recipe", "defect", "lot", "counter"}
_XML_STEP = r"(?:[\w.-]+|\*)(?:\[(?:@[\w.-]+='[^'\]]*'|[0-9]+)\])?"
_XML_PATH = re.compile(rf"(?:\.|(?:\.//)?{_XML_STEP}(?:/{_XML_STEP})*)?(?:/?@[\w.-]+)?")
_PLACEHOLDER = re.compile(r"\{([^}]*)\}")


def xml_path(path: str) -> bool:
    """Say whether a path is of the kind that is understood: steps, ``[@a='b']``, ``[2]``, ``@attribute``."""
    return bool(path) and _XML_PATH.fullmatch(path) is not None


class Columns(BaseModel):
    """Where the facts stand: a CSV column, a JSON path, an XML path, or an INI section and key."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    part: str = "part"
    """where the serial number or barcode stands"""
    verdict: str = "verdict"
    """where the verdict stands: the part's, or each row's"""
    view: str = "view"
    """where the camera or component of a row stands"""
    view_verdict: str = ""
    """where a row's own verdict stands, if it is not under the name of verdict"""
    image: str = "image"
    """where the path of a row's image stands"""
    defect: str = "defect"
    """where the defect code stands"""
    recipe: str = "recipe"
    """where the product or program name stands"""
    ng_views: str = "ng_views"
    """where the machine's own count of NG views stands"""
    images: str = "images"
    """where the number of images that belong to the part stands (the manifest)"""
    lot: str = ""
    """where the production lot stands"""
    counter: str = ""
    """where the machine's own running number of the part stands"""

    def wanted(self) -> dict[str, str]:
        """Return fact → place, without those that are switched off by an empty place."""
        return {fact: place for fact, place in self if place}


class FolderOptions(Options):
    """One folder, read by polling, whatever its files tell of."""

    path: Path = Field(examples=["/mnt/aoi"])
    """the folder, as this computer sees it"""
    folders: Literal["all", "top"] = "all"
    """all to look into sub-folders too, top for this folder only"""
    poll_seconds: Seconds = 0.25
    """seconds between two looks at the folder"""
    results: tuple[Text, ...] = ("*.json", "*.csv", "*.xml", "*.ini")
    """the names of result files, with * for any text"""
    format: Literal["auto", "csv", "json", "xml", "ini"] = "auto"
    """csv, json, xml or ini; auto goes by the file's suffix"""
    rows: str = "views"
    """where a file's rows stand: a dotted path to a list (JSON), a path to elements (XML), section names (INI)"""
    encoding: CodePage = "utf-8-sig"
    """a code page for result files, for instance utf-8-sig, cp949, cp932, cp936 or cp1252"""
    delimiter: Literal["auto", ",", ";", "\t", "|"] = "auto"
    """the CSV delimiter; auto finds it in the first line"""
    header: Literal["names", "none"] = "names"
    """names if the first CSV line names the columns, none to write columns as numbers from 1"""
    skip_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    """how many lines stand before the CSV header"""
    complete: Literal["stable", "renamed", "flag", "footer", "manifest", "appended"] = "stable"
    """when a file is whole: stable, renamed, flag, footer, manifest, or appended (one growing file)"""
    in_progress: tuple[Text, ...] = (".tmp", ".part", ".partial", ".filepart", ".writing")
    """suffixes of files that are still being written; always left alone"""
    stable_seconds: Seconds = 1.0
    """seconds without a change of size or time after which a file is whole"""
    flag: Text = "{stem}.done"
    """the name of the done-flag file, with {name}, {stem} or {part}"""
    footer: str = ""
    """a pattern for the last line; needed for CSV and INI when complete = footer"""
    give_up_seconds: Seconds = 60.0
    """seconds after its last change at which an incomplete file is handed in short, or quarantined"""
    after: Literal["leave", "delete", "move"] = "leave"
    """leave, delete or move what is done with; the folder must be ours for the last two"""
    move_to: Text = "done"
    """where to move files to: a folder below the hot folder, or an absolute one on the same disk"""
    max_result_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 16 << 20
    """the largest result file in bytes"""
    share_seconds: Seconds = 10.0
    """seconds after which a share that does not answer counts as away"""
    forget_days: Annotated[float, Field(gt=0, le=3650)] = 7.0
    """days for which a vanished file is still remembered"""

    def form_of(self, name: str) -> Format | None:
        """Return the format of a result file, or None where auto knows no such suffix."""
        if self.format != "auto":
            return self.format
        suffix = name.rpartition(".")[2].lower()
        forms: dict[str, Format] = {"csv": "csv", "json": "json", "jsonl": "json", "xml": "xml", "ini": "ini"}
        return forms.get(suffix)

    def places(self) -> dict[str, str]:
        """Return where in a file which fact stands."""
        return {}

    @field_validator("footer")
    @classmethod
    def _valid_footer(cls, value: str) -> str:
        _groups(value)
        return value

    @field_validator("flag")
    @classmethod
    def _flag_placeholders(cls, value: str) -> str:
        return _placeholders(value, {"name", "stem", "part"})

    @model_validator(mode="after")
    def _agree(self) -> Self:
        self._agree_on_reading()
        return self

    def _agree_on_reading(self) -> None:
        if self.complete == "appended":
            self._agree_on_appended()
        elif self.complete == "footer":
            self._agree_on_footer()
        if self.format == "xml":
            self._agree_on_xml()

    def _agree_on_appended(self) -> None:
        if len("\n".encode(self.encoding.replace("-sig", ""))) != 1:
            raise ValueError(f'complete = "appended" cannot split lines of {self.encoding}')
        if self.format in ("xml", "ini"):
            raise ValueError(f'complete = "appended" reads csv or json lines, not {self.format}')

    def _agree_on_footer(self) -> None:
        open_ended = [name for name in self.results if self.form_of(name) not in ("json", "xml")]
        if open_ended and not self.footer:
            raise ValueError(
                f'complete = "footer" needs a footer for {open_ended[0]}: write footer, or results = ["*.json"]'
            )

    def _agree_on_xml(self) -> None:
        places = [*self.places().values(), *filter(None, [self.rows])]
        if wrong := [place for place in places if not xml_path(place)]:
            raise ValueError(f"{wrong[0]} is not a path such as board/part, part/@serial or .//item")


class HotfolderOptions(FolderOptions, SourceOptions):
    """One folder into which an old inspector writes, read by polling."""

    verdict_in: Literal["result", "name"] = "result"
    """result for result files, name for a verdict in the name of the image or of its folder"""
    columns: Columns = Columns()
    """where the facts stand in a result file, as {part = "Barcode", verdict = "Result"}"""
    row: Literal["view", "part"] = "view"
    """view if the rows of one serial number are its views, part if every row is a part of its own"""
    pattern: str = ""
    """a pattern on the path below the folder with named groups part, verdict, view, recipe, defect, lot,
    counter"""
    ok_words: tuple[Text, ...] = ("OK", "PASS", "GOOD")
    """the words that mean OK, upper or lower case; nothing else ever does"""
    ng_words: tuple[Text, ...] = ("NG", "FAIL", "BAD")
    """the words that mean NG"""
    views: tuple[Text, ...] = ()
    """the views that every part has, as in their image names"""
    images: tuple[Text, ...] = ()
    """image names beside a result that names none, with {stem}, {part}, {view} and *"""
    images_per_part: Annotated[int, Field(ge=1, le=10_000)] = 1
    """how many images make a part where the verdict is in the name (views overrides it)"""
    image_suffixes: tuple[Text, ...] = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
    """the suffixes of images, in lower case"""
    image_paths: Literal["result", "root"] = "result"
    """whether image paths in a result start at the result's own folder or at the root of the hot folder"""
    path_prefix: dict[str, str] = Field(default={})
    """prefixes of image paths and what they are here, as {'D:\\AOI\\img' = "/mnt/aoi/img"}"""
    image_wait_seconds: Seconds = 5.0
    """seconds to wait for an image that comes later than the rest"""
    in_flight: Annotated[int, Field(ge=1, le=256)] = 4
    """how many parts may be under way at once"""
    fetch_above_views: Annotated[int, Field(ge=0, le=100_000)] = 16
    """parts with more views than this bring their images only when they are asked for"""
    max_image_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 64 << 20
    """the largest image in bytes"""

    def templates(self) -> tuple[str, ...]:
        """Return the names of images beside a result, with the default that suits ``views``."""
        return self.images or (("{stem}_{view}.*",) if self.views else ("{stem}.*",))

    def places(self) -> dict[str, str]:
        """Return where in a result file which fact stands."""
        return self.columns.wanted()

    @field_validator("pattern")
    @classmethod
    def _valid_pattern(cls, value: str) -> str:
        if unknown := _groups(value) - _NAMED:
            raise ValueError(f"names the unknown group {min(unknown)}; known are {', '.join(sorted(_NAMED))}")
        return value

    @field_validator("images")
    @classmethod
    def _image_placeholders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for template in value:
            folder = _placeholders(template, {"stem", "part", "view"}).replace("\\", "/").rpartition("/")[0]
            if "*" in folder or "{view}" in folder:
                raise ValueError(f"{template} has * or {{view}} in a folder; write them in the file name only")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        both = {word.strip().casefold() for word in self.ok_words} & {
            word.strip().casefold() for word in self.ng_words
        }
        if both:
            raise ValueError(f"{min(both)!r} is in both ok_words and ng_words")
        if self.verdict_in == "name":
            self._agree_on_names()
        self._agree_on_reading()
        return self

    def _agree_on_names(self) -> None:
        if "verdict" not in re.compile(self.pattern).groupindex:
            raise ValueError('verdict_in = "name" needs a pattern with a group (?P<verdict>…)')
        if self.complete not in ("stable", "renamed", "flag"):
            raise ValueError(f'complete = "{self.complete}" needs result files, but verdict_in is "name"')


class HotfolderLabelOptions(FolderOptions, LabelOptions):
    """A folder into which a repair or verification station drops what people said of parts."""

    path: Path = Field(examples=["/mnt/repair"])
    """the folder, as this computer sees it"""
    rows: str = "labels"
    """where a file's rows stand: a dotted path to a list (JSON), a path to elements (XML), section names (INI)"""
    complete: Literal["stable", "renamed", "flag", "footer", "appended"] = "stable"
    """when a file is whole: stable, renamed, flag, footer, or appended (one growing file)"""
    columns: LabelPlaces = LabelPlaces()
    """where the facts stand in a file, as {part = "Barcode", verdict = "Result", who = "Operator"}"""

    def places(self) -> dict[str, str]:
        """Return where in a file which fact stands."""
        return self.columns.wanted()

    def folder(self) -> HotfolderOptions:
        """Return the same folder as the one of a source, each row of whose files stands for itself."""
        told = {name: getattr(self, name) for name in FolderOptions.model_fields}
        return HotfolderOptions.model_construct(**told, row="part")


def _groups(pattern: str) -> set[str]:
    try:
        return set(re.compile(pattern).groupindex)
    except re.error as exc:
        raise ValueError(f"is not a pattern ({exc})") from exc


def _placeholders(template: str, known: set[str]) -> str:
    """Check that a template uses known placeholders only."""
    if unknown := set(_PLACEHOLDER.findall(template)) - known:
        allowed = ", ".join(f"{{{name}}}" for name in sorted(known))
        raise ValueError(f"{template} has the unknown placeholder {{{min(unknown)}}}; known are {allowed}")
    return template
