-- A journal of version 1 as it was first written; never edited, so that migrations are tried on the real thing.
PRAGMA application_id = 1634691394;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE outbox (
    line     INTEGER NOT NULL REFERENCES word,
    reporter INTEGER NOT NULL REFERENCES word,
    number   INTEGER NOT NULL REFERENCES part,
    PRIMARY KEY (line, reporter, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "outbox" VALUES(1,8,2);
CREATE TABLE parked (
    line     INTEGER NOT NULL REFERENCES word,
    reporter INTEGER NOT NULL REFERENCES word,
    number   INTEGER NOT NULL REFERENCES part,
    at       REAL NOT NULL,
    reason   ANY NOT NULL,
    PRIMARY KEY (line, reporter, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "parked" VALUES(1,9,2,1700000000.0,'no such order');
CREATE TABLE part (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,  -- told to PLCs as RESULT_ID, so never used twice
    id          BLOB NOT NULL UNIQUE,               -- 16 bytes, ordered by time
    line        INTEGER NOT NULL REFERENCES word,
    part        ANY NOT NULL,
    key         ANY,
    recipe      INTEGER REFERENCES word,
    goal        INTEGER NOT NULL,
    stage       INTEGER NOT NULL,
    legacy      INTEGER,
    model       INTEGER,
    operator    INTEGER,
    final       INTEGER,
    origin      INTEGER NOT NULL,
    failures    BLOB,                               -- one byte each, most important first
    degraded    INTEGER NOT NULL,
    error       INTEGER NOT NULL,
    backlog     INTEGER NOT NULL,
    rechecked   INTEGER NOT NULL,
    sequence    INTEGER,
    bundle      INTEGER REFERENCES word,
    config      INTEGER REFERENCES word,
    event_at    REAL NOT NULL,                      -- Unix time
    latency_ms  REAL NOT NULL,                      -- from the event to the decision
    judge_ms    REAL NOT NULL,
    recorded_at REAL NOT NULL                       -- Unix time
) STRICT;
INSERT INTO "part" VALUES(1,X'00000000000000000000000000000001',1,'SN1','k1',2,1,2,2,1,NULL,1,2,NULL,0,0,0,1,7,3,4,1700000000.25,2.5,8.0,1700000000.0);
INSERT INTO "part" VALUES(2,X'00000000000000000000000000000002',1,X'636166EDB3A9',NULL,NULL,2,1,1,NULL,NULL,1,1,X'0103',1,0,0,0,NULL,NULL,NULL,1700000001.25,0.1,0.0,1700000000.0);
CREATE TABLE report (
    number     INTEGER PRIMARY KEY,
    id         BLOB NOT NULL,                       -- the part's; it may never have been recorded
    reporter   INTEGER NOT NULL REFERENCES word,
    outcome    INTEGER NOT NULL REFERENCES word,
    at         REAL NOT NULL,
    latency_ms REAL NOT NULL,
    said       ANY
) STRICT;
INSERT INTO "report" VALUES(1,X'00000000000000000000000000000001',10,11,1700000000.5,250.0,'seq 7');
INSERT INTO "report" VALUES(2,X'00000000000000000000000000000001',8,11,1700000000.75,500.0,NULL);
CREATE TABLE second (
    number   INTEGER PRIMARY KEY,
    id       BLOB NOT NULL,                         -- the part's; it may come before the part's own row
    kind     INTEGER NOT NULL,
    at       REAL NOT NULL,
    model    INTEGER,
    goal_1   INTEGER,                               -- NULL: not scored; 3: scored without a verdict
    goal_2   INTEGER,
    goal_3   INTEGER,
    failures BLOB,
    bundle   INTEGER REFERENCES word,
    judge_ms REAL NOT NULL,
    final    INTEGER,
    origin   INTEGER
) STRICT;
INSERT INTO "second" VALUES(1,X'00000000000000000000000000000002',1,1700000002.5,2,1,3,NULL,NULL,3,9.0,NULL,NULL);
CREATE TABLE second_view (
    second    INTEGER NOT NULL REFERENCES second,
    place     INTEGER NOT NULL,
    name      INTEGER REFERENCES word,
    legacy    INTEGER,
    defect    INTEGER REFERENCES word,
    image     BLOB,
    final     INTEGER,
    model     INTEGER,
    failure   INTEGER,
    score     REAL,
    threshold REAL,
    label     INTEGER REFERENCES word,
    bundle    INTEGER REFERENCES word,
    judge_ms  REAL,
    PRIMARY KEY (second, place)
) STRICT, WITHOUT ROWID;
INSERT INTO "second_view" VALUES(1,0,5,2,6,X'ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB',1,1,NULL,0.97,0.9,7,3,7.5);
CREATE TABLE view (
    part      INTEGER NOT NULL REFERENCES part,
    place     INTEGER NOT NULL,                     -- 0, 1, 2 … as the source gave them
    name      INTEGER REFERENCES word,
    legacy    INTEGER,
    defect    INTEGER REFERENCES word,
    image     BLOB,                                 -- SHA-256
    final     INTEGER,
    model     INTEGER,                              -- NULL: not judged; 3: judged without a verdict
    failure   INTEGER,
    score     REAL,
    threshold REAL,
    label     INTEGER REFERENCES word,
    bundle    INTEGER REFERENCES word,
    judge_ms  REAL,
    PRIMARY KEY (part, place)
) STRICT, WITHOUT ROWID;
INSERT INTO "view" VALUES(1,0,5,2,6,X'ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB',1,1,NULL,0.97,0.9,7,3,7.5);
CREATE TABLE word (
    number INTEGER PRIMARY KEY,
    text   ANY NOT NULL UNIQUE
) STRICT;
INSERT INTO "word" VALUES(1,'smt-3');
INSERT INTO "word" VALUES(2,'M10');
INSERT INTO "word" VALUES(3,'bolts-1');
INSERT INTO "word" VALUES(4,'c0ffee');
INSERT INTO "word" VALUES(5,'C1');
INSERT INTO "word" VALUES(6,'scratch');
INSERT INTO "word" VALUES(7,'good');
INSERT INTO "word" VALUES(8,'mes');
INSERT INTO "word" VALUES(9,'erp');
INSERT INTO "word" VALUES(10,'plc');
INSERT INTO "word" VALUES(11,'accepted');
CREATE UNIQUE INDEX part_key ON part (line, key) WHERE key IS NOT NULL;
CREATE INDEX second_id ON second (id);
CREATE INDEX second_answered ON second (id) WHERE kind = 3;
CREATE INDEX report_id ON report (id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('part',2);
COMMIT;
