"""The whole road: an inspector's table, the gateway in a process of its own, an MES's table, on one PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sql_kit import DETAIL_COLUMNS, PATIENCE_SECONDS, Place, until

from bridge.config import load
from bridge.plugin import Inspection, Unavailable, Verdict, View
from bridge.plugin.trial import grey
from bridge.simulate.factory import DEMO_BUNDLE, open_bridge, open_neighbours

TOML = """
data = "var"

[http]
port = 0

[judge.bolts]
type = "classifier"
model = "{bundle}"

[[line]]
name = "smt-3"
goal = 1
stage = "live"
live_because = "a test, no real line"
shadow.guard_share = 0
topology = "inline"
judge = "bolts"

[line.source]
type = "sql"
url = "{url}"
user = "aoi"
table = "TB_AOIResult"
columns = {{ id = "ResultID", part = "Barcode", verdict = "Result" }}
ok_words = ["0"]
ng_words = ["1"]
complete_column = "EndTime"
details = {details}
images = "share"
image_prefix = 'D:\\\\AOI'

[[line.reporter]]
type = "sql"
name = "mes"
url = "{url}"
user = "aoi"
table = "decisions"
"""


async def test_every_row_has_its_decision_in_the_mes(postgresql: Place, tmp_path: Path) -> None:
    """But those that lay there at the very first start; also those that came while the gateway was killed."""
    details = ", ".join(f'{name} = "{column}"' for name, column in DETAIL_COLUMNS.items())
    text = TOML.format(url=postgresql.url, bundle=DEMO_BUNDLE, details=f"{{ {details} }}")
    path = tmp_path / "bridge.toml"
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    async with open_neighbours(await asyncio.to_thread(load, path), tmp_path / "neighbours") as [stand]:
        assert stand.mes is not None
        for first, live, last, told in ((0, 4, 6, 2), (6, 10, 12, 8)):
            await play(stand.inspector, first, live)
            async with open_bridge(path) as bridge:
                await play(stand.inspector, live, last)
                await until(lambda least=told: stand.told() >= least)  # type: ignore[misc]
                bridge.kill()
                await bridge.wait()
    names = sorted(str(document["part"]) for document in stand.mes.documents.values())
    assert names == sorted(f"P{number}" for number in range(4, 12))
    assert {document["verdict"] for document in stand.mes.documents.values()} <= {"OK", "NG"}


async def play(inspector: object, first: int, last: int) -> None:
    """Play parts, as a machine does that waits for its database."""
    for number in range(first, last):
        view = View(name="top", image=grey(number), legacy=Verdict.OK)
        part = Inspection(part=f"P{number}", legacy=Verdict.OK, views=(view,))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    await inspector(part)  # type: ignore[operator]
                except Unavailable:
                    await asyncio.sleep(0.02)
                else:
                    break
