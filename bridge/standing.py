"""How one line stands, as its plugins may see and change it: ready or not, in error, bypassed.

The implementation of ``bridge.plugin.Host``. What it is asked is cheap and never waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.bypass import Audit, Bypass
from bridge.clock import Clock
from bridge.config import Line as LineConfig
from bridge.fallbacks import Fallbacks
from bridge.health import current
from bridge.judging.turns import Turns
from bridge.messages import Stage


class Standing:
    """One line's state."""

    def __init__(
        self,
        config: LineConfig,
        judges: Mapping[str, Turns],
        fallbacks: Fallbacks,
        clock: Clock,
        audit: Audit,
    ) -> None:
        self.bypassed = Bypass(config, clock, audit)
        self.linked: Callable[[], bool] = lambda: True
        """Says whether the source is open; set by whoever opens it."""
        self.lowered = ""
        """Why the line fell back to shadow by itself; empty where it did not."""
        self.held = ""
        """Why Ready is dropped until somebody resets the line; empty where it is not."""
        self._config, self._judges, self._fallbacks, self._audit = config, judges, fallbacks, audit

    @property
    def name(self) -> str:
        """The line's name."""
        return self._config.name

    @property
    def error(self) -> bool:
        """Whether too many fallbacks came in a row."""
        return self._fallbacks.error

    @property
    def link_ok(self) -> bool:
        """Whether the source is open."""
        return self.linked()

    @property
    def shadow(self) -> bool:
        """Whether the line changes nothing."""
        return self._config.stage == "shadow" or bool(self.lowered)

    def ready(self, recipe: str = "") -> bool:
        """Return whether a part of this recipe would be answered as planned now."""
        if self.shadow or self.bypassed.in_force:
            return True
        if self.held:
            return False
        if not self._config.knows(recipe) or self._config.stage_of(recipe) is Stage.SHADOW:
            return not self.error
        return not self.error and self._judges[self._config.judge_of(recipe)].open

    def reset(self) -> None:
        """Clear the error, and what else drops Ready, and say so in the audit log."""
        if self.held:
            self.audit("Ready dropped", old="not ready", new="ready", why=f"reset after: {self.held}")
            self.held = ""
        if self.error:
            self._fallbacks.reset()
            self.audit("error reset", old="error", new="none")

    def bypass(self, *, wanted: bool) -> bool:
        """Say that the running plugin's machine wants a bypass; return whether one is in force."""
        return self.bypassed.want(current()[1], wanted=wanted)

    def audit(self, what: str, *, old: str = "", new: str = "", why: str = "") -> None:
        """Put something into the audit log under the running plugin's name."""
        self._audit(what, old=old, new=new, why=why, who=current()[1])
