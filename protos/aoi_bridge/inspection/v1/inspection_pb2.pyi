from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_OK: _ClassVar[Verdict]
    VERDICT_NG: _ClassVar[Verdict]

class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORIGIN_UNSPECIFIED: _ClassVar[Origin]
    ORIGIN_LEGACY: _ClassVar[Origin]
    ORIGIN_MODEL: _ClassVar[Origin]
    ORIGIN_FALLBACK: _ClassVar[Origin]
    ORIGIN_OPERATOR: _ClassVar[Origin]

class Failure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAILURE_UNSPECIFIED: _ClassVar[Failure]
    FAILURE_DEADLINE: _ClassVar[Failure]
    FAILURE_JUDGE_DOWN: _ClassVar[Failure]
    FAILURE_IMAGE_MISSING: _ClassVar[Failure]
    FAILURE_IMAGE_REPEATED: _ClassVar[Failure]
    FAILURE_IMAGE_UNREADABLE: _ClassVar[Failure]
    FAILURE_IMAGE_UNTIED: _ClassVar[Failure]
    FAILURE_RECIPE_UNKNOWN: _ClassVar[Failure]
    FAILURE_VIEWS_MISSING: _ClassVar[Failure]
    FAILURE_LEGACY_MISSING: _ClassVar[Failure]
    FAILURE_NOT_RECORDED: _ClassVar[Failure]
VERDICT_UNSPECIFIED: Verdict
VERDICT_OK: Verdict
VERDICT_NG: Verdict
ORIGIN_UNSPECIFIED: Origin
ORIGIN_LEGACY: Origin
ORIGIN_MODEL: Origin
ORIGIN_FALLBACK: Origin
ORIGIN_OPERATOR: Origin
FAILURE_UNSPECIFIED: Failure
FAILURE_DEADLINE: Failure
FAILURE_JUDGE_DOWN: Failure
FAILURE_IMAGE_MISSING: Failure
FAILURE_IMAGE_REPEATED: Failure
FAILURE_IMAGE_UNREADABLE: Failure
FAILURE_IMAGE_UNTIED: Failure
FAILURE_RECIPE_UNKNOWN: Failure
FAILURE_VIEWS_MISSING: Failure
FAILURE_LEGACY_MISSING: Failure
FAILURE_NOT_RECORDED: Failure

class Box(_message.Message):
    __slots__ = ("cx", "cy", "w", "h", "label", "score", "area")
    CX_FIELD_NUMBER: _ClassVar[int]
    CY_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    H_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    AREA_FIELD_NUMBER: _ClassVar[int]
    cx: float
    cy: float
    w: float
    h: float
    label: str
    score: float
    area: float
    def __init__(self, cx: _Optional[float] = ..., cy: _Optional[float] = ..., w: _Optional[float] = ..., h: _Optional[float] = ..., label: _Optional[str] = ..., score: _Optional[float] = ..., area: _Optional[float] = ...) -> None: ...

class ImageUpload(_message.Message):
    __slots__ = ("size_bytes", "sha256")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    sha256: bytes
    def __init__(self, size_bytes: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class View(_message.Message):
    __slots__ = ("name", "verdict", "defect", "image", "reference", "upload", "roi")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    DEFECT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_FIELD_NUMBER: _ClassVar[int]
    ROI_FIELD_NUMBER: _ClassVar[int]
    name: str
    verdict: Verdict
    defect: str
    image: bytes
    reference: str
    upload: ImageUpload
    roi: Box
    def __init__(self, name: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., defect: _Optional[str] = ..., image: _Optional[bytes] = ..., reference: _Optional[str] = ..., upload: _Optional[_Union[ImageUpload, _Mapping]] = ..., roi: _Optional[_Union[Box, _Mapping]] = ...) -> None: ...

class Inspection(_message.Message):
    __slots__ = ("part", "verdict", "key", "recipe", "defect", "ng_views", "sequence", "deadline_ms", "backlog", "views", "lot", "counter")
    PART_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    DEFECT_FIELD_NUMBER: _ClassVar[int]
    NG_VIEWS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    BACKLOG_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    LOT_FIELD_NUMBER: _ClassVar[int]
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    part: str
    verdict: Verdict
    key: str
    recipe: str
    defect: str
    ng_views: int
    sequence: int
    deadline_ms: float
    backlog: bool
    views: _containers.RepeatedCompositeFieldContainer[View]
    lot: str
    counter: int
    def __init__(self, part: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., key: _Optional[str] = ..., recipe: _Optional[str] = ..., defect: _Optional[str] = ..., ng_views: _Optional[int] = ..., sequence: _Optional[int] = ..., deadline_ms: _Optional[float] = ..., backlog: _Optional[bool] = ..., views: _Optional[_Iterable[_Union[View, _Mapping]]] = ..., lot: _Optional[str] = ..., counter: _Optional[int] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("part", "id", "verdict", "recorded", "origin", "legacy_verdict", "key", "recipe", "sequence", "number", "line", "degraded", "failures")
    PART_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    LEGACY_VERDICT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    RECIPE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    part: str
    id: str
    verdict: Verdict
    recorded: bool
    origin: Origin
    legacy_verdict: Verdict
    key: str
    recipe: str
    sequence: int
    number: int
    line: str
    degraded: bool
    failures: _containers.RepeatedScalarFieldContainer[Failure]
    def __init__(self, part: _Optional[str] = ..., id: _Optional[str] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., recorded: _Optional[bool] = ..., origin: _Optional[_Union[Origin, str]] = ..., legacy_verdict: _Optional[_Union[Verdict, str]] = ..., key: _Optional[str] = ..., recipe: _Optional[str] = ..., sequence: _Optional[int] = ..., number: _Optional[int] = ..., line: _Optional[str] = ..., degraded: _Optional[bool] = ..., failures: _Optional[_Iterable[_Union[Failure, str]]] = ...) -> None: ...
