"""Every rule of the kit holds for a sound plugin, and fails for one with the flaw that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import flawed_judge
import flawed_labels
import flawed_reporter
import flawed_source
import pytest
from flawed_judge import HarmlessOptions, judge
from flawed_labels import labels
from flawed_reporter import reporter
from flawed_source import UNANSWERED, source

from bridge.plugin.testkit import RULES, Outcome, Subject, prove

Make = Callable[[], Subject]


def unanswered() -> Subject:
    """The source on a road without answers."""
    return source(UNANSWERED)


FOUND: list[tuple[Make, str, str, str]] = [
    (
        source,
        "building-is-quiet",
        "reads a file while it is checked",
        "before it was opened it opened /etc/hostname",
    ),
    (source, "port-taken", "lets OSError out", "not Unavailable"),
    (source, "closes-clean", "leaves a thread", "the thread 'left-over' runs on"),
    (source, "cancelled-anywhere", "leaves a task", "the task 'left-over'"),
    (source, "cancelled-anywhere", "swallows its cancellation", "it went on as if it had not been cancelled"),
    (source, "cancelled-anywhere", "closes slowly", "was not closed 0.5 s later"),
    (source, "nothing-blocks-the-loop", "blocks", "time.sleep blocks the event loop, called at flawed_source.py"),
    (source, "part-arrives", "turns NG into OK", "a part handed over as NG arrived as OK"),
    (source, "part-arrives", "hands in twice", "was handed over once and arrived 2 times"),
    (source, "silence-is-not-ok", "takes silence for OK", "a part without a verdict arrived as OK"),
    (source, "answer-is-the-decision", "answers the old verdict", "the line turned NG into OK"),
    (source, "unrecorded-is-unanswered", "answers what is not recorded", "answered OK for a part that was not"),
    (source, "key-is-the-presentation", "has one key for all", "two presentations came under one key"),
    (source, "back-pressure", "takes any number of connections", "16 parts were under way at once; at most 8"),
    (source, "cut-anywhere", "takes a packet for a part", "in 2 s there was no part"),
    (unanswered, "glued", "takes the first of a packet", "in 2 s there was no part"),
    (source, "slow", "is impatient", "could not be handed over in 2 s"),
    (source, "garbage", "dies of garbage", "RuntimeError: what is this"),
    (source, "garbage", "takes anything for an OK", "with the verdict OK"),
    (source, "cut-off", "takes half a line", "cut off after byte"),
    (
        source,
        "peer-lost",
        "cancels the part of who has gone",
        "no decision on the part of an inspector that has gone",
    ),
    (reporter, "peer-away", "lets OSError out", "not Unavailable"),
    (reporter, "peer-silent", "waits for a greeting", "opening with a silent peer took longer than 3 s"),
    (reporter, "accepted-is-taken", "sends nothing", "the MES has no document of this id"),
    (reporter, "no-verdict-is-not-ok", "tells nothing as OK", "a decision without a verdict was told as OK"),
    (reporter, "told-again-is-the-same", "counts what it tells", "told again, times was"),
    (reporter, "lost-acknowledgement", "does not wait", "was taken for accepted"),
    (reporter, "refused-is-parked", "takes a refusal for accepted", "what the MES refused was taken for accepted"),
    (reporter, "refused-is-parked", "retries what is refused", "of a refusal it says try again, not Refused"),
    (reporter, "troubled-peer", "has no timeout", "noticing a peer that stalled took longer than 1.5 s"),
    (reporter, "idle-loss", "takes an error for accepted", "was taken for accepted, and the MES has none"),
    (reporter, "several-at-once", "does not take turns", "another coroutine is already waiting"),
    (reporter, "deaf-peer", "has no timeout", "noticing a peer that does not read took longer than 1.5 s"),
    (reporter, "late-is-never", "tells what is late", "a decision that had expired was told"),
    (judge, "judgement-for-each-view", "forgets one", "returned 0 judgements"),
    (judge, "judgement-for-each-view", "answers in another order", "of 16 was judged"),
    (judge, "judgement-for-each-view", "is of two minds", "it must have one of them"),
    (judge, "unreadable-picture", "takes nonsense for a picture", "a picture that is none was judged OK"),
    (judge, "judged-again-is-the-same", "changes its mind", "one picture was judged"),
    (judge, "judgement-says-whose", "names no model", "its judgement has no bundle"),
    (judge, "judgement-says-whose", "ignores a view's threshold", "was judged by 0.5"),
    (labels, "label-arrives", "turns NG into OK", "arrived as (<Verdict.OK"),
    (labels, "label-unwritten-comes-again", "acknowledges too early", "there was no label on"),
    (labels, "label-key-is-stable", "numbers what comes", "the same label came as"),
    (judge, "process-lost", "lets OSError out", "not Unavailable"),
]
ALL_FLAWS = (flawed_source.FLAWS, flawed_reporter.FLAWS, flawed_judge.FLAWS, flawed_labels.FLAWS)


@pytest.fixture(autouse=True)
def _sound_again() -> Iterator[None]:
    yield
    for flaws in ALL_FLAWS:
        flaws.clear()
    flawed_source.STOP.set()
    flawed_source.STOP.clear()


@pytest.mark.parametrize(
    ("make", "rule"), sorted({(make, rule) for make, rule, _, _ in FOUND}, key=lambda pair: pair[1])
)
def test_a_sound_plugin_keeps_the_rule(make: Make, rule: str) -> None:
    """What fails below fails for its flaw, and for nothing else."""
    found = prove(RULES[rule], make())
    assert found.outcome is Outcome.HOLDS, found.said


@pytest.mark.parametrize(("make", "rule", "flaw", "said"), FOUND)
def test_a_flaw_is_found_and_named(make: Make, rule: str, flaw: str, said: str) -> None:
    for flaws in ALL_FLAWS:
        flaws.add(flaw)
    found = prove(RULES[rule], make())
    assert found.outcome is Outcome.FAILS, found.said
    assert said in found.said


def test_a_harmless_option_must_exist() -> None:
    assert prove(RULES["pinned-is-the-same"], judge()).outcome is Outcome.HOLDS
    found = prove(RULES["pinned-is-the-same"], judge(HarmlessOptions))
    assert "harmless names nothing_like_it" in found.said


def test_a_rule_that_says_nothing_about_a_plugin_is_told_with_the_reason() -> None:
    """Not left out in silence, and not called missing."""
    whole = source()
    assert whole.trial is not None
    told = replace(whole, trial=replace(whole.trial, unfit={"garbage": "its road knows none"}))
    found = prove(RULES["garbage"], told)
    assert (found.outcome, found.said) == (Outcome.UNFIT, "its road knows none")


def test_every_rule_is_tried_on_a_flaw() -> None:
    """A rule that no plugin can fail is no rule; options have tests of their own."""
    tried = {rule for _, rule, _, _ in FOUND} | {"pinned-is-the-same"}
    assert {name for name in RULES if not name.startswith("options-")} == tried
