"""An MES that aoi-bridge can tell: each decision is kept once, and accepted only when it is on the disk.

python mes.py 127.0.0.1:50052 decisions.db
"""

import sqlite3
import sys
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.json_format import MessageToJson

from aoi_bridge.inspection.v1 import inspection_pb2 as words
from aoi_bridge.inspection.v1 import report_service_pb2 as pb
from aoi_bridge.inspection.v1 import report_service_pb2_grpc as service

LIMITS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)]
TABLE = "CREATE TABLE IF NOT EXISTS decisions (id PRIMARY KEY, part, verdict, whole)"
KEEP = "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?)"  # the same id again is the same decision: kept once


class Mes(service.ReportServiceServicer):
    """Put your own database in the place of this one."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.database.execute(TABLE)

    def Report(self, request: pb.ReportRequest, _: Any) -> pb.ReportResponse:  # noqa: N802 - gRPC's name
        """Take one decision."""
        told = request.decision
        if not told.part:  # what can never be booked is refused for good, with a reason for people
            return pb.ReportResponse(outcome=pb.OUTCOME_REFUSED, reason="a part without a serial number")
        row = (told.id, told.part, words.Verdict.Name(told.verdict), MessageToJson(told))
        try:
            self.database.execute(KEEP, row)
        except sqlite3.Error as error:  # full or locked: the bridge tells it again in a while
            return pb.ReportResponse(outcome=pb.OUTCOME_TRY_AGAIN, reason=str(error))
        return pb.ReportResponse(outcome=pb.OUTCOME_ACCEPTED)


def serve(address: str, path: str) -> tuple[grpc.Server, int]:
    """Serve; one worker books the decisions one after the other."""
    server = grpc.server(futures.ThreadPoolExecutor(1), options=LIMITS)
    service.add_ReportServiceServicer_to_server(Mes(path), server)
    port = server.add_insecure_port(address)
    server.start()
    return server, port


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])[0].wait_for_termination()
