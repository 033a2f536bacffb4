from aoi_bridge.inspection.v1 import inspection_pb2 as _inspection_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InspectRequest(_message.Message):
    __slots__ = ("inspection",)
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    inspection: _inspection_pb2.Inspection
    def __init__(self, inspection: _Optional[_Union[_inspection_pb2.Inspection, _Mapping]] = ...) -> None: ...

class InspectResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: _inspection_pb2.Answer
    def __init__(self, answer: _Optional[_Union[_inspection_pb2.Answer, _Mapping]] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("inspection", "chunk")
    INSPECTION_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    inspection: _inspection_pb2.Inspection
    chunk: bytes
    def __init__(self, inspection: _Optional[_Union[_inspection_pb2.Inspection, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("answer",)
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    answer: _inspection_pb2.Answer
    def __init__(self, answer: _Optional[_Union[_inspection_pb2.Answer, _Mapping]] = ...) -> None: ...
