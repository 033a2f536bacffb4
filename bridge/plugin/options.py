"""Options of plugins: frozen pydantic models whose field docstrings are the documentation.

A field's docstring starts with what to write there, in lower case (``a port from 1 to 65535``): it follows
"write" in an error message, stands as the comment in a sample, and is listed by ``aoi-bridge plugins``.
Names are nouns with their unit (``_ms``, ``_seconds``, ``_bytes``); choices are enumerations.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from bridge.log import conceal
from bridge.messages import Box, Decision

Port: TypeAlias = Annotated[int, Field(ge=1, le=65535, strict=True)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=86_400)]
Milliseconds: TypeAlias = Annotated[float, Field(gt=0, le=3_600_000)]
HostName: TypeAlias = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^\S+$")]
"""The name or address of a machine."""
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


def _code_page(name: str) -> str:
    try:
        "0,;\r\n".encode(name).decode(name)
    except (LookupError, ValueError) as exc:
        raise ValueError("is no code page that is known here") from exc
    return name


CodePage: TypeAlias = Annotated[str, AfterValidator(_code_page)]
"""The name of a code page that writes text as bytes and reads it back, for instance ``cp949``."""

beside: ContextVar[Path] = ContextVar("beside", default=Path())
"""The folder of the configuration file that is being read; relative paths in it are beside the file."""


def _resolve(reference: object) -> object:
    """Read a secret from where the reference points; the reference itself is no secret."""
    if not isinstance(reference, str):
        return reference
    secret = _followed(reference)
    conceal(secret)
    return secret


def _followed(reference: str) -> str:
    scheme, _, name = reference.partition(":")
    if scheme == "env" and name:
        if not os.environ.get(name):
            raise ValueError(f"names the environment variable {name}, which is not set")
        return os.environ[name]
    if scheme == "file" and name:
        return _read(Path(name))
    raise ValueError("is not a reference")


def _read(path: Path) -> str:
    try:
        secret = (beside.get() / path).read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ValueError(f"names the file {path}, which cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise ValueError(f"names the file {path}, which is not UTF-8 text") from exc
    if not secret:
        raise ValueError(f"names the file {path}, which is empty")
    return secret


Secret: TypeAlias = Annotated[SecretStr, BeforeValidator(_resolve)]
"""A secret by reference only: ``env:NAME`` or ``file:/path``; never logged, never written back."""


def _looked_up(said: object) -> object:
    """Follow a reference; anything else is the name itself."""
    if isinstance(said, str) and said.startswith(("env:", "file:")):
        return _followed(said)
    return said


Login: TypeAlias = Annotated[str, BeforeValidator(_looked_up)]
"""A user's name, or a reference to it as to a secret: ``env:NAME`` or ``file:/path``."""


class Options(BaseModel):
    """What a user may set on one plugin; checked without touching the network."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    moves_verdicts: ClassVar[frozenset[str]] = frozenset()
    """Options that move verdicts: on a live line they change only for a stated reason."""

    home: Path = Field(default=Path(), exclude=True, repr=False)
    """the folder of its own that the host gives each plugin (filled in by the host, not by the user)"""

    @field_validator("*", mode="after")
    @classmethod
    def _beside_the_file(cls, value: object, info: ValidationInfo) -> object:
        return beside.get() / value if isinstance(value, Path) and info.field_name != "home" else value


WhenUnreachable: TypeAlias = Literal["retry", "stop"]
"""Whether the bridge goes on without a peer that is away when it starts."""


class SourceOptions(Options):
    """What every source has."""

    when_unreachable: WhenUnreachable = "retry"
    """retry (the bridge starts all the same and keeps trying) or stop (it refuses to start without this peer)"""

    def unfit_for_live(self) -> str:
        """Return why no live verdict may rest on this source; empty if one may.

        In the form ``key: why; write what``, the key as it stands in the source's table. A source that wraps
        others asks them too. It is asked whenever a configuration is checked, so it touches nothing.
        """
        return ""

    @property
    def holds_ms(self) -> float:
        """For how many milliseconds from its event the source may hold a part back before it hands it in.

        A source that waits for something else of the part says so here: a line is refused whose deadline
        leaves the judge nothing.
        """
        return 0.0


class ReporterOptions(Options):
    """What every reporter has; a plugin overrides the defaults that suit it."""

    name: Name = Field(examples=["mes"])
    """a name for this reporter, unique on its line; guaranteed deliveries are kept under it"""
    lane: Literal["realtime", "guaranteed"] = "guaranteed"
    """realtime (now or never, for a PLC) or guaranteed (kept and retried for ever, for an MES)"""
    in_shadow: bool = False
    """true to open this reporter on a shadow line beside an inspector that reports by itself"""
    window: Annotated[int, Field(ge=1, le=1024)] = 1
    """how many guaranteed deliveries may be under way at once, started in order"""
    when_unreachable: WhenUnreachable = "retry"
    """retry (the bridge starts all the same and keeps trying) or stop (it refuses to start without this peer)"""

    def expires(self, decision: Decision) -> float:
        """Return the instant (monotonic seconds) after which this lane must not be told any more.

        Never for the guaranteed lane; for the realtime lane the decision's own, and backlog it is never told.
        """
        if self.lane == "guaranteed":
            return float("inf")
        return float("-inf") if decision.backlog else decision.expires


class JudgeOptions(Options):
    """What every judge has."""

    when_unreachable: WhenUnreachable = "retry"
    """retry (the bridge starts all the same and keeps trying) or stop (it refuses to start without this judge)"""
    score_limit: ClassVar[float | None] = None
    """The highest score the judge ever gives, None where there is none; a threshold above it is a mistake."""
    harmless: ClassVar[frozenset[str]] = frozenset({"when_unreachable"})
    """Options that move no verdict: on a live line they change without a reason given."""
    sample_name: ClassVar[str] = "pins"
    """What the judge is called in its sample; judges whose samples share a file differ in it."""

    def pinned(self) -> tuple[Self, str]:
        """Return the same options with every pointer followed, and the identity of the model that they then name.

        They are followed once, at a start, a reload or a promotion: a judge that breaks and is opened again is the
        same one. ``home`` is filled in; may block on the disk. A judge without pointers has nothing to do.

        Raises:
            ConfigError: what they point to is not there.
        """
        return self, ""


class BoxOptions(BaseModel):
    """A region of interest as it is written in a file: ``{cx, cy, w, h}`` in pixels of the original image."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    cx: Annotated[float, Field(ge=0)]
    """the centre, pixels from the left"""
    cy: Annotated[float, Field(ge=0)]
    """the centre, pixels from the top"""
    w: Annotated[float, Field(gt=0)]
    """the width in pixels"""
    h: Annotated[float, Field(gt=0)]
    """the height in pixels"""

    def box(self) -> Box:
        """Return the message of the same meaning."""
        return Box(cx=self.cx, cy=self.cy, w=self.w, h=self.h)
