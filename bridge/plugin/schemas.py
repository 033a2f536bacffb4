"""The JSON Schemas of the documents that every road shares, for whoever writes the other side.

They stand beside this module, made from the models, and a test holds them fresh: ``aoi-bridge schema part``
prints one. A schema says more than the bridge insists on in one place: what a newer machine adds is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bridge.plugin.documents import AnswerDocument, DecisionDocument, PartDocument

DOCUMENTS: Mapping[str, type[BaseModel]] = {
    "part": PartDocument,
    "answer": AnswerDocument,
    "decision": DecisionDocument,
}
FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(document: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a document."""
    return {"$schema": DIALECT, **document.model_json_schema()}


def schema_text(document: type[BaseModel]) -> str:
    """Return the JSON Schema of a document as it stands in a file."""
    return json.dumps(schema_of(document), indent=2, ensure_ascii=False) + "\n"


def schema_file(name: str) -> Path:
    """Return where the schema of a document is kept."""
    return FOLDER / f"{name}.schema.json"
