from aoi_bridge.inspection.v1 import inspection_pb2 as _inspection_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Goal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GOAL_UNSPECIFIED: _ClassVar[Goal]
    GOAL_CUT_FALSE_CALLS: _ClassVar[Goal]
    GOAL_CATCH_ESCAPES: _ClassVar[Goal]
    GOAL_REPLACE: _ClassVar[Goal]

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_SHADOW: _ClassVar[Stage]
    STAGE_LIVE: _ClassVar[Stage]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_ACCEPTED: _ClassVar[Outcome]
    OUTCOME_REFUSED: _ClassVar[Outcome]
    OUTCOME_TRY_AGAIN: _ClassVar[Outcome]
GOAL_UNSPECIFIED: Goal
GOAL_CUT_FALSE_CALLS: Goal
GOAL_CATCH_ESCAPES: Goal
GOAL_REPLACE: Goal
STAGE_UNSPECIFIED: Stage
STAGE_SHADOW: Stage
STAGE_LIVE: Stage
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_ACCEPTED: Outcome
OUTCOME_REFUSED: Outcome
OUTCOME_TRY_AGAIN: Outcome

class ViewDecision(_message.Message):
    __slots__ = ("name", "verdict", "legacy_verdict", "defect", "image", "model_verdict", "score", "threshold", "label", "boxes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    LEGACY_VERDICT_FIELD_NUMBER: _ClassVar[int]
    DEFECT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERDICT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    name: str
    verdict: _inspection_pb2.Verdict
    legacy_verdict: _inspection_pb2.Verdict
    defect: str
    image: str
    model_verdict: _inspection_pb2.Verdict
    score: float
    threshold: float
    label: str
    boxes: _containers.RepeatedCompositeFieldContainer[_inspection_pb2.Box]
    def __init__(self, name: _Optional[str] = ..., verdict: _Optional[_Union[_inspection_pb2.Verdict, str]] = ..., legacy_verdict: _Optional[_Union[_inspection_pb2.Verdict, str]] = ..., defect: _Optional[str] = ..., image: _Optional[str] = ..., model_verdict: _Optional[_Union[_inspection_pb2.Verdict, str]] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ..., label: _Optional[str] = ..., boxes: _Optional[_Iterable[_Union[_inspection_pb2.Box, _Mapping]]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("id", "line", "part", "recipe", "goal", "stage", "verdict", "origin", "legacy_verdict", "model_verdict", "operator_verdict", "degraded", "error", "failures", "backlog", "bypassed", "number", "sequence", "bundle", "config", "event_at", "latency_ms", "views")
    ID_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LEGACY_VERDICT_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERDICT_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_VERDICT_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    BYPASSED_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    id: str
    line: str
    part: str
    recipe: str
    goal: Goal
    stage: Stage
    verdict: _inspection_pb2.Verdict
    origin: _inspection_pb2.Origin
    legacy_verdict: _inspection_pb2.Verdict
    model_verdict: _inspection_pb2.Verdict
    operator_verdict: _inspection_pb2.Verdict
    degraded: bool
    error: bool
    failures: _containers.RepeatedScalarFieldContainer[_inspection_pb2.Failure]
    backlog: bool
    bypassed: bool
    number: int
    sequence: int
    bundle: str
    config: str
    event_at: float
    latency_ms: float
    views: _containers.RepeatedCompositeFieldContainer[ViewDecision]
    def __init__(self, id: _Optional[str] = ..., line: _Optional[str] = ..., part: _Optional[str] = ..., recipe: _Optional[str] = ..., goal: _Optional[_Union[Goal, str]] = ..., stage: _Optional[_Union[Stage, str]] = ..., verdict: _Optional[_Union[_inspection_pb2.Verdict, str]] = ..., origin: _Optional[_Union[_inspection_pb2.Origin, str]] = ..., legacy_verdict: _Optional[_Union[_inspection_pb2.Verdict, str]] = ..., model_verdict: _Optional[_Union[_inspection_pb2.Verdict, str]] = ..., operator_verdict: _Optional[_Union[_inspection_pb2.Verdict, str]] = ..., degraded: _Optional[bool] = ..., error: _Optional[bool] = ..., failures: _Optional[_Iterable[_Union[_inspection_pb2.Failure, str]]] = ..., backlog: _Optional[bool] = ..., bypassed: _Optional[bool] = ..., number: _Optional[int] = ..., sequence: _Optional[int] = ..., bundle: _Optional[str] = ..., config: _Optional[str] = ..., event_at: _Optional[float] = ..., latency_ms: _Optional[float] = ..., views: _Optional[_Iterable[_Union[ViewDecision, _Mapping]]] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("decision",)
    DECISION_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ("outcome", "reason")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    outcome: Outcome
    reason: str
    def __init__(self, outcome: _Optional[_Union[Outcome, str]] = ..., reason: _Optional[str] = ...) -> None: ...
