"""All that a plugin author may import: the contract, the messages, the errors, and a few helpers.

Third-party plugins and the bridge's own adapters see this package and nothing else of the bridge.
"""

from bridge.clock import Clock, ManualClock, SystemClock
from bridge.errors import BridgeError, ConfigError, Refused, Unavailable
from bridge.health import count, counted
from bridge.log import logger
from bridge.messages import (
    Box,
    Decision,
    Failure,
    Goal,
    Inspection,
    Judgement,
    Origin,
    Stage,
    Verdict,
    View,
    ViewDecision,
)
from bridge.plugin.api import Fetch, Finding, Inspect, Judge, Kind, Report, Source
from bridge.plugin.discovery import AnyReporter, AnySource, Plugged
from bridge.plugin.door import listening
from bridge.plugin.habits import PART_HABITS, Habit, Habits, Mood, moody, with_habits
from bridge.plugin.host import Host, host
from bridge.plugin.options import (
    BoxOptions,
    CodePage,
    JudgeOptions,
    Milliseconds,
    Name,
    Options,
    Port,
    ReporterOptions,
    Seconds,
    Secret,
    SourceOptions,
)
from bridge.plugin.peers import Book, Play, Station, Taken
from bridge.plugin.quarantine import Quarantine
from bridge.plugin.tls import ClientTls, EitherTls, Network, ServerTls, allowed, pinned, why

__all__ = [
    "PART_HABITS",
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
    "EitherTls",
    "Failure",
    "Fetch",
    "Finding",
    "Goal",
    "Habit",
    "Habits",
    "Host",
    "Inspect",
    "Inspection",
    "Judge",
    "JudgeOptions",
    "Judgement",
    "Kind",
    "ManualClock",
    "Milliseconds",
    "Mood",
    "Name",
    "Network",
    "Options",
    "Origin",
    "Play",
    "Plugged",
    "Port",
    "Quarantine",
    "Refused",
    "Report",
    "ReporterOptions",
    "Seconds",
    "Secret",
    "ServerTls",
    "Source",
    "SourceOptions",
    "Stage",
    "Station",
    "SystemClock",
    "Taken",
    "Unavailable",
    "Verdict",
    "View",
    "ViewDecision",
    "allowed",
    "count",
    "counted",
    "host",
    "listening",
    "logger",
    "moody",
    "pinned",
    "why",
    "with_habits",
]
