"""What the bridge keeps: the journal of decisions with its outbox, and images as evidence.

``open_journal`` is the gateway's door, ``Reader`` everyone else's.
"""

from bridge.store.archive import Archive, Presented, Span
from bridge.store.audit import Copy, Entry, Verification
from bridge.store.forecast import Forecast, Growth, forecast
from bridge.store.images import Images
from bridge.store.journal import Journal, open_journal
from bridge.store.labelled import Labelled
from bridge.store.labels import LabelBook, open_labels
from bridge.store.lock import lock
from bridge.store.people import record, user
from bridge.store.reading import Reader
from bridge.store.records import Change, Choice, Owed, Owing, Parked, Pulse, Reported, Second, Stratum, Tally
from bridge.store.retention import Need, Retention

__all__ = [
    "Archive",
    "Change",
    "Choice",
    "Copy",
    "Entry",
    "Forecast",
    "Growth",
    "Images",
    "Journal",
    "LabelBook",
    "Labelled",
    "Need",
    "Owed",
    "Owing",
    "Parked",
    "Presented",
    "Pulse",
    "Reader",
    "Reported",
    "Retention",
    "Second",
    "Span",
    "Stratum",
    "Tally",
    "Verification",
    "forecast",
    "lock",
    "open_journal",
    "open_labels",
    "record",
    "user",
]
