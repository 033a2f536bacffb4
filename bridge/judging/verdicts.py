"""From what a worker says of pictures to judgements, whatever kind of bundle it runs.

A view is OK if its score is at least the threshold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bridge.health import count
from bridge.judging.asked import Picture
from bridge.judging.bundle import Bundle
from bridge.judging.frames import Heat, Opinion, Ready
from bridge.judging.golden import best_bad
from bridge.judging.hiring import BundleOptions, in_force, poison
from bridge.judging.relief import Post
from bridge.log import logger
from bridge.messages import Failure, HeatMap, Judgement, Verdict, View


class Bundled:
    """A judge: a loaded bundle's opinions as judgements."""

    def __init__(self, options: BundleOptions, model: Bundle, post: Post, ready: Ready) -> None:
        self.identity = model.identity
        """Name, version and short hash of the bundle."""
        self.ms_per_view = ready.ms_per_view
        """What one view alone takes, measured when the worker was warm, without handing it over."""
        self.best_bad = best_bad(model, ready.golden)
        """The highest p(OK) of its pictures known to be bad, if it has any; every threshold must be above it."""
        self._threshold = in_force(options, model)
        self._model, self._post = model, post
        self._too_low: set[float] = set()

    async def __call__(self, views: Sequence[View]) -> list[Judgement]:
        """Judge the views of one part together.

        Raises:
            Unavailable: the worker died or hung.
        """
        failures = [await self._unfit(view) for view in views]
        asked = [view for view, failure in zip(views, failures, strict=True) if failure is None]
        opinions = await self._post.judge([self._picture(view) for view in asked]) if asked else []
        _note_failures(asked, opinions)
        said = (self._judgement(view, one) for view, one in zip(asked, opinions, strict=True))
        return [next(said) if failure is None else self._failed(failure) for failure in failures]

    async def _unfit(self, view: View) -> Failure | None:
        """Return why the worker is not even asked."""
        if view.image is None:
            return Failure.IMAGE_MISSING
        if await poison.has(view.image):
            count("poison")
            logger(view=view.name).warning("not judged again", reason="a judge died over this very picture")
            return Failure.JUDGE_DOWN
        return None

    def _picture(self, view: View) -> Picture:
        manifest = self._model.manifest
        roi = view.roi or manifest.region(view.name)
        return Picture(view.image or b"", roi, manifest.reference(view.name), self._explain_below(view))

    def _explain_below(self, view: View) -> float | None:
        """Return the p(OK) below which it is wanted where the model looked; None: never."""
        del view
        return None

    def _threshold_of(self, view: View) -> float:
        return self._threshold if view.threshold is None else view.threshold

    def _failed(self, failure: Failure) -> Judgement:
        return Judgement(failure=failure, bundle=self._model.identity)

    def _judgement(self, view: View, opinion: Opinion) -> Judgement:
        if opinion.score is None:
            return Judgement(
                failure=opinion.failure or Failure.JUDGE_DOWN,
                bundle=self._model.identity,
                judge_ms=opinion.ms,
                picture=opinion.picture,
            )
        threshold = self._threshold_of(view)
        self._note_threshold(threshold)
        return Judgement(
            verdict=Verdict.OK if opinion.score >= threshold else Verdict.NG,
            score=opinion.score,
            threshold=threshold,
            label=self._label(opinion.top),
            bundle=self._model.identity,
            judge_ms=opinion.ms,
            boxes=opinion.boxes,
            heat_map=self._heat_map(opinion.heat) if opinion.heat else None,
            picture=opinion.picture,
        )

    def _heat_map(self, heat: Heat) -> HeatMap:
        label = self._label(heat.explains)
        return HeatMap(label=label, rows=heat.rows, columns=heat.columns, values=heat.values, corners=heat.corners)

    def _label(self, output: int) -> str:
        return self._model.manifest.classes[output].name

    def _note_threshold(self, threshold: float) -> None:
        """Say once of each threshold of a line that a part known to be bad would pass it."""
        if self.best_bad is not None and threshold <= self.best_bad and threshold not in self._too_low:
            self._too_low.add(threshold)
            count("threshold below known bad")
            tell = logger(model=self.identity)
            tell.warning(
                "a line's threshold lets a known bad part pass", threshold=threshold, known_bad=self.best_bad
            )


def _note_failures(views: Sequence[View], opinions: Sequence[Opinion]) -> None:
    """Count what was not judged, and say so in one line per kind of failure.

    A line for each view of a large panel would hold up the event loop, and with it every line, for a second.
    """
    failed = [(view, one) for view, one in zip(views, opinions, strict=True) if one.score is None]
    for failure, times in Counter(one.failure for _, one in failed).items():
        count(str(failure), times)
        view, one = next(pair for pair in failed if pair[1].failure is failure)
        logger(view=view.name).warning("view not judged", failure=str(failure), reason=one.why, views=times)
