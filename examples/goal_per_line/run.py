"""Play the same bolts on three lines and print what each goal made of them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bridge.simulate.factory import run_factory
from bridge.simulate.figures import Figures
from bridge.simulate.parts import bolts, inspected

HERE = Path(__file__).parent


async def main(parts: int = 40) -> list[Figures]:
    """Play so many parts on every line; return each line's figures."""
    played = inspected(await asyncio.to_thread(bolts, parts, defective=0.2), false_calls=0.15, escapes=0.25)
    lines = dict.fromkeys(("press-1", "press-2", "press-3"), played)
    with tempfile.TemporaryDirectory() as folder:
        stands = await run_factory(HERE / "bridge.toml", Path(folder), lines, rate=4)
        figures = [stand.figures(Path(folder) / "var") for stand in stands]
    for line in figures:
        print(
            f"{line.name}, goal {line.goal}, {line.stage}: false calls {line.false_calls_before} → "
            f"{line.false_calls_after}, escapes {line.escapes_before} → {line.escapes_after}"
        )
    return figures


if __name__ == "__main__":
    asyncio.run(main())
