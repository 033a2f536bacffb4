"""What the station says of itself and of its troubles: two documents that no other road has, and their schemas.

Parts, answers and results are the documents that every road shares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bridge.plugin import Decision, Failure, Origin, Verdict

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent / "schemas"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class StatusDocument(_Document):
    """Whether a plugin of the bridge is connected; retained, so that who comes later knows it too."""

    state: Literal["online", "offline"]
    """online from the moment at which parts or results flow; offline by our own goodbye, or as the Last Will"""
    role: Literal["source", "reporter"]
    """which plugin speaks for this station"""
    reason: Literal["", "stopped", "lost"]
    """why it is offline: stopped (the bridge said goodbye) or lost (the broker says so in its place)"""
    session: str
    """a name of this connection alone; an offline ends the online of the same session"""
    since: float
    """Unix time at which this connection began, in seconds"""


class FaultDocument(_Document):
    """A decision that did not come about as planned; the result of the same id is published too."""

    id: str
    """the inspection id"""
    line: str
    """the name of the line"""
    part: str
    """the serial number or barcode; empty where the inspector has none"""
    verdict: Verdict | None
    """what counts all the same"""
    origin: Origin
    """whose verdict it is"""
    degraded: bool
    """true where a fallback answered: safe, but no second opinion was had"""
    error: bool
    """true where the inspector's own verdict was unusable, or too many fallbacks came in a row"""
    failures: list[Failure]
    """what went wrong, most important first"""
    event_at: float
    """Unix time of the part's own event, in seconds"""


DOCUMENTS: Mapping[str, type[BaseModel]] = {"status": StatusDocument, "fault": FaultDocument}


def fault_of(decision: Decision) -> FaultDocument | None:
    """Return what went wrong with a decision, None where nothing did; the same at every resend."""
    if not (decision.failures or decision.degraded or decision.error):
        return None
    return FaultDocument(
        id=decision.id,
        line=decision.line,
        part=decision.part,
        verdict=decision.final,
        origin=decision.origin,
        degraded=decision.degraded,
        error=decision.error,
        failures=list(decision.failures),
        event_at=decision.event_at,
    )


def schema_text(document: type[BaseModel]) -> str:
    """Return the JSON Schema of a document as it stands in a file."""
    return json.dumps({"$schema": DIALECT, **document.model_json_schema()}, indent=2, ensure_ascii=False) + "\n"


def schema_file(name: str) -> Path:
    """Return where the schema of a document is kept."""
    return FOLDER / f"{name}.schema.json"
