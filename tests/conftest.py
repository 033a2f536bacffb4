"""What every test has: no blocking call in the event loop, and a hypothesis that forgives a busy machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TextIO, cast

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings
from plant_tls import Plant, make_plant

from bridge.log import configure

# A shared machine stalls for longer than any deadline per example; pytest-timeout watches the test as a whole.
settings.register_profile("bridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bridge")

PLUGINS = Path(__file__).parents[1] / "plugins"


def _installed(adapter: str) -> bool:
    """Return whether an adapter has what it needs; training has an environment without the adapters' extras."""
    try:
        import_module(adapter)
    except ModuleNotFoundError as exc:
        return exc.name is not None and exc.name.startswith("bridge")  # ours must be there, whatever is not
    return True


OURS = ["bridge", *(path.name for path in PLUGINS.glob("bridge_*") if _installed(path.name))]


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """An authority and what it signed."""
    return make_plant(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _logs() -> None:
    """Log as the gateway does, to the test's own standard error."""
    configure(level="debug", stream=cast("TextIO", _StandardError()))


class _StandardError:
    """Whatever standard error is at the moment of writing; pytest changes it for each test."""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


@pytest.fixture(autouse=True)
def _nothing_blocks(_logs: None) -> Iterator[None]:
    """Fail a test in which code of ours blocks the event loop: a file, a sleep, a lock, a name look-up."""
    with blockbuster_ctx(OURS) as blockbuster:
        for name, file, functions in ALLOWED:
            blockbuster.functions[name].can_block_in(file, functions)
        for function in blockbuster.functions.values():
            for file, names in SYNCHRONOUS.items():
                function.can_block_in(file, names)
        yield


SYNCHRONOUS = {
    "bridge/store/reading.py": {"_look", "lines", "decisions", "decision", "seconds", "reports", "outbox"},
    "bridge/store/images.py": {"path", "read"},
    "bridge/judging/bundle.py": {"write", "make_live"},
    "bridge/simulate/factory.py": {"run_factory", "open_bridge", "open_neighbours"},
}
"""What blocks by its own word, for commands and simulators; the gateway does not call it, but a test may."""

LOCKING = ("os.stat", "os.mkdir", "os.unlink", "os.access", "os.path.abspath", "os.path.islink")
ALLOWED = [
    # Once, before the first part and after the last one: a handful of calls on the data folder.
    *((name, "bridge/store/lock.py", {"lock"}) for name in LOCKING),
    # A log line goes to a stream that the operating system buffers.
    ("io.TextIOWrapper.write", "bridge/log.py", {"write", "flush"}),
]
