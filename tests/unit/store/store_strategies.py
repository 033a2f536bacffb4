"""Any decision and any second record, for property tests of the store."""

from __future__ import annotations

from hypothesis import strategies as st
from store_samples import fresh_id

from bridge.messages import (
    Box,
    Decision,
    Failure,
    Goal,
    HeatMap,
    Judgement,
    Origin,
    PictureFacts,
    Spot,
    Stage,
    Verdict,
    ViewDecision,
)
from bridge.store import Second, Stratum

texts = st.text(st.characters(), max_size=20)
"""Any text, halves of surrogate pairs included: file names of old machines come so."""
floats = st.floats(allow_nan=False).map(lambda value: value + 0.0)  # -0.0 + 0.0 is 0.0
verdicts = st.none() | st.sampled_from(Verdict)
failures = st.lists(st.sampled_from(Failure), max_size=12).map(tuple)
hashes = st.just("") | st.binary(min_size=32, max_size=32).map(bytes.hex)

corners = st.tuples(floats, floats)
heat_maps = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda size: st.builds(
        HeatMap,
        label=texts,
        rows=st.just(size[0]),
        columns=st.just(size[1]),
        values=st.binary(min_size=size[0] * size[1], max_size=size[0] * size[1]),
        corners=st.tuples(corners, corners, corners, corners),
    )
)
sides = dict.fromkeys(["cx", "cy", "w", "h"], floats)
boxes = st.builds(Box, **sides)
spots = st.builds(Spot, **sides, label=texts, score=st.none() | floats, area=st.none() | floats)
judgements = st.builds(
    Judgement,
    verdict=verdicts,
    failure=st.none() | st.sampled_from(Failure),
    score=st.none() | floats,
    threshold=st.none() | floats,
    label=texts,
    bundle=texts,
    judge_ms=floats,
    boxes=st.lists(boxes | spots, max_size=3).map(tuple),
    heat_map=st.none() | heat_maps,
    picture=st.none() | st.builds(PictureFacts, brightness=floats, contrast=floats, sharpness=floats),
)
views = st.builds(
    ViewDecision,
    name=texts,
    legacy=verdicts,
    defect=texts,
    image=hashes,
    judgement=st.none() | judgements,
    final=verdicts,
)
decisions = st.builds(
    Decision,
    id=st.builds(fresh_id),
    line=texts.filter(bool),
    goal=st.sampled_from(Goal),
    stage=st.sampled_from(Stage),
    part=texts,
    key=st.none() | st.builds(lambda text: f"{fresh_id()} {text}", texts),
    recipe=texts,
    legacy=verdicts,
    model=verdicts,
    operator=verdicts,
    final=verdicts,
    origin=st.sampled_from(Origin),
    failures=failures,
    degraded=st.booleans(),
    error=st.booleans(),
    views=st.lists(views, max_size=4).map(tuple),
    backlog=st.booleans(),
    rechecked=st.booleans(),
    expires=floats,
    sequence=st.none() | st.integers(1, 65535),
    bundle=texts,
    config=texts,
    event_at=floats,
    latency_ms=floats,
    judge_ms=floats,
    said=verdicts,
    defect=texts,
    ng_views=st.none() | st.integers(0, 1 << 40),
    lot=texts,
    counter=st.none() | st.integers(0, 2**63 - 1),
)
seconds = st.builds(
    Second,
    id=st.builds(fresh_id),
    kind=st.sampled_from(("shadow", "late", "answered", "guard")),
    at=floats,
    model=verdicts,
    goals=st.dictionaries(st.sampled_from(Goal), verdicts),
    failures=failures,
    views=st.lists(views, max_size=3).map(tuple),
    bundle=texts,
    judge_ms=floats,
    final=verdicts,
    origin=st.none() | st.sampled_from(Origin),
    error=st.booleans(),
    fallbacks=st.dictionaries(st.sampled_from(Goal), verdicts),
    in_time=st.none() | st.booleans(),
    stratum=st.none() | st.sampled_from(Stratum),
    chance=st.none() | floats,
    drawn=st.booleans(),
)
