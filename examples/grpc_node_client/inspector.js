// An inspector that asks aoi-bridge what to do with a part.
//
//   node inspector.js HOST:PORT health LINE
//   node inspector.js HOST:PORT inspect PART OK|NG PICTURE...      the pictures in one message
//   node inspector.js HOST:PORT upload  PART OK|NG PICTURE...      the pictures in chunks, proved by SHA-256
//
// Prints one line of JSON. The exit status is 0 only if the part is recorded: any other end is no acknowledgement,
// and the same command may be given again, for its key stays the same.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { grpc, HealthService, InspectionService, LIMITS } = require("./protocol");

const CHUNK_BYTES = 512 << 10;
const DEADLINE_MS = 5000; // what the PLC waits, less what this side needs

// Keep-alive pings every 30 s: aoi-bridge lets clients ping, and a dead connection is noticed before the next part.
const SETTINGS = { ...LIMITS, "grpc.keepalive_time_ms": 30000, "grpc.keepalive_permit_without_calls": 1 };

function inspection(part, verdict, pictures, upload) {
  const views = pictures.map(({ name, data }) => ({
    name,
    verdict: `VERDICT_${verdict}`,
    ...(upload
      ? { upload: { sizeBytes: data.length, sha256: crypto.createHash("sha256").update(data).digest() } }
      : { image: data }),
  }));
  // The key is what stays the same when this presentation is sent again; a machine that shows a part twice on
  // purpose gives each presentation a key of its own.
  return { part, verdict: `VERDICT_${verdict}`, key: `node-${part}`, views };
}

function deadline() {
  return { deadline: Date.now() + DEADLINE_MS };
}

function inspect(client, part, verdict, pictures, done) {
  client.inspect({ inspection: inspection(part, verdict, pictures, false) }, new grpc.Metadata(), deadline(), done);
}

function upload(client, part, verdict, pictures, done) {
  const call = client.upload(new grpc.Metadata(), deadline(), done);
  call.on("error", () => {}); // told to done as well
  call.write({ inspection: inspection(part, verdict, pictures, true) });
  for (const { data } of pictures) {
    for (let at = 0; at < data.length; at += CHUNK_BYTES) {
      call.write({ chunk: data.subarray(at, at + CHUNK_BYTES) });
    }
  }
  call.end();
}

function finish(client, error, said) {
  client.close();
  if (error) {
    console.log(JSON.stringify({ status: grpc.status[error.code], reason: error.details }));
    process.exitCode = 1;
  } else {
    console.log(JSON.stringify(said));
  }
}

function main([target, what, ...rest]) {
  const credentials = grpc.credentials.createInsecure();
  if (what === "health") {
    const client = new HealthService(target, credentials);
    client.check({ service: rest[0] }, new grpc.Metadata(), deadline(), (error, said) => finish(client, error, said));
    return;
  }
  const [part, verdict, ...files] = rest;
  const pictures = files.map((file) => ({ name: path.parse(file).name, data: fs.readFileSync(file) }));
  const client = new InspectionService(target, credentials, SETTINGS);
  const call = { inspect, upload }[what];
  call(client, part, verdict, pictures, (error, said) => finish(client, error, said && said.answer));
}

main(process.argv.slice(2));
