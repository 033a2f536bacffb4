"""FB_AoiBridge of aoi_bridge.st, step by step in Python: CMD and STS are plain lists of registers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

CTRL_ENABLE, CTRL_TRIGGER, CTRL_RESULT_ACK, CTRL_ERROR_RESET, CTRL_BYPASS = 0x01, 0x02, 0x04, 0x08, 0x10
STS_ONLINE, STS_READY, STS_TRIGGER_ACK, STS_RESULTS_VALID = 0x01, 0x02, 0x04, 0x10
STS_OK, STS_NG, STS_ERROR = 0x20, 0x40, 0x80
VERDICT_OK = 1
BEAT, STALE, TRIGGER_TIMEOUT, QUIET_TIMEOUT = 0.5, 2.0, 0.5, 3.0
"""Seconds."""

CTRL, HEARTBEAT, SEQUENCE, RECIPE, LEGACY, DEADLINE_MS = 0, 1, 2, 3, 6, 7
PART_ID, SERIAL = slice(4, 6), slice(8, 24)
"""Places in CMD."""
SEQ_HEAD, HB_BRIDGE, STATUS, VERDICT, HB_ECHO, SEQ_TAIL = 0, 1, 2, 3, 14, 52
PART_ID_ECHO, SERIAL_ECHO = slice(4, 6), slice(20, 36)
"""Places in STS."""


class State(IntEnum):
    """The steps of the function block."""

    OFFLINE = 0
    RECIPE = 10
    READY = 20
    SHOWN = 30
    TRIGGERED = 40
    WAITING = 50
    LETTING_GO = 60


class Why(IntEnum):
    """Why a part was not passed."""

    NONE = 0
    NG = 1
    NOT_READY = 2
    NO_ACK = 3
    DEADLINE = 4
    DEAD = 5


@dataclass
class Ton:
    """The on-delay timer of IEC 61131-3."""

    since: float | None = None

    def __call__(self, *, enabled: bool, seconds: float, now: float) -> bool:
        """Return Q."""
        self.since = (now if self.since is None else self.since) if enabled else None
        return self.since is not None and now - self.since >= seconds


@dataclass
class AoiBridge:
    """FB_AoiBridge: set the inputs, call ``scan`` in every cycle, read the outputs."""

    cmd: list[int] = field(default_factory=lambda: [0] * 29)
    enable: bool = True
    part: bool = False
    error_reset: bool = False
    bypass: bool = False
    recipe: int = 0
    part_id: int = 0
    legacy: int = 0
    serial: str = ""
    deadline: float = 0.9

    ready: bool = False
    done: bool = False
    ok: bool = False
    alive: bool = False
    fault: bool = False
    why: Why = Why.NONE

    state: State = State.OFFLINE
    _state_before: State = State.OFFLINE
    _part_before: bool = False
    _recipe_shown: bool = False
    _last_beat: int = 0
    _beat: Ton = field(default_factory=Ton)
    _stale: Ton = field(default_factory=Ton)
    _deadline: Ton = field(default_factory=Ton)
    _step: Ton = field(default_factory=Ton)

    def scan(self, sts: list[int], now: float) -> None:
        """Run one cycle on STS as it was just read; CMD is to be written after it."""
        self._beats(sts, now)
        status = sts[STATUS]
        self.fault = not self.alive or not status & STS_ONLINE or bool(status & STS_ERROR)
        take = self.alive and bool(status & STS_ONLINE) and bool(status & STS_RESULTS_VALID) and self._ours(sts)
        passes = take and bool(status & STS_OK) and not status & STS_NG and sts[VERDICT] == VERDICT_OK

        starts = self.part and not self._part_before
        self._part_before = self.part
        if not self.part or starts:
            self.done, self.ok, self.why = False, False, Why.NONE
        late = self._deadline(enabled=self._under_way, seconds=self.deadline, now=now)
        patience = TRIGGER_TIMEOUT if self.state is State.TRIGGERED else QUIET_TIMEOUT
        long = self._step(enabled=self.state is self._state_before, seconds=patience, now=now)
        self._state_before = self.state

        self._move(sts, starts=starts, take=take, passes=passes, long=long)
        self._end_early(status, starts=starts, late=late)
        self.cmd[CTRL] = self._control(valid=bool(status & STS_RESULTS_VALID))
        self.ready = self.state is State.READY and not self.part and bool(status & STS_READY)

    def _beats(self, sts: list[int], now: float) -> None:
        if self._beat(enabled=True, seconds=BEAT, now=now):
            self._beat = Ton(now)
            if self.state is not State.RECIPE:
                self.cmd[HEARTBEAT] = following(self.cmd[HEARTBEAT])
        stale = self._stale(enabled=sts[HB_BRIDGE] == self._last_beat, seconds=STALE, now=now)
        if sts[HB_BRIDGE] != self._last_beat:
            self._last_beat, self.alive = sts[HB_BRIDGE], True
        elif stale:
            self.alive = False

    def _ours(self, sts: list[int]) -> bool:
        sequence = self.cmd[SEQUENCE]
        same = sequence != 0 and sts[SEQ_HEAD] == sts[SEQ_TAIL] == sequence
        return same and sts[PART_ID_ECHO] == self.cmd[PART_ID] and sts[SERIAL_ECHO] == self.cmd[SERIAL]

    @property
    def _under_way(self) -> bool:
        return State.SHOWN <= self.state <= State.WAITING

    def _move(self, sts: list[int], *, starts: bool, take: bool, passes: bool, long: bool) -> None:  # noqa: C901, PLR0912 - one CASE, as in the structured text
        """CASE iState OF."""
        status = sts[STATUS]
        match self.state:
            case State.OFFLINE if self.enable and not self.fault:
                self._recipe_shown, self.state = False, State.RECIPE
            case State.RECIPE:
                if not self._recipe_shown or self.cmd[RECIPE] != self.recipe:
                    self.cmd[RECIPE], self._recipe_shown = self.recipe, True
                    self.cmd[HEARTBEAT] = following(self.cmd[HEARTBEAT])
                elif sts[HB_ECHO] == self.cmd[HEARTBEAT]:
                    self.state = State.READY
            case State.READY if self.cmd[RECIPE] != self.recipe:
                self._recipe_shown, self.state = False, State.RECIPE
            case State.READY if starts and status & STS_READY:
                self._show()
                self.state = State.SHOWN
            case State.SHOWN:
                self.state = State.TRIGGERED
            case State.TRIGGERED | State.WAITING if take:
                self.done, self.ok, self.state = True, passes, State.LETTING_GO
            case State.TRIGGERED if status & STS_TRIGGER_ACK:
                self.state = State.WAITING
            case State.TRIGGERED if long:
                self.done, self.why, self.state = True, Why.NO_ACK, State.LETTING_GO
            case State.LETTING_GO if not self.part:
                if long or not status & (STS_RESULTS_VALID | STS_TRIGGER_ACK):
                    self.state = State.READY
            case _:
                pass

    def _show(self) -> None:
        self.cmd[PART_ID] = [self.part_id >> 16, self.part_id & 0xFFFF]
        text = self.serial.encode("ascii").ljust(32, b"\0")
        self.cmd[SERIAL] = [int.from_bytes(text[at : at + 2], "big") for at in range(0, 32, 2)]
        self.cmd[LEGACY] = self.legacy
        self.cmd[DEADLINE_MS] = round(self.deadline * 1000)
        self.cmd[SEQUENCE] = following(self.cmd[SEQUENCE])

    def _end_early(self, status: int, *, starts: bool, late: bool) -> None:
        if self.done and not self.ok and self.why is Why.NONE:
            self.why = Why.NG
        if self._under_way and (not self.enable or not self.alive or not status & STS_ONLINE):
            self.done, self.why, self.state = True, Why.DEAD, State.LETTING_GO
        elif self._under_way and late:
            self.done, self.why, self.state = True, Why.DEADLINE, State.LETTING_GO
        elif starts and self.state is not State.SHOWN:
            self.done, self.why = True, Why.NOT_READY
        if not self.enable or (self.fault and self.state < State.SHOWN):
            self.state = State.OFFLINE

    def _control(self, *, valid: bool) -> int:
        levels = {
            CTRL_ENABLE: self.enable,
            CTRL_TRIGGER: self.state in {State.TRIGGERED, State.WAITING},
            CTRL_RESULT_ACK: self.state is State.LETTING_GO and valid,
            CTRL_ERROR_RESET: self.error_reset,
            CTRL_BYPASS: self.bypass,
        }
        return sum(bit for bit, high in levels.items() if high)


def following(word: int) -> int:
    """F_AoiNext: the next of 1 to 65535."""
    return 1 if word == 0xFFFF else word + 1  # noqa: PLR2004 - the largest word
