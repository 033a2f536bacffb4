"""Texts with fields: what a machine is told of its part, and what an MES is told of a decision."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import Formatter

from bridge.plugin import Decision, Inspection, Words, answer_document

REPLY_FIELDS = frozenset(
    {"part", "verdict", "key", "id", "number", "recipe", "sequence", "legacy", "origin", "line", "json"}
)
"""The fields that a reply template may name; ``json`` is the whole answer as a JSON object."""


@dataclass(frozen=True)
class Replies:
    """What the inspector is told of each part: two templates, empty where nothing is to be sent."""

    words: Words
    recorded: str = ""
    unrecorded: str = ""
    """For a decision that could not be committed: it must not be taken for an acknowledgement."""
    encoding: str = "utf-8"

    def __call__(self, part: Inspection, decision: Decision) -> bytes | None:
        """Return the reply without its framing; None where nothing is to be sent.

        Raises:
            ValueError: the code page lacks a character of it.
        """
        template = self.recorded if decision.recorded else self.unrecorded
        if not template:
            return None
        return template.format_map(self._fields(part, decision, template)).encode(self.encoding)

    def _fields(self, part: Inspection, decision: Decision, template: str) -> Mapping[str, object]:
        answer = answer_document(part, decision, self.words)
        return {**answer, "json": json.dumps(answer)} if "{json" in template else answer


def document_fields(document: Mapping[str, object]) -> Mapping[str, object]:
    """Return a decision's document as template fields: words and numbers only, empty for what is absent."""
    return {
        name: "" if value is None else value for name, value in document.items() if not isinstance(value, list)
    }


def template_mistake(template: str, fields: Collection[str]) -> str:
    """Return what is wrong with a template, in words that follow "it"; empty if nothing is."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as exc:
        return f"is no template ({exc})"
    for _, name, spec, conversion in pieces:
        if name is not None and name not in fields:
            return f"names the field {{{name}}}, which does not exist"
        if conversion or "{" in (spec or ""):
            return "nests or converts fields"
    return ""


def template_pattern(template: str) -> re.Pattern[str]:
    """Return an expression that reads what a template wrote; the other side of replies and reports."""
    expression, seen = "", set[str]()
    for literal, name, _, _ in Formatter().parse(template):
        expression += re.escape(literal)
        if name is not None:
            expression += ".*?" if name in seen else rf"\s*(?P<{name}>.*?)\s*"
            seen.add(name)
    return re.compile(expression)
