"""A user's mistake is found before any network is touched, and says what stands there."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import bridge_tcp
from bridge_tcp import TcpReporterOptions, TcpSourceOptions
from bridge_tcp.codec import JsonParts, TextParts
from bridge_tcp.framing import Crlf, Fixed, StxEtx
from bridge_tcp.len32be import Len32be

FOLDER = Path(bridge_tcp.__file__).parent
SOURCE: dict[str, Any] = {"port": 9100, "pattern": "(?P<part>.*)"}
REPORTER: dict[str, Any] = {"name": "mes", "host": "mes", "port": 9200}


def mistake(model: type[TcpSourceOptions | TcpReporterOptions], **values: Any) -> tuple[str, str]:
    """Return the place and the text of the one mistake in these options."""
    with pytest.raises(ValidationError) as caught:
        model(**values)
    [error] = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


@pytest.mark.parametrize(
    ("values", "where", "found"),
    [
        ({"pattern": ""}, "pattern", "has no named group"),
        ({"pattern": "("}, "pattern", "is no regular expression"),
        ({"pattern": "(?P<verdikt>.*)"}, "pattern", "has the group 'verdikt', which means nothing"),
        ({"ignore": "("}, "ignore", "is no regular expression"),
        ({"encoding": "cp9490"}, "encoding", "is no code page"),
        ({"encoding": "hex"}, "encoding", "is no code page"),
        ({"encoding": "utf-16"}, "encoding", "does not keep ASCII"),
        ({"encoding": "cp037"}, "encoding", "does not keep ASCII"),
        ({"encoding": "utf-8-sig"}, "encoding", "does not keep ASCII"),
        ({"ok_words": []}, "ok_words", "at least 1"),
        ({"ng_words": ["NG", "pass"]}, "ng_words", "has 'pass', which stands in ok_words too"),
        ({"reply": "{part"}, "reply", "is no template"),
        ({"reply": "{parts}"}, "reply", "names the field {parts}, which does not exist"),
        ({"reply": "{part.__class__}"}, "reply", "which does not exist"),
        ({"reply": "{part!r}"}, "reply", "nests or converts"),
        ({"reply": "{part:{id}}"}, "reply", "nests or converts"),
        ({"reply": "{}"}, "reply", "names the field {}"),
        ({"framing": "len32be", "reply": "{part}"}, "reply", "len32be carries JSON only"),
        ({"framing": "csv"}, "framing", "'crlf'"),
        ({"port": 70_000}, "port", "65535"),
        ({"prot": 1}, "prot", "not permitted"),
    ],
)
def test_a_mistake_in_a_source_is_found(values: dict[str, Any], where: str, found: str) -> None:
    place, text = mistake(TcpSourceOptions, **(SOURCE | values))
    assert place == where
    assert found in text


@pytest.mark.parametrize(
    ("values", "where", "found"),
    [
        ({"template": "{part}"}, "template", "does not contain {id}"),
        ({"template": "{id} {views}"}, "template", "names the field {views}"),
        ({"template": "{id}", "framing": "len32be"}, "template", "carries JSON only"),
        ({"ack_pattern": "ACK"}, "ack_pattern", "has no group 'id'"),
        ({"ack_pattern": "(?P<id>.)(?P<x>.)"}, "ack_pattern", "has the group 'x'"),
        ({"host": "a b"}, "host", "pattern"),
    ],
)
def test_a_mistake_in_a_reporter_is_found(values: dict[str, Any], where: str, found: str) -> None:
    place, text = mistake(TcpReporterOptions, **(REPORTER | values))
    assert place == where
    assert found in text


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, Crlf),
        ({"framing": "stx_etx"}, StxEtx),
        ({"framing": "fixed"}, Fixed),
        ({"framing": "len32be"}, Len32be),
    ],
)
def test_each_connection_gets_a_framing_of_its_own(values: dict[str, Any], kind: type) -> None:
    options = TcpSourceOptions(**(SOURCE | values))
    first, second = options.framed(), options.framed()
    assert isinstance(first, kind)
    assert first is not second


def test_json_needs_no_pattern() -> None:
    assert isinstance(TcpSourceOptions(port=1, content="json").parts(), JsonParts)
    assert isinstance(TcpSourceOptions(port=1, framing="len32be").parts(), JsonParts)
    assert isinstance(TcpSourceOptions(**SOURCE).parts(), TextParts)


def test_a_source_listens_on_loopback_until_told_otherwise() -> None:
    assert TcpSourceOptions(**SOURCE).host == "127.0.0.1"


def test_the_sample_is_valid_and_stands_in_the_readme() -> None:
    """What a user copies works as it stands."""
    sample = (FOLDER / "sample.toml").read_text(encoding="utf-8")
    line = tomllib.loads(sample)["line"]
    assert line["source"].pop("type") == "tcp"
    TcpSourceOptions(**line["source"])
    [reporter] = line["reporter"]
    assert reporter.pop("type") == "tcp"
    TcpReporterOptions(**reporter)
    assert f"```toml\n{sample}```" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("model", "part"), [(TcpSourceOptions, "source"), (TcpReporterOptions, "reporter")])
def test_the_sample_names_every_option_with_its_default(model: type[TcpSourceOptions], part: str) -> None:
    """Commented lines, once uncommented, are the defaults."""
    text = (FOLDER / "sample.toml").read_text(encoding="utf-8")
    blocks = {"source": text.split("[[line.reporter]]")[0], "reporter": text.split("[[line.reporter]]")[1]}
    named = {line.lstrip("# ").split(" = ")[0] for line in blocks[part].splitlines() if " = " in line}
    assert set(model.model_fields) - {"home"} <= named
