// An MES that aoi-bridge tells its decisions.
//
//   node mes.js HOST:PORT [REFUSED_PART]
//
// Prints the port it listens on, then one line of JSON for each decision that comes.
"use strict";

const { grpc, health, LIMITS, ReportService } = require("./protocol");

const [target, refused] = process.argv.slice(2);
const kept = new Map(); // a real one keeps them on the disk before it accepts

function report(call, done) {
  const { decision } = call.request;
  const again = kept.has(decision.id);
  console.log(JSON.stringify({ id: decision.id, part: decision.part, verdict: decision.verdict, again }));
  if (decision.part === refused) {
    done(null, { outcome: "OUTCOME_REFUSED", reason: "no such order" });
    return;
  }
  kept.set(decision.id, decision); // the same id again is the same decision: kept once, accepted again
  done(null, { outcome: "OUTCOME_ACCEPTED" });
}

const server = new grpc.Server(LIMITS);
server.addService(ReportService.service, { report });
new health.HealthImplementation({ "": "SERVING" }).addToServer(server);
server.bindAsync(target, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(JSON.stringify({ port }));
});
