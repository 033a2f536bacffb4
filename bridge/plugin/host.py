"""What a plugin may ask of the line that it works for, beside handing in parts.

Most plugins need none of it. Those that show the line's state to a machine (a PLC's Ready and Error bits) or take
a machine's wishes (an error reset, a bypass) find their line with ``host()``: call it once, in the opener. Outside
of a gateway, in a unit test say, ``host()`` is a line that is always ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from bridge.log import logger


class Host(Protocol):
    """The line that a plugin works for. Nothing here waits."""

    @property
    def name(self) -> str:
        """The line's name; empty outside of a gateway."""
        ...

    @property
    def error(self) -> bool:
        """Whether too many fallbacks came in a row; stays until a part goes well or somebody resets it."""
        ...

    @property
    def link_ok(self) -> bool:
        """Whether the line's source is open, so that the inspector can be heard."""
        ...

    @property
    def shadow(self) -> bool:
        """Whether the line changes nothing."""
        ...

    def ready(self, recipe: str = "") -> bool:
        """Return whether a part of this recipe would be answered as planned now.

        That is: the judge of the recipe is open and the line is not in error, or a bypass is in force, or the line
        is a shadow. A recipe that the line does not know is answered by its failure row, which is as planned.
        """
        ...

    def reset(self) -> None:
        """Clear the error, on an operator's word; audited."""
        ...

    def bypass(self, *, wanted: bool) -> bool:
        """Say that the machine asks for a bypass, or does not any more; return whether one is in force now.

        Only one that the configuration approves comes into force, for its time; every change is audited.
        """
        ...

    def audit(self, what: str, *, old: str = "", new: str = "", why: str = "") -> None:
        """Put something that a quality engineer must know into the audit log, under the plugin's name."""
        ...


class _Alone:
    """The line of a plugin that runs outside of a gateway."""

    name = ""
    error = False
    link_ok = True
    shadow = False

    def ready(self, recipe: str = "") -> bool:  # noqa: ARG002 - the protocol's parameter
        return True

    def reset(self) -> None:
        return None

    def bypass(self, *, wanted: bool) -> bool:  # noqa: ARG002 - the protocol's parameter
        return False

    def audit(self, what: str, *, old: str = "", new: str = "", why: str = "") -> None:
        logger().warning("audited", what=what, old=old, new=new, why=why)


_host: ContextVar[Host] = ContextVar("host")
_ALONE = _Alone()


def host() -> Host:
    """Return the line that the plugin works for which is being opened."""
    return _host.get(_ALONE)


@contextmanager
def hosted(line: Host) -> Iterator[None]:
    """Let everything inside, and tasks started inside, work for this line."""
    token = _host.set(line)
    try:
        yield
    finally:
        _host.reset(token)
