"""The kit's contract, held by joined roads."""

from __future__ import annotations

from pathlib import Path

from bridge.plugin import Place
from bridge.plugin.testkit import contract
from bridge_join import JoinOptions
from bridge_join.trial import ROADS

# The plugins inside are found on the disk once, before any loop runs, as when a file is read.
JoinOptions.model_validate(ROADS.options(Place(Path("nowhere"), 9100)))

test_the_source_keeps_the_contract = contract("source", "join")
