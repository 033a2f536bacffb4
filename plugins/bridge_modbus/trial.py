"""How the contract kit sets the Modbus plugins up."""

from __future__ import annotations

from bridge.plugin import Place, Trial


def _plc(place: Place) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": place.port}


TRIGGERED = Trial(options=_plc, road="dials", acknowledges=False, under_way=1)
DIALLED = Trial(
    options=lambda place: {**_plc(place), "role": "server"}, road="listens", acknowledges=False, under_way=1
)
REGISTERS = Trial(options=_plc, road="dials")
PLACES = Trial(
    options=lambda place: {**_plc(place), "map": {"ok": "coil 0", "ng": "coil 1", "done": "coil 2"}}, road="dials"
)
"""An old program without the register map."""
