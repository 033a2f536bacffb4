"""What became of each view of a part, as the journal keeps it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.messages import Inspection, Judgement, ViewDecision


def view_decisions(
    part: Inspection,
    judged: Mapping[int, Judgement],
    digests: Mapping[int, str],
    finals: Sequence[object] = (),
) -> tuple[ViewDecision, ...]:
    """Return one row per view: what the inspector said, what was judged, which picture it was."""
    return tuple(
        ViewDecision(
            name=view.name,
            legacy=view.legacy,
            defect=view.defect,
            image=digests.get(index, ""),
            judgement=judged.get(index),
            final=finals[index] if index < len(finals) else None,  # type: ignore[arg-type]
        )
        for index, view in enumerate(part.views)
    )


def bundle_of(judged: Mapping[int, Judgement]) -> str:
    """Return the bundle that judged, empty where none did."""
    return next((judgement.bundle for judgement in judged.values() if judgement.bundle), "")
