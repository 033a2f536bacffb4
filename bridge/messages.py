"""The words of the bridge: what an old inspector said, what a judge thinks, what was decided.

Everything here is frozen and holds no behaviour beyond reading itself; decisions are made in ``goals.py``.
A verdict is one of the words OK and NG and nothing else: no number ever stands for it, and a missing or
unreadable verdict is ``None``, never OK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """What somebody says of a part or of one view of it."""

    OK = "OK"
    NG = "NG"


class Goal(IntEnum):
    """What the line wants of the bridge."""

    CUT_FALSE_CALLS = 1
    """Re-check only what the inspector called NG; only NG can become OK."""
    CATCH_ESCAPES = 2
    """Re-check only what the inspector called OK; only OK can become NG."""
    REPLACE = 3
    """Judge every part; the inspector only takes the pictures."""


class Stage(StrEnum):
    """Whether our verdict counts."""

    SHADOW = "shadow"
    LIVE = "live"


class Origin(StrEnum):
    """Whose verdict the final one is."""

    LEGACY = "legacy"
    MODEL = "model"
    FALLBACK = "fallback"
    OPERATOR = "operator"


class Failure(StrEnum):
    """Why a part, or one view of it, could not be judged or answered as planned."""

    DEADLINE = "deadline"
    """The judgement did not come in time."""
    JUDGE_DOWN = "judge down"
    """The judge is away, crashed on this part, or answered nonsense."""
    IMAGE_MISSING = "image missing"
    """A view has no image, or it did not arrive."""
    IMAGE_REPEATED = "image repeated"
    """An image is byte for byte one of the previous part's."""
    IMAGE_UNREADABLE = "image unreadable"
    """An image is truncated, too large, or no image at all."""
    IMAGE_UNTIED = "image untied"
    """An image cannot be tied to this part."""
    RECIPE_UNKNOWN = "recipe unknown"
    """The part's recipe is not in the configuration."""
    VIEWS_MISSING = "views missing"
    """Fewer views than expected, or fewer NG views than the inspector counted."""
    LEGACY_MISSING = "legacy missing"
    """The inspector's verdict is missing, not understood, or not of this part."""
    NOT_RECORDED = "not recorded"
    """The decision could not be committed in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in an image, in pixels, named by its centre as the field does: ``{cx, cy, w, h}``."""

    cx: float
    cy: float
    w: float
    h: float

    def document(self) -> Mapping[str, float | str]:
        """Return the box as a JSON-ready mapping."""
        return {"cx": self.cx, "cy": self.cy, "w": self.w, "h": self.h}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot(Box):
    """A box of which the judge knows more than where it is; it stands wherever a box does."""

    label: str = ""
    """Its class, in the bundle's words; empty where it has none."""
    score: float | None = None
    """How sure the judge is that there is something, 0 to 1."""
    area: float | None = None
    """How many pixels of the original picture are marked, which a box holds and more."""

    def document(self) -> Mapping[str, float | str]:
        """Return the box as a JSON-ready mapping, with what is known."""
        known = {"label": self.label or None, "score": self.score, "area": self.area}
        sides = {"cx": self.cx, "cy": self.cy, "w": self.w, "h": self.h}
        return sides | {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Where the model looked when it spoke for one class: small, and stretched over what it was shown."""

    label: str
    """The class that it explains, in the bundle's words."""
    rows: int
    columns: int
    values: bytes = field(repr=False)
    """Row by row, one byte each: 0 is cold, 255 the hottest of this map."""
    corners: tuple[tuple[float, float], ...]
    """Where the map's corners lie in the original picture, (x, y) in pixels from its left and top edge: top left,
    top right, bottom right, bottom left of the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """How a picture looks, in three figures: what lamp, lens and camera change, whatever is on it."""

    brightness: float
    """Mean grey level, 0 to 255."""
    contrast: float
    """Standard deviation of the grey levels."""
    sharpness: float
    """Variance of the Laplacian, in squared grey levels; of pictures made alike, the sharper has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One picture of a part: a camera's, or that of one component of a board."""

    name: str = "1"
    """The camera or component, stable from part to part."""
    image: bytes | None = field(default=None, repr=False)
    """The encoded picture (JPEG, PNG, BMP, TIFF …) as the inspector made it; None while it is missing."""
    reference: str = ""
    """Where the picture is to be fetched from, in the source's own terms."""
    tied: bool = True
    """False where the source cannot be sure that the picture shows this part."""
    legacy: Verdict | None = None
    """The inspector's verdict on this view alone, if it gave one."""
    defect: str = ""
    """The inspector's defect code for this view."""
    roi: Box | None = None
    """What to look at; set by the host from line and recipe, None for what the bundle says."""
    threshold: float | None = None
    """The operating point; set by the host from line and recipe, None for what the bundle says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One part presented once to the old inspector."""

    part: str
    """The serial number or barcode; empty where the inspector has none."""
    legacy: Verdict | None = None
    """The inspector's verdict on the part; None if missing or not understood."""
    legacy_understood: bool = True
    """False where a word of the inspector's, on part or view, is neither OK nor NG: then it gave no verdict."""
    views: tuple[View, ...] = ()
    key: str | None = None
    """The source's own identity of this presentation, the same on redelivery; None: every arrival is new."""
    recipe: str = ""
    defect: str = ""
    """The inspector's defect code for the part as a whole."""
    ng_views: int | None = None
    """How many NG views the inspector counted, where it says so."""
    event: float | None = None
    """The instant (monotonic seconds) from which the deadline counts; None: the moment of arrival."""
    deadline_ms: float | None = None
    """The part's own deadline, where its source states one; the smaller of this and the line's holds."""
    backlog: bool = False
    """True for what was found at start or after an outage: judged and recorded, never told to a PLC."""
    sequence: int | None = None
    """The PLC's CMD_SEQ, where there is one."""
    lot: str = ""
    """The production lot, where the source tells one: defects come in bursts, lot by lot."""
    counter: int | None = None
    """The inspector's own running number of the part; a gap shows parts that never reached us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a judge says of one view: a verdict, or the failure that kept it from one."""

    verdict: Verdict | None = None
    failure: Failure | None = None
    """Set exactly when verdict is None."""
    score: float | None = None
    """The number that was held against the threshold, 0 to 1: p(OK), or what stands for it."""
    threshold: float | None = None
    label: str = ""
    """The most likely class, in the bundle's words."""
    bundle: str = ""
    """Name, version and short hash of the model bundle."""
    judge_ms: float = 0.0
    """Time in the worker for this view's share of the batch: decoding, cropping and inference."""
    boxes: tuple[Box, ...] = ()
    """What the verdict rests on, in pixels of the original picture, the hottest or surest first; empty where it
    was not asked or nothing stands out."""
    heat_map: HeatMap | None = None
    """What the boxes were made from."""
    picture: PictureFacts | None = None
    """How the picture looked; None where the judge does not measure it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewDecision:
    """One view's share of a decision."""

    name: str
    legacy: Verdict | None = None
    defect: str = ""
    image: str = ""
    """SHA-256 of the picture in hexadecimal; empty where there was none."""
    judgement: Judgement | None = None
    """None where the goal did not ask for one."""
    final: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer for one inspection; the same id wherever it is told."""

    id: str
    """The inspection id, 32 hexadecimal digits, ordered by time; MES and PLC de-duplicate by it."""
    line: str
    goal: Goal
    stage: Stage
    part: str
    key: str | None = None
    recipe: str = ""
    legacy: Verdict | None = None
    model: Verdict | None = None
    """What the judge says of the part; None where it was not asked or could not say."""
    operator: Verdict | None = None
    final: Verdict | None = None
    """What counts; None only in shadow where the inspector gave no verdict."""
    origin: Origin = Origin.LEGACY
    failures: tuple[Failure, ...] = ()
    """What went wrong, most important first; empty where all went as planned."""
    degraded: bool = False
    """True where a fallback answered: the verdict is safe but no second opinion was had."""
    error: bool = False
    """True where the inspector's own verdict was unusable, or too many fallbacks came in a row."""
    views: tuple[ViewDecision, ...] = ()
    number: int = 0
    """The journal's running number, the PLC's RESULT_ID; 0 where the decision is not recorded."""
    recorded: bool = False
    """True once the decision is committed; only then may a source acknowledge the part."""
    backlog: bool = False
    rechecked: bool = False
    """True where the goal asked for a second opinion, had or not."""
    expires: float = float("inf")
    """The instant (monotonic seconds) after which a PLC must not be told any more."""
    bypassed: bool = False
    """True where a bypass was in force, so that the inspector's verdict counted."""
    sequence: int | None = None
    bundle: str = ""
    config: str = ""
    """Short hash of the configuration in force."""
    event_at: float = 0.0
    """Unix time of the part's own event."""
    latency_ms: float = 0.0
    """From the part's event to the decision."""
    judge_ms: float = 0.0
    """From handing the views to the judge to its answer; 0 where it was not asked."""
    lot: str = ""
    """The production lot, empty where the source tells none."""
    counter: int | None = None
    """The inspector's own running number of the part."""
    said: Verdict | None = None
    """The inspector's verdict on the part as a whole, where it gave one; ``legacy`` is that of its views too."""
    defect: str = ""
    """The inspector's defect code for the part as a whole."""
    ng_views: int | None = None
    """How many NG views the inspector counted, where it says so."""

    def document(self) -> Mapping[str, object]:
        """Return the decision as a JSON-ready mapping, the body every MES reporter sends.

        The same decision gives the same document at every resend: nothing in it depends on when it is sent.
        """
        return {
            "id": self.id,
            "line": self.line,
            "part": self.part,
            "recipe": self.recipe,
            "goal": int(self.goal),
            "stage": str(self.stage),
            "verdict": self.final,
            "origin": str(self.origin),
            "legacy": self.legacy,
            "model": self.model,
            "operator": self.operator,
            "degraded": self.degraded,
            "error": self.error,
            "failures": [str(failure) for failure in self.failures],
            "backlog": self.backlog,
            "bypassed": self.bypassed,
            "number": self.number,
            "sequence": self.sequence,
            "bundle": self.bundle,
            "config": self.config,
            "event_at": self.event_at,
            "latency_ms": self.latency_ms,
            "views": [
                {
                    "name": view.name,
                    "verdict": view.final,
                    "legacy": view.legacy,
                    "defect": view.defect,
                    "image": view.image,
                    "model": view.judgement.verdict if view.judgement else None,
                    "score": view.judgement.score if view.judgement else None,
                    "threshold": view.judgement.threshold if view.judgement else None,
                    "label": view.judgement.label if view.judgement else "",
                    "boxes": [box.document() for box in view.judgement.boxes] if view.judgement else [],
                }
                for view in self.views
            ],
        }
