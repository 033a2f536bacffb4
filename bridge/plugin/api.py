"""The contract between the host and a plugin: one options model, one opener, one verb.

A plugin translates between a peer's protocol and the bridge's messages. The host owns everything else: retry
and back-off, order, lanes, deadlines, health and the journal.

An entry point is an *opener*: an async context manager that takes the plugin's options and yields its verb.
The entry point's group says the kind (``aoi_bridge.sources``, ``aoi_bridge.reporters``, ``aoi_bridge.judges``,
``aoi_bridge.labels``) and the annotation of its only parameter names the options model::

    @asynccontextmanager
    async def open_reporter(options: MyOptions) -> AsyncIterator[Report]:
        reader, writer = await dial(options)          # may raise Unavailable: the host tries again
        async def report(decision: Decision) -> str | None:
            ...
        yield report                                  # on Unavailable the host closes and opens anew

Rules that hold for every plugin:

- Opening touches the network, building options never does.
- Every dial, read and goodbye has a timeout; cancellation passes through.
- ``Unavailable`` from an opener or a verb means: close me, wait, open me again. Background tasks of a plugin
  (a heartbeat, say) live in a task group inside the opener and may raise it too.
- Library errors are translated once, at the edge, with ``from exc``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from bridge.labels import Label
from bridge.messages import Decision, Inspection, Judgement, View

Fetch: TypeAlias = Callable[[View], Awaitable[bytes]]
"""Brings an image that is still on its way; called inside the deadline, only for views to be judged."""


class Inspect(Protocol):
    """The host's side of a source: hand in a part, get the decision."""

    async def __call__(self, part: Inspection, fetch: Fetch | None = None) -> Decision:
        """Return the decision by the part's deadline, always.

        It is durable, and the part may be acknowledged, unless ``decision.recorded`` is False. Call it as
        soon as the part exists; cancelling the wait never cancels the part.
        """
        ...


Source: TypeAlias = Callable[[Inspect], Awaitable[None]]
"""Feeds parts until cancelled, and may answer its peer with the decision.

It returns only when there will never be another part (a finished recording); the host then keeps it as ended.
"""

Report: TypeAlias = Callable[[Decision], Awaitable[str | None]]
"""Tells one decision; returning means accepted.

It may return a note for the journal, for instance the PLC's own number of the part (``CMD_SEQ 4711``): a few words
by which the peer's records are found, kept with a realtime report.

Raises:
    Unavailable: the peer is away; a guaranteed delivery is tried again, a realtime one is over.
    Refused: the peer will never take this one; it is parked with the reason.
"""

Judge: TypeAlias = Callable[[Sequence[View]], Awaitable[Sequence[Judgement]]]
"""Judges views of one part together, at most 16 at once; returns as many judgements, in the same order.

A view's image is present. Cancelled when the answer would come too late.

It may say more of itself: ``identity: str`` names what judges (as in ``Judgement.bundle``), and ``ms_per_view:
float`` is what one view took when it was warm; a judge that is too slow for its lines is then refused at a reload.

Raises:
    Unavailable: the judge is away; every view is then a failure ``judge down``.
"""

Tell: TypeAlias = Callable[[Sequence[Label]], Awaitable[None]]
"""The host's side of a label road: hand in what people said; returning means that it is on the disk.

Then, and only then, its peer may be told so. A label whose key is known stays as it was told first. Cancelling the
wait never cancels the writing.

Raises:
    Unavailable: the disk refuses; let it out, or tell the peer, so that the same labels come again.
"""

LabelRoad: TypeAlias = Callable[[Tell], Awaitable[None]]
"""Feeds labels until cancelled: what people at a repair or verification station say of parts."""

Kind: TypeAlias = Literal["source", "reporter", "judge", "labels"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of ``aoi-bridge check``: what was tried on a peer and how it went."""

    what: str
    """For instance ``word order``."""
    good: bool | None
    """None: not tried, and ``said`` says why."""
    said: str
