"""Play bolts through a hot folder and print what became of the inspector's NG parts."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bridge.messages import Verdict
from bridge.simulate.factory import Stand, run_factory
from bridge.simulate.parts import bolts, inspected

HERE = Path(__file__).parent


async def main(parts: int = 40) -> Stand:
    """Play so many parts; return the line with all that happened."""
    played = inspected(await asyncio.to_thread(bolts, parts, defective=0.2), false_calls=0.2, escapes=0.0)
    with tempfile.TemporaryDirectory() as folder:
        (stand,) = await run_factory(HERE / "bridge.toml", Path(folder), {"press-2": played}, rate=4)
        figures = stand.figures(Path(folder) / "var")
    rechecked = [one for one in stand.shown if one.part.legacy is Verdict.NG]
    print(f"{len(stand.shown)} parts, {len(rechecked)} called NG by the inspector and re-checked")
    print(
        f"the MES was told {figures.mes_reported} of them; the PLC passed {sum(_passed(one) for one in rechecked)}"
    )
    return stand


def _passed(one: object) -> bool:
    taken = getattr(one, "taken", None)
    return bool(taken and taken.passed)


if __name__ == "__main__":
    asyncio.run(main())
