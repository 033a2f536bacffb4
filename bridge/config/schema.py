"""The schema of bridge.toml. A field's docstring starts with what to write: it is error text, sample and page.

``home`` of a plugin cannot be written in the file: the host gives every plugin its own folder.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from bridge.config.section import Section
from bridge.config.shadow import Shadow
from bridge.goals import NO_CODE, Rules
from bridge.messages import Goal, Stage
from bridge.plugin.discovery import AnyJudge, AnyLabels, AnyReporter, AnySource, Plugged
from bridge.plugin.options import BoxOptions, Milliseconds, Name
from bridge.plugin.tls import Network, ServerTls

Views = Annotated[int, Field(ge=1, le=100_000)]
Threshold = Annotated[float, Field(gt=0)]  # from 0 on every view would be OK
Rois = Annotated[dict[str, BoxOptions], Field(min_length=1)]
_EVERY_VIEW = {"*": {"cx": 320, "cy": 240, "w": 400, "h": 400}}


def _number(value: object) -> object:
    if isinstance(value, bool):  # true equals 1, and would be taken for goal 1
        raise PydanticCustomError("literal_error", "is no number")
    return value


class Recipe(Section):
    """One product on a line; whatever is left out is as the line says."""

    judge: Name | None = Field(default=None, examples=["pins-m10"])
    """the name of a [judge.NAME] table"""
    threshold: Threshold | None = Field(default=None, examples=[0.5])
    """the operating point, in the score of the judge (p(OK) of a classifier, 1 - its surest box of a detector)"""
    roi: Rois | None = Field(default=None, examples=[_EVERY_VIEW])
    """a table of view name to {cx, cy, w, h} in pixels, with "*" for every other view"""
    views_expected: Views | None = Field(default=None, examples=[4])
    """how many views a complete part has"""
    clearable_codes: tuple[str, ...] | None = Field(default=None, examples=[("E12", "E13")])
    """a list of defect codes that an image can disprove"""


class Bypass(Section):
    """What is approved beforehand: for how long the inspector's own verdict may count again, and why."""

    minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60)] = 30
    """for how many minutes at a time a bypass may be in force"""
    because: Annotated[str, Field(min_length=1)] = Field(examples=["QA-2031, approved by the shift lead"])
    """who approved it and why, in words; the audit log keeps it"""


def _pooled(line: Line, known: set[str]) -> None:
    for other in line.shadow.pool:
        if other not in known - {line.name}:
            others = ", ".join(sorted(known - {line.name})) or "none: there is no other line"
            raise ValueError(f'line.{line.name}.shadow.pool: "{other}" is no other line; write one of {others}')


def _named_apart(key: str, plugins: tuple[Plugged, ...]) -> None:
    for name, times in Counter(one.options.name for one in plugins).items():
        if times > 1:
            raise ValueError(f"{key}: the name {name} is there {times} times; write a name for each")


class Line(Section):
    """One inspection line: where parts come from, who judges them, who is told."""

    name: Name
    """a name for the line, unique in the file"""
    goal: Annotated[Literal[1, 2, 3], BeforeValidator(_number)]
    """1 to cut false calls, 2 to catch escapes, 3 to replace the inspector"""
    stage: Literal["shadow", "live"] = "shadow"
    """shadow (judge and record, change nothing) or live (our verdict counts)"""
    live_because: str = ""
    """the reason why this line is live without a recorded approval, in words"""
    live_recipes: tuple[str, ...] = Field(default=(), examples=[("M10",)])
    """a list of the recipes that are live, for a ramp: parts of any other stay in shadow; left out, all are"""
    topology: Literal["tap", "inline"] = "tap"
    """tap (the old machine goes on reporting by itself) or inline (everything goes through the bridge)"""
    deadline_ms: Milliseconds = 900
    """milliseconds from the part's own event until the PLC must have the verdict"""
    reserve_ms: Annotated[float, Field(ge=0, le=60_000)] = 50
    """milliseconds of the deadline kept back from the judge, for the fallback itself to arrive in time"""
    judge: Name
    """the name of a [judge.NAME] table"""
    threshold: Threshold | None = Field(default=None, examples=[0.5])
    """the operating point, in the score of the judge; left out, the bundle's own"""
    roi: Rois | None = Field(default=None, examples=[_EVERY_VIEW])
    """a table of view name to {cx, cy, w, h} in pixels, with "*" for every other view"""
    views_expected: Views | None = Field(default=None, examples=[4])
    """how many views a complete part has; fewer are never cleared"""
    clearable_codes: tuple[str, ...] = (NO_CODE,)
    """a list of defect codes that an image can disprove; "" is an NG without a code, "*" is every code"""
    legacy_ok_on_failure: Literal["refused", "accepted"] = "refused"
    """accepted if under goal 2 the inspector's OK shall stand where no second opinion could be had"""
    fallbacks_in_a_row: Annotated[int, Field(ge=1, le=1000)] = 5
    """how many fallbacks one after the other raise Error and drop Ready"""
    in_flight: Annotated[int, Field(ge=1, le=4096)] = 64
    """how many parts may be with the judge at once; beyond that the source is slowed"""
    bypass: Bypass | None = None
    """a [line.bypass] table, where a bypass is approved; without one every request for it is refused"""
    source: AnySource
    """a [line.source] table with its type"""
    reporter: tuple[AnyReporter, ...] = ()
    """[[line.reporter]] tables, each with its type and name"""
    labels: tuple[AnyLabels, ...] = ()
    """[[line.labels]] tables, each with its type and name: stations where people say what is true of a part"""
    shadow: Shadow = Shadow()
    """a [line.shadow] table: the month beside the old machine, and what it must show"""
    recipe: Mapping[str, Recipe] = Field(default_factory=dict)
    """[line.recipe.NAME] tables; if there are any, a part of another recipe is a failure row"""

    @model_validator(mode="after")
    def _consistent(self) -> Line:
        if self.stage == "live" and (unfit := self.source.options.unfit_for_live()):
            raise ValueError(f"source.{unfit}")
        if self.reserve_ms >= self.deadline_ms:
            raise ValueError(
                f"reserve_ms: {self.reserve_ms:g} leaves the judge nothing; write less than deadline_ms"
            )
        held = self.source.options.holds_ms
        if held + self.reserve_ms >= self.deadline_ms:
            raise ValueError(
                f"source: may hold a part back for {held:g} ms, which with reserve_ms = {self.reserve_ms:g} leaves"
                f" the judge nothing of deadline_ms = {self.deadline_ms:g}; write a shorter window there,"
                " or a longer deadline_ms"
            )
        _named_apart("reporter", self.reporter)
        _named_apart("labels", self.labels)
        if any(told.options.name == "source" for told in self.reporter):
            raise ValueError("reporter: the name source is taken by the line's source; write another name")
        if self.legacy_ok_on_failure == "accepted" and Goal(self.goal) is not Goal.CATCH_ESCAPES:
            raise ValueError('legacy_ok_on_failure: only goal 2 knows it; write "refused", or leave it out')
        if self.shadow.guard_breach == "shadow" and Goal(self.goal) is not Goal.CUT_FALSE_CALLS:
            raise ValueError(
                f"shadow.guard_breach: under goal {self.goal} no line falls back by itself, for its protection "
                'would vanish; write "alarm" or "drop_ready"'
            )
        for name in self.live_recipes:
            if name not in self.recipe:
                known = ", ".join(self.recipe) or "none yet"
                raise ValueError(
                    f'live_recipes: "{name}" is not a recipe of this line; '
                    f"write a [line.recipe.{name}] table, or one of {known}"
                )
        return self

    def rules(self, recipe: str) -> Rules:
        """Return what a decision on a part of this recipe depends on."""
        over = self.recipe.get(recipe, Recipe())
        codes = self.clearable_codes if over.clearable_codes is None else over.clearable_codes
        return Rules(
            goal=Goal(self.goal),
            stage=self.stage_of(recipe),
            views_expected=over.views_expected or self.views_expected,
            clearable=frozenset(codes),
            legacy_ok_on_failure=self.legacy_ok_on_failure,
            guard_share=self.shadow.guard_share,
        )

    def stage_of(self, recipe: str) -> Stage:
        """Return whether our verdict counts for parts of this recipe."""
        waits = bool(self.live_recipes) and recipe not in self.live_recipes
        return Stage.SHADOW if waits else Stage(self.stage)

    def knows(self, recipe: str) -> bool:
        """Return whether a part of this recipe may be judged."""
        return not self.recipe or recipe in self.recipe

    def judge_of(self, recipe: str) -> str:
        """Return the name of the judge for parts of this recipe."""
        return self.recipe.get(recipe, Recipe()).judge or self.judge

    def judges(self) -> frozenset[str]:
        """Return the names of all judges that this line can ask."""
        return frozenset({self.judge, *(r.judge for r in self.recipe.values() if r.judge)})

    def thresholds(self) -> Iterator[tuple[str, str, float]]:
        """Yield place, judge and value of each operating point that is set, for the line and for each recipe."""
        if self.threshold is not None:
            yield "threshold", self.judge, self.threshold
        for name, recipe in self.recipe.items():
            threshold = self.threshold if recipe.threshold is None else recipe.threshold
            if threshold is not None:
                place = "threshold" if recipe.threshold is None else f"recipe.{name}.threshold"
                yield place, recipe.judge or self.judge, threshold

    def reporters_opened(self) -> tuple[Plugged, ...]:
        """Return the reporters that this stage and topology open: in shadow beside a tap, only those that ask."""
        quiet = self.stage == "shadow" and self.topology == "tap"
        return tuple(told for told in self.reporter if not quiet or told.options.in_shadow)


class Http(Section):
    """The port for health, metrics and the command line."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """an address of this machine to listen on; anything but loopback opens health and metrics to the network, and
    never the rest"""
    port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """a port from 1 to 65535, or 0 for any free one"""
    allow: tuple[Network, ...] = Field(default=(), examples=[("192.168.0.0/24",)])
    """a list of the addresses and networks that may connect; left out, every one"""
    tls: ServerTls | None = Field(default=None, examples=[{"cert": "tls/bridge.pem", "key": "tls/bridge.key"}])
    """a table for TLS: cert, key, key_password, client_ca (whose monitors may ask); left out, plain HTTP"""


class Images(Section):
    """Which pictures are kept as evidence, and how much of the disk they may take."""

    sample: Annotated[float, Field(ge=0, le=1)] = 0.1
    """a share from 0 to 1: of the parts on which everybody agreed, how many keep their pictures"""
    cap_bytes: Annotated[int, Field(ge=0)] = 50_000_000_000
    """how many bytes all pictures together may take; beyond that the oldest go, those of the sample first"""
    floor_bytes: Annotated[int, Field(ge=0)] = 1_000_000_000
    """how many bytes of the disk are left to the journal: below it no picture is kept, and old ones go"""


def _possible(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("is not a path")
    return path


class Config(Section):
    """The whole file."""

    data: Annotated[Path, AfterValidator(_possible)] = Path("var")
    """a folder for journal, images and models, beside this file unless it is absolute"""
    log: Literal["console", "json"] = "console"
    """console (to read) or json (to collect)"""
    http: Http = Http()
    """an [http] table"""
    images: Images = Images()
    """an [images] table"""
    judge: Mapping[Name, AnyJudge]
    """[judge.NAME] tables, each with its type"""
    line: tuple[Line, ...]
    """[[line]] tables, at least one"""

    fingerprint: str = Field(default="", exclude=True, repr=False)
    """(a short hash of the file, filled in by the host)"""

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if not self.line:
            raise ValueError("line: there is none; write a [[line]] table")
        for name, times in Counter(line.name for line in self.line).items():
            if times > 1:
                raise ValueError(f"line: the name {name} is there {times} times; write a name for each")
        for line in self.line:
            for judge in sorted(line.judges() - set(self.judge)):
                known = ", ".join(sorted(self.judge)) or "none yet"
                raise ValueError(
                    f'line.{line.name}.judge: "{judge}" is not a judge of this file; '
                    f"write a [judge.{judge}] table, or one of {known}"
                )
            _pooled(line, {other.name for other in self.line})
            self._reachable(line)
        return self

    def lanes(self) -> frozenset[tuple[str, str]]:
        """Return every line with the name of each of its reporters, opened in its stage or not."""
        return frozenset((line.name, told.options.name) for line in self.line for told in line.reporter)

    def _reachable(self, line: Line) -> None:
        """Refuse an operating point that no score of its judge can reach: every part would be NG."""
        for place, judge, threshold in line.thresholds():
            limit = self.judge[judge].options.score_limit
            if limit is not None and threshold > limit:
                raise ValueError(
                    f"line.{line.name}.{place}: {threshold:g} is above every score of the judge {judge}; "
                    f"write at most {limit:g}"
                )


def fingerprint(text: bytes) -> str:
    """Return the short hash under which the journal knows a configuration file."""
    return hashlib.sha256(text).hexdigest()[:12]
