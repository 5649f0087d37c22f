#include "engine/store/sqlite/migrations/migrations.h"

namespace onward {
// Keys are integers that grow with the commit sequence, so most rows are appended. What is looked
// up by contact leads with the contact. Bodies are rows in the codec's form (engine/store/codec.h);
// a column stands beside one only where something searches by it. The tables of seen events, one
// a day, are made when their day comes.
const std::string_view kMigration1 = R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- One row a commit; gone once it is folded into the tables below.
CREATE TABLE journal (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;

-- No body: only statistics came so far.
CREATE TABLE contacts (key INTEGER PRIMARY KEY, body BLOB, engagement BLOB) STRICT;
CREATE TABLE contact_ids (id TEXT PRIMARY KEY, contact INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE contact_emails (
  email TEXT NOT NULL, contact INTEGER NOT NULL, PRIMARY KEY (email, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
  contact INTEGER NOT NULL, scenario INTEGER NOT NULL, test INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (contact, scenario, test)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger_keyed (
  contact INTEGER NOT NULL, scenario INTEGER NOT NULL, key TEXT NOT NULL, test INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (contact, scenario, key, test)
) STRICT, WITHOUT ROWID;

-- Live runs are loaded with their contact; ended ones are only read by people.
CREATE TABLE runs_live (
  contact INTEGER NOT NULL, run INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (contact, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (key INTEGER PRIMARY KEY, contact INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX runs_contact ON runs (contact);

-- `due` is set while a delivery queues: pending and not parked. SQLite keeps the partial indexes
-- right when a row changes, so a queue never shows a stale due.
CREATE TABLE deliveries (
  key INTEGER PRIMARY KEY, scenario INTEGER NOT NULL, node INTEGER NOT NULL,
  version INTEGER NOT NULL, state INTEGER NOT NULL, due INTEGER, contact INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX deliveries_node ON deliveries (scenario, node, state);
CREATE INDEX deliveries_due ON deliveries (scenario, node, version, due) WHERE due IS NOT NULL;
CREATE INDEX deliveries_pending ON deliveries (contact) WHERE state = 0;

-- Written once, apart from the small row that changes with each attempt.
CREATE TABLE requests (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE attempts (
  delivery INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
  at INTEGER NOT NULL, contact INTEGER NOT NULL, kind INTEGER NOT NULL, subject INTEGER NOT NULL,
  PRIMARY KEY (at, contact, kind, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
  scenario INTEGER NOT NULL, node INTEGER NOT NULL, version INTEGER NOT NULL,
  test INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (scenario, node, version, test)
) STRICT, WITHOUT ROWID;

CREATE TABLE scenarios (key INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE versions (
  scenario INTEGER NOT NULL, version INTEGER NOT NULL, created INTEGER NOT NULL,
  text TEXT NOT NULL, PRIMARY KEY (scenario, version)
) STRICT;
CREATE TABLE tokens (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
)sql";
}  // namespace onward
