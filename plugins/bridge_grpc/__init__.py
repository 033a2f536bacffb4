"""Old inspectors and MES over gRPC, by the protocol in protos/aoi_bridge/inspection/v1."""

import os

# gRPC's core writes past our log to standard error, where a collector expects our lines only; whatever matters
# comes as an error too. Set before its first import; who looks for trouble sets the variable.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from bridge_grpc.options import GrpcReporterOptions, GrpcSourceOptions
from bridge_grpc.reporter import open_reporter
from bridge_grpc.source import open_source

__all__ = ["GrpcReporterOptions", "GrpcSourceOptions", "open_reporter", "open_source"]
