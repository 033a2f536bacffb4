"""Validation errors in words: each mistake one line with place, finding and what to write."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_IN_A_URL = re.compile(r"(?<=://)\S*@")
"""User and password; greedy, for a password may hold what it should not."""
_SIZE = {
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "too_short": "is too short",
    "too_long": "is too long",
    "string_too_short": "is too short",
    "string_too_long": "is too long",
}
_KIND = {
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "finite_number": "is not a finite number",
    "string_type": "is not a text in quotes",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "dict_type": "is not a table",
    "mapping_type": "is not a table",
    "model_type": "is not a table",
    "tuple_type": "is not a list",
    "list_type": "is not a list",
    "path_type": "is not a path",
    "literal_error": "is not one of the choices",
    "enum": "is not one of the choices",
    "string_pattern_mismatch": "has a form that is not allowed",
}


def sentences(
    errors: Sequence[ErrorDetails], model: type[BaseModel], document: Mapping[str, Any], prefix: str = ""
) -> list[str]:
    """Return one line per mistake, each ``place: finding; write …``.

    Args:
        errors: what pydantic found, ``ValidationError.errors()``.
        model: the model that was validated.
        document: the parsed file, for names of lines and for what was written.
        prefix: the place of the model itself in the file.
    """
    lines: list[str] = []
    for error in errors:
        place = _join(prefix, _place(error["loc"], document))
        if error["type"] == "plugin":
            context = error["ctx"]
            inner = error["input"] if isinstance(error["input"], Mapping) else {}
            lines += sentences(context["errors"], context["plugin"].options, inner, place)
        else:
            lines.append(_sentence(error, place, model))
    return lines


def _sentence(error: ErrorDetails, place: str, model: type[BaseModel]) -> str:
    parent, field = _find(model, error["loc"])
    advice = " ".join(field.description.split()) if field and field.description else ""
    kind = error["type"]
    secret = field is not None and _secret(field.annotation)
    found = "what stands there" if secret else shown(error["input"])
    if kind == "missing":
        return f"{place}: is missing; write {advice or 'it'}"
    if kind == "extra_forbidden":
        return f"{place}: no such key; {_meant(str(error['loc'][-1]), parent)}"
    if kind == "value_error":
        said = " ".join(str(error["ctx"]["error"]).split())
        # A validator over several fields names the field itself: "stage: live has …; write …".
        if "; write" in said:
            return _join(place, said)
        # A whole table tells nothing, and what is said already need not be shown.
        if not isinstance(error["input"], Mapping) and (secret or not said.startswith(_both_ways(error["input"]))):
            said = f"{found} {said}"
        return f"{place}: {said}" + (f"; write {advice}" if advice else "")
    what = _SIZE.get(kind) or _KIND.get(kind)
    if what is None:
        # What a plugin's table or a validator of a library says: "type: is missing; write …" names its key itself.
        said = " ".join(error["msg"].split())
        return _join(place, said) if "; " in said else f"{place}: {said}; write {advice or _limits(error)}"
    return f"{place}: {found} {what}; write {advice or _limits(error)}"


def _both_ways(value: object) -> tuple[str, str]:
    return (f"{value} ", f"{value!r} ")


def _secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_secret(inner) for inner in get_args(annotation))


def shown(value: object) -> str:
    """Return a value as it would stand in a TOML file, shortened, without user and password of a URL."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{…}"
    text = f'"{_printable(_IN_A_URL.sub("…@", value))}"' if isinstance(value, str) else _text(value)
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - about half a terminal's width


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "·" for c in text)


def _text(value: object) -> str:
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number of very many digits"  # str() refuses the longest of them
    return " ".join(str(value).split())


def _limits(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    return str(context.get("expected") or next(iter(context.values()), "another value"))


def _meant(word: str, parent: type[BaseModel] | None) -> str:
    known = [name for name in parent.model_fields if name not in {"home", "fingerprint"}] if parent else []
    close = get_close_matches(word, known, n=1) or [name for name in known if word and name.startswith(word)]
    return f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"


def _place(loc: Sequence[int | str], document: Any) -> str:
    """Return ``line.smt-3.reporter[0].port`` for ``("line", 0, "reporter", 0, "port")``."""
    place, here = "", document
    for step in loc:
        if isinstance(step, int):
            here = here[step] if isinstance(here, Sequence) and step < len(here) else None
            name = here.get("name") if isinstance(here, Mapping) and place == "line" else None
            place += f".{_printable(name)}" if isinstance(name, str) and name else f"[{step}]"
        elif step != "[key]":
            here = here.get(step) if isinstance(here, Mapping) else None
            place = _join(place, _printable(step))
    return place


def _join(prefix: str, rest: str) -> str:
    return f"{prefix}.{rest}" if prefix and rest else prefix or rest


def _find(model: type[BaseModel], loc: Sequence[int | str]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Follow a location through nested models; return the last model and the field it names there."""
    here: Any = model
    parent: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for step in loc:
        here = _strip(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            parent, field = here, here.model_fields.get(str(step))
            here = field.annotation if field else None
        elif get_args(here):
            inside = [arg for arg in get_args(here) if arg is not Ellipsis]
            here = inside[-1]
    return parent, field


def _strip(annotation: Any) -> Any:
    """Look through Annotated and Optional to what is inside."""
    while True:
        origin = get_origin(annotation)
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif origin in {Union, types.UnionType}:
            annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
        else:
            return annotation
