"""Whatever happens in whatever order: what is owed is what was committed, less what was done or parked."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_samples import decision

from bridge.store import Journal, open_journal

LINES = st.sampled_from(["a", "b"])
REPORTERS = st.sampled_from(["mes", "erp", "old"])


class Outbox(RuleBasedStateMachine):
    journal: Journal

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.open = AsyncExitStack()
        self.owed: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self.parked: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.keys: dict[tuple[str, str], str] = {}

    @initialize()
    def begin(self) -> None:
        self.journal = self.runner.run(self.open.enter_async_context(open_journal(Path(self.folder.name))))

    @rule(line=LINES, reporters=st.sets(REPORTERS), key=st.none() | st.sampled_from(["k1", "k2", "k3"]))
    def commit(self, line: str, reporters: set[str], key: str | None) -> None:
        part = decision(line, key=key)
        answer = self.runner.run(self.journal.commit(part, sorted(reporters)))
        if key is not None and (line, key) in self.keys:
            assert answer.id == self.keys[line, key]
            return
        assert answer.id == part.id
        if key is not None:
            self.keys[line, key] = part.id
        for reporter in reporters:
            self.owed[line, reporter].append(answer.number)

    @rule(lines=st.lists(LINES, min_size=2, max_size=8))
    def commit_together(self, lines: list[str]) -> None:
        async def together() -> list[int]:
            answers = await asyncio.gather(*(self.journal.commit(decision(line), ["mes"]) for line in lines))
            return [answer.number for answer in answers]

        for line, number in zip(lines, self.runner.run(together()), strict=True):
            self.owed[line, "mes"].append(number)

    @precondition(lambda self: any(self.owed.values()))
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        lane = data.draw(st.sampled_from(sorted(lane for lane, owed in self.owed.items() if owed)))
        numbers = data.draw(st.sets(st.sampled_from(self.owed[lane])))

        async def accept() -> None:
            self.journal.done(*lane, sorted(numbers))

        self.runner.run(accept())
        self.owed[lane] = [number for number in self.owed[lane] if number not in numbers]

    @precondition(lambda self: any(self.owed.values()))
    @rule(data=st.data())
    def park(self, data: st.DataObject) -> None:
        lane = data.draw(st.sampled_from(sorted(lane for lane, owed in self.owed.items() if owed)))
        number = data.draw(st.sampled_from(self.owed[lane]))
        self.runner.run(self.journal.park(*lane, number, "refused"))
        self.owed[lane].remove(number)
        self.parked[lane] += 1

    @rule()
    def remove_a_reporter(self) -> None:
        known = {(line, reporter) for line in ("a", "b") for reporter in ("mes", "erp")}
        moved = self.runner.run(self.journal.park_orphans(known))
        gone = [lane for lane in self.owed if lane[1] == "old"]
        assert moved == sum(len(self.owed[lane]) for lane in gone)
        for lane in gone:
            self.parked[lane] += len(self.owed.pop(lane))

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.open.aclose())
        self.begin()

    @invariant()
    def what_is_owed_is_right(self) -> None:
        for lane in {*self.owed, *self.parked}:
            owed = self.runner.run(self.journal.owed(*lane, 0, 1000))
            assert [one.number for one in owed] == self.owed[lane]
            assert {one.decision.line for one in owed} <= {lane[0]}
        backlog = self.runner.run(self.journal.backlog())
        lanes = {*backlog, *self.owed, *self.parked}
        assert {lane: backlog.get(lane, (0, 0)) for lane in lanes} == {
            lane: (len(self.owed[lane]), self.parked[lane]) for lane in lanes
        }

    def teardown(self) -> None:
        self.runner.run(self.open.aclose())
        self.runner.close()
        self.folder.cleanup()


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
