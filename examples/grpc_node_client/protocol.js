// The protocol, out of the .proto files alone: PROTOS names their folder, by default the one of this repository.
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const health = require("grpc-health-check");

const folder = process.env.PROTOS || path.join(__dirname, "..", "..", "protos");
const form = { longs: Number, enums: String, defaults: true, oneofs: true };

function service(file, name) {
  const source = path.join("aoi_bridge/inspection/v1", file);
  const loaded = grpc.loadPackageDefinition(loader.loadSync(source, { ...form, includeDirs: [folder] }));
  return loaded.aoi_bridge.inspection.v1[name];
}

// Pictures are larger than the 4 MiB that gRPC takes by itself.
const LIMITS = {
  "grpc.max_receive_message_length": 64 << 20,
  "grpc.max_send_message_length": 64 << 20,
};

module.exports = {
  grpc,
  health,
  LIMITS,
  InspectionService: service("inspection_service.proto", "InspectionService"),
  ReportService: service("report_service.proto", "ReportService"),
  HealthService: grpc.makeClientConstructor(health.service, "grpc.health.v1.Health"),
};
