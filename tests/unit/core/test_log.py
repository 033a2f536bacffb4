"""Log lines: readable or JSON, and never the reason why a part goes unanswered."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from bridge import log


@pytest.mark.parametrize("form", ["console", "json"])
def test_facts_stand_in_the_line(form: Any) -> None:
    stream = io.StringIO()
    log.configure(form, "info", stream)
    log.logger(line="smt-3").warning("plugin down", plugin="plc")
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert all(word in text for word in ("smt-3", "plugin down", "plc"))


def test_a_fact_that_says_nothing_is_left_out() -> None:
    """A shared judge has no line, and what is up has no error; zero is a fact."""
    stream = io.StringIO()
    log.configure("json", "info", stream)
    log.logger(line="", plugin="pins").info("plugin up", error="", waiting=0, late=False)
    said = json.loads(stream.getvalue())
    assert said.keys() == {"event", "level", "timestamp", "plugin", "waiting", "late"}


def test_json_is_one_object_a_line_with_the_traceback_in_it() -> None:
    stream = io.StringIO()
    log.configure("json", "info", stream)
    log.logger().error("failed", exc_info=ValueError("Prüfung"), image=b"\x00")
    said = json.loads(stream.getvalue())
    assert (said["event"], said["level"]) == ("failed", "error")
    assert "ValueError: Prüfung" in said["exception"]


def test_a_traceback_on_the_console_needs_no_look_at_the_disk_for_colours() -> None:
    stream = io.StringIO()
    log.configure("console", "info", stream)
    log.logger().error("failed", exc_info=ValueError("a bug"))
    assert stream.getvalue().endswith("ValueError: a bug\n")


def test_lines_below_the_level_cost_nothing() -> None:
    stream = io.StringIO()
    log.configure("json", "warning", stream)
    log.logger().info("chatter")
    assert stream.getvalue() == ""


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(text)

    def flush(self) -> None:
        raise ValueError("closed")


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_reader_that_has_gone_costs_a_line_of_log_and_no_more(form: Any) -> None:
    log.configure(form, "info", Gone())
    log.logger().error("nobody reads this")


def test_what_libraries_log_comes_in_the_same_form() -> None:
    """A collector of JSON lines must not stumble over a warning of a library."""
    stream = io.StringIO()
    for _ in range(2):
        log.configure("json", "info", stream)
    logging.getLogger("filelock.api").warning("Repeating\n....")
    logging.getLogger("asyncio").info("chatter")
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"], said["library"]) == ("Repeating ....", "warning", "filelock")


def test_a_librarys_traceback_is_kept() -> None:
    stream = io.StringIO()
    log.configure("json", "info", stream)
    logging.getLogger("asyncio").error("never retrieved", exc_info=ValueError("a bug"))
    assert "ValueError: a bug" in json.loads(stream.getvalue())["exception"]
