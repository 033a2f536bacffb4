"""What a user may set on the SQL source and the SQL reporter; checked without a network."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from bridge.plugin import (
    Decision,
    Goal,
    LabelOptions,
    Login,
    Milliseconds,
    Options,
    ReporterOptions,
    Secret,
    ShareOptions,
    SourceOptions,
    Stage,
    WordOptions,
)

Identifier: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
OptionalIdentifier: TypeAlias = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Span: TypeAlias = Annotated[float, Field(gt=0, le=3600)]
Word: TypeAlias = Annotated[str, Field(min_length=1)]

_PACKAGES = {"psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient", "cx_Oracle": "oracledb"}
"""Python packages that are installed under another name than they are imported by."""
_SAMPLE = Decision(id="", line="", goal=Goal.CUT_FALSE_CALLS, stage=Stage.SHADOW, part="")
DECISION_FIELDS = frozenset({*_SAMPLE.document(), "json"})
"""What a column of an MES table may hold."""

_COLUMNS = {
    "inspection_id": "id",
    "line": "line",
    "part": "part",
    "recipe": "recipe",
    "verdict": "verdict",
    "legacy": "legacy",
    "origin": "origin",
    "degraded": "degraded",
    "event_at": "event_at",
    "document": "json",
}


class DatabaseOptions(Options):
    """Which database, and how long it may take."""

    url: str = Field(examples=["postgresql+psycopg://192.168.0.30/KY_AOI"])
    """an SQLAlchemy URL without user and password, for instance postgresql+psycopg://192.168.0.30/KY_AOI,
    mssql+pyodbc://192.168.0.30/KY_AOI?driver=ODBC+Driver+18+for+SQL+Server or sqlite:////var/aoi/aoi.db"""
    user: Login = ""
    """the user's name, or a reference to it (env:NAME or file:/path); best one that may do nothing but what this
    plugin does"""
    password: Secret | None = Field(default=None, examples=["env:AOI_DB_PASSWORD"])
    """a reference to the password: env:NAME or file:/path"""
    connect_timeout_seconds: Annotated[float, Field(ge=2, le=3600)] = 5
    """seconds from 2 to 3600 that connecting may take"""
    query_timeout_seconds: Span = 5
    """seconds up to 3600 that one statement may take, waiting for a locked table included"""

    @field_validator("url")
    @classmethod
    def _usable(cls, text: str) -> str:
        try:
            url = sa.make_url(text)
            dialect = url.get_dialect()
        except (NoSuchModuleError, ModuleNotFoundError) as exc:
            raise ValueError(
                f"names a kind of database that is not known here ({text.partition(':')[0]})"
            ) from exc
        except (ArgumentError, ValueError) as exc:  # the latter of a port that is no number
            raise ValueError("is no SQLAlchemy URL") from exc
        if url.username or url.password is not None:
            raise ValueError("names a user or a password, which have keys of their own: user and password")
        if dialect.is_async:
            raise ValueError(f"names the asynchronous driver {dialect.driver}, which is not used here")
        if url.get_backend_name() == "sqlite" and not (url.database or "").startswith("/"):
            raise ValueError("names no file by its whole path (sqlite:// and the path, that is four slashes)")
        try:
            dialect.import_dbapi()
        except ImportError as exc:
            package = _PACKAGES.get(exc.name or "", exc.name)
            raise ValueError(f"needs the Python package {package}: pip install {package}") from exc
        return text

    def address(self) -> sa.URL:
        """Return the URL with user and password in it; never to be shown."""
        password = self.password.get_secret_value() if self.password else None
        return sa.make_url(self.url).set(username=self.user or None, password=password)

    @property
    def place(self) -> str:
        """The database in words, for messages: no user, no password, no driver."""
        url = sa.make_url(self.url)
        host = f"{url.host}:{url.port}/" if url.port else f"{url.host}/" if url.host else ""
        return f"{host}{url.database or ''}"


def split(table: str) -> tuple[str | None, str]:
    """Return schema and name of a table that is written ``schema.name``, or only ``name``."""
    schema, _, name = table.rpartition(".")
    return schema or None, name


class Columns(BaseModel):
    """Where the facts stand in a result table; an empty name for what the machine does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: Identifier = "id"
    """the column of the row's number, a whole number that grows from row to row"""
    part: OptionalIdentifier = "part"
    """the column of the serial number or barcode"""
    verdict: OptionalIdentifier = "verdict"
    """the column of the verdict"""
    recipe: OptionalIdentifier = ""
    """the column of the product or program"""
    defect: OptionalIdentifier = ""
    """the column of the defect code of the part as a whole"""
    ng_views: OptionalIdentifier = ""
    """the column of the machine's own count of NG views"""
    key: OptionalIdentifier = ""
    """the column of what names this presentation for ever; left out, table and id do"""
    lot: OptionalIdentifier = ""
    """the column of the production lot"""
    counter: OptionalIdentifier = ""
    """the column of the machine's own running number of the part; it may be the same as id"""


class Details(BaseModel):
    """A second table with a row for each component, or for each defect, of a part."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    table: Identifier
    """the table, as schema.name or name"""
    joined_by: Identifier
    """the column that says to which part a row belongs"""
    joined_to: OptionalIdentifier = ""
    """the column of the result table that it refers to; left out, the id"""
    view: OptionalIdentifier = ""
    """the column of the component or camera"""
    verdict: OptionalIdentifier = ""
    """the column of the view's verdict; left out, the table lists defects: every row is NG"""
    defect: OptionalIdentifier = ""
    """the column of the defect code"""
    image: OptionalIdentifier = ""
    """the column of the picture's path"""


class SqlSourceOptions(WordOptions, ShareOptions, DatabaseOptions, SourceOptions):
    """An old inspector that writes its results into tables, which are read by polling and never written."""

    table: Identifier = Field(examples=["dbo.TB_AOIResult"])
    """the result table, as schema.name or name"""
    columns: Columns = Columns()
    """where the facts stand: id, part, verdict, recipe, defect, ng_views, key, lot, counter; an empty name for
    what the machine does not say"""
    views: dict[Word, Identifier] = Field(default={}, examples=[{"top": "ImagePath"}])
    """views whose picture's path stands in the result table: view = column"""
    details: Details | None = Field(
        default=None,
        examples=[
            {"table": "dbo.TB_AOIDefect", "joined_by": "ResultID", "view": "CompName", "defect": "DefectCode"}
        ],
    )
    """a table with a row for each component or each defect: table, joined_by, joined_to, view, verdict, defect,
    image"""
    details_max: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """a number from 1 to 100000: the most detail rows of one part; a part with more is put into quarantine"""
    where: str = ""
    """a condition in SQL that rows must meet, for instance LaneNo = 1; it goes to the database as it stands"""
    complete: Literal["at_once", "filled", "word", "counted"] = "filled"
    """when a row is complete: at_once (rows appear whole), filled (a column is no longer NULL), word (a column
    holds one of complete_words), counted (a column says how many detail rows there are, and they are there)"""
    complete_column: OptionalIdentifier = ""
    """the column that complete looks at; left out, the verdict's"""
    complete_words: tuple[Word, ...] = ()
    """the words of which complete_column holds one when a row is complete; used by word only"""
    complete_timeout_seconds: Span = 30
    """seconds up to 3600 that a row is waited for; then it counts as a part without a verdict"""
    event: Literal["seen", "complete"] = "seen"
    """the instant from which the deadline counts: seen (when the row appeared) or complete (when it became so)"""
    start: Literal["end", "beginning"] = "end"
    """where to begin at the very first start: end (only rows that are new from then on) or beginning (all)"""
    settle_seconds: Span = 10
    """seconds up to 3600 that a missing id is still looked for: a row may be committed later than one with a
    higher id"""
    poll_ms: Milliseconds = 20
    """milliseconds between two looks at the table"""
    in_flight: Annotated[int, Field(ge=1, le=256)] = 4
    """a number from 1 to 256: how many parts may be under way at once"""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.complete == "word" and not self.complete_words:
            raise ValueError('complete_words: is empty; write the words that complete = "word" waits for')
        if self.complete == "counted" and not (self.details and self.complete_column):
            raise ValueError("complete: counted needs details, and complete_column with their number")
        if self.complete in {"filled", "word"} and not self.completed_by:
            raise ValueError('complete_column: is empty; write a column, or complete = "at_once"')
        if self.details and self.views:
            raise ValueError("views: write them or details, not both")
        return self

    @property
    def completed_by(self) -> str:
        """The column that says whether a row is complete."""
        return self.complete_column or self.columns.verdict


class LabelColumns(BaseModel):
    """Where the facts stand in a station's table; an empty name for what it does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    number: Identifier = "id"
    """the column of the row's number, a whole number that grows from row to row"""
    part: OptionalIdentifier = "part"
    """the column of the serial number or barcode"""
    id: OptionalIdentifier = ""
    """the column of the inspection id, if the station knows it"""
    verdict: Identifier = "verdict"
    """the column of the verdict"""
    who: OptionalIdentifier = ""
    """the column of the person's name or number"""
    defect: OptionalIdentifier = ""
    """the column of the defect that the person found"""
    note: OptionalIdentifier = ""
    """the column of a remark"""
    time: OptionalIdentifier = ""
    """the column of when that was said; left out, the moment at which the row is seen"""


class Said(Columns):
    """The columns of a label road in the place of a source's."""

    inspection: str = ""
    who: str = ""
    note: str = ""
    time: str = ""


class SqlLabelOptions(DatabaseOptions, LabelOptions):
    """A repair or verification station's table of what people said, which is read by polling and never written."""

    table: Identifier = Field(examples=["dbo.TB_Repair"])
    """the station's table, as schema.name or name"""
    columns: LabelColumns = LabelColumns()
    """where the facts stand: number, part, id, verdict, who, defect, note, time; an empty name for what the
    station does not say"""
    where: str = ""
    """a condition in SQL that rows must meet, for instance LineNo = 1; it goes to the database as it stands"""
    complete: Literal["at_once", "filled"] = "filled"
    """when a row is a label: filled (the verdict is no longer NULL) or at_once (rows appear whole)"""
    pending_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 72
    """hours up to 744 that a row without a verdict is waited for; then it is put into quarantine"""
    start: Literal["end", "beginning"] = "end"
    """where to begin at the very first start: end (only rows that are new from then on) or beginning (all)"""
    settle_seconds: Span = 10
    """seconds up to 3600 that a missing number is still looked for: a row may be committed later than one with a
    higher number"""
    poll_ms: Milliseconds = 1000
    """milliseconds between two looks at the table"""

    def watched(self) -> SqlSourceOptions:
        """Return the same table as that of a source."""
        said = self.columns
        same = ("url", "user", "password", "connect_timeout_seconds", "query_timeout_seconds", "table", "where")
        told = {
            name: getattr(self, name) for name in (*same, "complete", "start", "settle_seconds", "poll_ms", "home")
        }
        columns = Said.model_construct(
            id=said.number,
            part=said.part,
            verdict=said.verdict,
            defect=said.defect,
            inspection=said.id,
            who=said.who,
            note=said.note,
            time=said.time,
        )
        return SqlSourceOptions.model_construct(
            **told, columns=columns, complete_timeout_seconds=self.pending_hours * 3600
        )


class SqlReporterOptions(DatabaseOptions, ReporterOptions):
    """An MES that takes decisions as rows of a table."""

    lane: Literal["guaranteed"] = "guaranteed"
    """guaranteed (kept and retried for ever); a PLC reads no table"""
    table: Identifier = Field(examples=["mes.aoi_decision"])
    """the table to write, as schema.name or name"""
    columns: dict[Identifier, str] = Field(default=_COLUMNS)
    """the columns to fill, column = field, with fields of the decision's document; json is the whole of it; the
    column of the field id must be unique"""
    constants: dict[Identifier, str | int] = Field(default={}, examples=[{"station": "AOI-3"}])
    """columns that always hold the same, column = value"""
    ok_word: Word = "OK"
    """what a column holds for the verdict OK"""
    ng_word: Word = "NG"
    """what a column holds for the verdict NG"""
    create: Literal["never", "missing"] = "never"
    """never (the table must be there) or missing (make it where it is not there)"""

    @field_validator("columns")
    @classmethod
    def _fields(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := [field for field in columns.values() if field not in DECISION_FIELDS]:
            raise ValueError(
                f"names the field {unknown[0]}, which no decision has; {', '.join(sorted(DECISION_FIELDS))}"
            )
        if list(columns.values()).count("id") != 1:
            raise ValueError("needs exactly one column for the field id, by which a resent decision is known")
        return columns

    @field_validator("constants")
    @classmethod
    def _apart(cls, constants: dict[str, str | int], info: ValidationInfo) -> dict[str, str | int]:
        if both := sorted(set(constants) & set(info.data.get("columns", ()))):
            raise ValueError(f"holds the column {both[0]}, which stands in columns too")
        return constants

    @field_validator("ng_word")
    @classmethod
    def _distinct(cls, word: str, info: ValidationInfo) -> str:
        if word.casefold() == str(info.data.get("ok_word", "")).casefold():
            raise ValueError("is what stands for OK, too")
        return word

    @property
    def id_column(self) -> str:
        """The column by which a resent decision is known."""
        return next(column for column, field in self.columns.items() if field == "id")
