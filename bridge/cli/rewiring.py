"""What the electrician does when a line's verdict becomes the bridge's, or the inspector's again: a list to tick.

Pure: it reads the line's configuration and dials nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.config import Line
from bridge.messages import Goal
from bridge.plugin.discovery import Plugged, commands

_OURS = {Goal.CUT_FALSE_CALLS: "NG", Goal.CATCH_ESCAPES: "OK", Goal.REPLACE: "verdict"}
"""What of the inspector's must not reach PLC and MES by itself any more."""
_PARTS = {
    Goal.CUT_FALSE_CALLS: "each part that the inspector calls NG",
    Goal.CATCH_ESCAPES: "each part that the inspector calls OK",
    Goal.REPLACE: "each part",
}
_STAYS = {
    Goal.CUT_FALSE_CALLS: "its OK stays wired as it is",
    Goal.CATCH_ESCAPES: "its NG stays wired as it is",
    Goal.REPLACE: "it only triggers, and takes the pictures",
}
_PROOF = {
    Goal.CUT_FALSE_CALLS: "a good part that the inspector calls NG",
    Goal.CATCH_ESCAPES: "a bad part that the inspector calls OK",
    Goal.REPLACE: "one of each that the inspector gets wrong",
}
_LANES = (("realtime", "PLC"), ("guaranteed", "MES"))
_MAP_FLAGS = ("role", "command_address", "status_address", "word_order")

_LABEL = "Stop the line. Label every wire and every signal before it is moved, so that all of it can go back."
_WRITE_TEST = "Prove it with the gateway stopped: aoi-bridge check --write-test."
_NO_WIRE = "No wire of the verdict moves: everything goes through the bridge already, to {told}."
_BYPASS = (
    "PLC: fit a bypass for a dead bridge, if there is none: a key switch that a person turns lays the inspector's "
    "own verdict past the bridge to the PLC's input. Ready off or a missing heartbeat never turns it."
)
_NO_BYPASS = (
    "PLC: under goal 3 there is no bypass: nobody else has a verdict, so without a bridge the station stops."
)
_SILENCE = (
    "PLC program: a part without a verdict after {deadline_ms:g} ms is NG; without Ready, or without the bridge's "
    "heartbeat, the station stops. The bridge is no safety device: emergency stops stay outside of it."
)
_MOVED = (
    "{who}: the inspector's {ours} must not reach the {who} by itself any more; {stays}. The bridge tells the "
    "verdict on {parts}, by {told}."
)
_NOBODY = (
    "{who}: no [[line.reporter]] of the lane {lane} is there. If the {who} needs the verdict on {parts}, add one "
    "before the line goes live."
)
_RAMP = (
    "Only parts of {recipes} are live. Wires know no recipes: of every other one the bridge passes the verdict of "
    "the inspector on unchanged, and judges it in shadow."
)
_WITH_THE_LINE = (
    "Prove it with the line: a good part, a bad part, and {proof}; then pull the bridge's network cable: the "
    "station must stop or call NG, and never pass a part."
)
_UNTIL_BACK = (
    "Keep the line stopped until the wires are back: in shadow the bridge tells PLC and MES nothing, and the "
    "inspector's {ours} does not reach them by itself yet."
)


def going_live(line: Line) -> list[str]:
    """Return the steps of taking a line live, as it is configured now, a sentence or two each."""
    return [
        _LABEL,
        *(_tapped(line) if line.topology == "tap" else _inline(line)),
        *_maps(line),
        _SILENCE.format(deadline_ms=line.deadline_ms),
        *([_RAMP.format(recipes=", ".join(line.live_recipes))] if line.live_recipes else []),
        _WRITE_TEST,
        _WITH_THE_LINE.format(proof=_PROOF[Goal(line.goal)]),
        f'The way back: aoi-bridge stage {line.name} shadow --because "…", then the wires as they were labelled.',
    ]


def going_back(line: Line) -> list[str]:
    """Return the steps of taking a line back to shadow; it is configured as it was while it was live."""
    if line.topology == "inline":
        return ["Nothing is rewired: the bridge goes on forwarding, and the inspector's verdict passes unchanged."]
    ours = _OURS[Goal(line.goal)]
    return [
        _UNTIL_BACK.format(ours=ours),
        f"Wire it so that the inspector's {ours} reaches PLC and MES by itself again, as it was labelled.",
        "Prove it: a good part and a bad part, with the bridge's network cable pulled.",
    ]


def _tapped(line: Line) -> Iterator[str]:
    goal = Goal(line.goal)
    for lane, who in _LANES:
        told = " and ".join(_named(one) for one in line.reporter if one.options.lane == lane)
        said = {"who": who, "lane": lane, "parts": _PARTS[goal], "told": told}
        yield _MOVED.format(ours=_OURS[goal], stays=_STAYS[goal], **said) if told else _NOBODY.format(**said)


def _inline(line: Line) -> Iterator[str]:
    told = " and ".join(map(_named, line.reporter))
    yield _NO_WIRE.format(told=told or "nobody, for there is no [[line.reporter]]")
    yield _NO_BYPASS if Goal(line.goal) is Goal.REPLACE else _BYPASS


def _maps(line: Line) -> Iterator[str]:
    """Yield the command that prints the register map, for each reporter that has one."""
    known = commands()
    for told in line.reporter:
        if (command := f"{told.plugin.name}-map") in known:
            yield f"Registers of {told.options.name}: {' '.join(['aoi-bridge', command, *_flags(told)])}"


def _flags(told: Plugged) -> Iterator[str]:
    fields = type(told.options).model_fields
    for name in _MAP_FLAGS:
        if name in fields and (value := getattr(told.options, name)) != fields[name].default:
            yield f"--{name.replace('_', '-')} {value}"


def _named(told: Plugged) -> str:
    """Return a reporter by name, type and where its peer is."""
    options = told.options
    host, port = getattr(options, "host", ""), getattr(options, "port", "")
    where = getattr(options, "target", "") or (f"{host}:{port}" if host and port else host)
    return f"{options.name} ({', '.join(filter(None, (told.plugin.name, where)))})"
