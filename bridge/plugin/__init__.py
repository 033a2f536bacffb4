"""All that a plugin author may import: the contract, the messages, the errors, and a few helpers.

Third-party plugins and the bridge's own adapters see this package and nothing else of the bridge.
"""

from bridge.clock import Clock, ManualClock, SystemClock
from bridge.errors import BridgeError, ConfigError, Refused, Unavailable
from bridge.health import count, counted
from bridge.labels import Label
from bridge.log import logger
from bridge.messages import (
    Box,
    Decision,
    Failure,
    Goal,
    HeatMap,
    Inspection,
    Judgement,
    Origin,
    PictureFacts,
    Spot,
    Stage,
    Verdict,
    View,
    ViewDecision,
)
from bridge.plugin.api import Fetch, Finding, Inspect, Judge, Kind, LabelRoad, Report, Source, Tell
from bridge.plugin.discovery import AnyReporter, AnySource, Plugged, check_of, open_peer
from bridge.plugin.documents import (
    AnswerDocument,
    DecisionDocument,
    PartDocument,
    ViewDocument,
    answer_document,
    first_mistake,
    parse_part,
    part_document,
    read_part,
)
from bridge.plugin.door import Quiet, listening
from bridge.plugin.exchange import DialOptions, Exchange
from bridge.plugin.habits import MES_HABITS, PART_HABITS, Habit, Habits, Mood, moody, with_habits
from bridge.plugin.host import Host, host
from bridge.plugin.kept import kept_open
from bridge.plugin.labelling import LabelFacts, LabelOptions, LabelPlaces, as_key, csv_labels, read_label
from bridge.plugin.ledger import Ledger, LedgerAnswer, LedgerDocument
from bridge.plugin.moody_book import MoodyBook
from bridge.plugin.options import (
    BoxOptions,
    CodePage,
    HostName,
    JudgeOptions,
    Login,
    Milliseconds,
    Name,
    Options,
    Port,
    ReporterOptions,
    Seconds,
    Secret,
    SourceOptions,
)
from bridge.plugin.peers import Book, Play, Say, Station, Taken
from bridge.plugin.quarantine import Quarantine, Rejects, rejecting
from bridge.plugin.reading import Unreadable, WordList, WordOptions, Words, short_text, whole_number
from bridge.plugin.reception import ListenOptions, Reception
from bridge.plugin.share import ShareOptions, leave_pictures
from bridge.plugin.stream_book import StreamBook, serve_book, serving
from bridge.plugin.task_group import together
from bridge.plugin.tls import ClientTls, EitherTls, Network, ServerTls, allowed, pinned, why
from bridge.plugin.trial import Place, Trial
from bridge.plugin.wire import CHUNK_BYTES, Link, context_of, dial, listen

__all__ = [
    "CHUNK_BYTES",
    "MES_HABITS",
    "PART_HABITS",
    "AnswerDocument",
    "AnyReporter",
    "AnySource",
    "Book",
    "Box",
    "BoxOptions",
    "BridgeError",
    "ClientTls",
    "Clock",
    "CodePage",
    "ConfigError",
    "Decision",
    "DecisionDocument",
    "DialOptions",
    "EitherTls",
    "Exchange",
    "Failure",
    "Fetch",
    "Finding",
    "Goal",
    "Habit",
    "Habits",
    "HeatMap",
    "Host",
    "HostName",
    "Inspect",
    "Inspection",
    "Judge",
    "JudgeOptions",
    "Judgement",
    "Kind",
    "Label",
    "LabelFacts",
    "LabelOptions",
    "LabelPlaces",
    "LabelRoad",
    "Ledger",
    "LedgerAnswer",
    "LedgerDocument",
    "Link",
    "ListenOptions",
    "Login",
    "ManualClock",
    "Milliseconds",
    "Mood",
    "MoodyBook",
    "Name",
    "Network",
    "Options",
    "Origin",
    "PartDocument",
    "PictureFacts",
    "Place",
    "Play",
    "Plugged",
    "Port",
    "Quarantine",
    "Quiet",
    "Reception",
    "Refused",
    "Rejects",
    "Report",
    "ReporterOptions",
    "Say",
    "Seconds",
    "Secret",
    "ServerTls",
    "ShareOptions",
    "Source",
    "SourceOptions",
    "Spot",
    "Stage",
    "Station",
    "StreamBook",
    "SystemClock",
    "Taken",
    "Tell",
    "Trial",
    "Unavailable",
    "Unreadable",
    "Verdict",
    "View",
    "ViewDecision",
    "ViewDocument",
    "WordList",
    "WordOptions",
    "Words",
    "allowed",
    "answer_document",
    "as_key",
    "check_of",
    "context_of",
    "count",
    "counted",
    "csv_labels",
    "dial",
    "first_mistake",
    "host",
    "kept_open",
    "leave_pictures",
    "listen",
    "listening",
    "logger",
    "moody",
    "open_peer",
    "parse_part",
    "part_document",
    "pinned",
    "read_label",
    "read_part",
    "rejecting",
    "serve_book",
    "serving",
    "short_text",
    "together",
    "whole_number",
    "why",
    "with_habits",
]
