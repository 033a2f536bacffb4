"""``aoi-bridge check`` for a judge: its bundle loads, and one view of it fits into the deadline."""

from __future__ import annotations

import asyncio

from bridge.judging import bundle
from bridge.judging.classifier import ClassifierOptions, workload
from bridge.judging.host import start
from bridge.plugin import Finding


async def check(
    options: ClassifierOptions, *, write_test: bool = False, budget_ms: float | None = None
) -> list[Finding]:
    """Load and warm the bundle in a worker of its own, and hold its measured time against the tightest line.

    Args:
        options: the judge's options; ``home`` is the models folder.
        write_test: means nothing to a judge.
        budget_ms: what the tightest of its lines leaves the judge for one view, in milliseconds.

    Raises:
        ConfigError: there is no such bundle, a hash differs, or it cannot run here.
        Unavailable: the worker died or was not ready in time.
    """
    del write_test
    async with start(options.hang_ms) as worker:
        model = await asyncio.to_thread(bundle.load, bundle.locate(options.home, options.model))
        ready = await worker.load(workload(options, model), options.start_seconds)
    loads = Finding("model loads", good=True, said=f"{model.identity}, precision {model.manifest.precision}")
    said = f"{ready.ms_per_view:.1f} ms a view"
    if budget_ms is None:
        return [loads, Finding("meets the deadline", good=None, said=f"{said}; no line asks this judge")]
    fits = ready.ms_per_view <= budget_ms
    said = f"{said}, the tightest line leaves {budget_ms:.0f} ms"
    return [loads, Finding("meets the deadline", good=fits, said=said)]
