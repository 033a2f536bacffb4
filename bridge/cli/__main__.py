"""The command's very first lines, also as ``python -m bridge.cli``."""

import io
import signal
import sys

_LONG = (["train"], ["compare"], ["adapt"], ["data"], ["evaluate"], ["calibrate"], ["cam"])
"""What works for minutes or hours, on all cores, on a machine that may also run a line."""


def main() -> int:
    """Run the command; a gateway that is told to stop while it still starts stops as cleanly as later."""
    if sys.argv[1:2] == ["run"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if sys.argv[1:2] in _LONG:
        from bridge.priority import yield_to_the_line  # noqa: PLC0415 - before anything starts a thread

        yield_to_the_line()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows only ASCII shows the rest as escapes
            stream.reconfigure(errors="backslashreplace")
    from bridge.cli.main import main as command  # noqa: PLC0415 - it takes half a second, in which the word may come

    return command()


if __name__ == "__main__":
    sys.exit(main())
