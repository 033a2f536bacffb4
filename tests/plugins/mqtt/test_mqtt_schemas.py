"""What goes over the broker is what its published JSON Schema says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from mqtt_kit import (
    BASE,
    Line,
    broker,
    decision_of,
    needs_mosquitto,
    reporter_options,
    running,
    source_options,
    subscriber,
    until,
)

from bridge.plugin import AnswerDocument, DecisionDocument, Failure, Inspection, PartDocument, Verdict, View
from bridge_mqtt import open_reporter
from bridge_mqtt.documents import DOCUMENTS, schema_file, schema_text
from bridge_mqtt.peer import machine

SHARED = {"part": PartDocument, "answer": AnswerDocument, "result": DecisionDocument}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schemas_are_fresh(name: str) -> None:
    """Made from the models; after a change write them anew with ``schema_text``."""
    assert schema_file(name).read_text(encoding="utf-8") == schema_text(DOCUMENTS[name])
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(DOCUMENTS[name])))


@needs_mosquitto
async def test_every_message_is_what_its_schema_says(tmp_path: Path) -> None:
    """One of each: part, answer, result, fault, and the states of two stations."""
    spoilt = replace(decision_of(Inspection(part="P1")), failures=(Failure.JUDGE_DOWN,), degraded=True)
    part = Inspection(part="P1", key="k", legacy=Verdict.NG, views=(View(name="top"),), sequence=7)
    seen = 9
    async with broker(tmp_path) as mosquitto, subscriber(mosquitto) as heard:
        options = source_options(mosquitto, tmp_path)
        async with running(options, Line()), machine(options) as inspector:
            await inspector.play(part)
        async with open_reporter(reporter_options(mosquitto)) as report:
            await report(spoilt)
        await until(lambda: len(heard.messages) >= seen - 1)
    kinds = set()
    for message in heard.messages:
        kind = message.topic.rpartition("/")[2]
        kinds.add(kind)
        model = DOCUMENTS.get(kind) or SHARED[kind]
        jsonschema.validate(json.loads(message.payload), model.model_json_schema())
    assert kinds == {"part", "answer", "result", "fault", "status"}
    assert all(message.topic.startswith(BASE) for message in heard.messages)
