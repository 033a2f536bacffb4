"""How the contract kit sets a station up: a PLC that triggers, and a folder for a camera."""

from __future__ import annotations

from bridge.plugin import Place, Trial


def _station(place: Place) -> dict[str, object]:
    camera = {"name": "top", "kind": "folder", "path": str(place.folder), "trigger": "software"}
    return {
        "trigger": {"type": "modbus", "host": "127.0.0.1", "port": place.port},
        "camera": [{**camera, "timeout_ms": 2000}],
        "shoot_within_ms": 5000,
    }


TRIGGERED = Trial(options=_station, road="dials", acknowledges=False, under_way=1)
