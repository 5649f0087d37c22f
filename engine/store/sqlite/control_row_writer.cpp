#include "engine/store/sqlite/control_row_writer.h"

#include "engine/store/codec.h"
#include "engine/store/sqlite/control_tables.h"

namespace onward {
namespace {
constexpr const char* kUnusedTexts =
    " FROM version_texts WHERE (id >> 16) NOT IN (SELECT apart FROM versions)";
}  // namespace

ControlRowWriter::ControlRowWriter(SQLite::Database& database)
    : database_{database},
      scenario_{database, "REPLACE INTO scenarios (key, body) VALUES (?, ?)"},
      text_part_{database, "REPLACE INTO version_texts (id, body) VALUES (?, ?)"},
      text_part_erase_{database, "DELETE FROM version_texts WHERE id = ?"},
      version_{database,
               "REPLACE INTO versions (scenario, version, created, text, format, apart)"
               " VALUES (?, ?, ?, ?, ?, ?)"},
      token_{database, "REPLACE INTO tokens (sha256, body) VALUES (?, ?)"},
      token_erase_{database, "DELETE FROM tokens WHERE sha256 = ?"},
      admin_{database, "REPLACE INTO admin (kind, name, content) VALUES (?, ?, ?)"},
      admin_erase_{database, "DELETE FROM admin WHERE kind = ? AND name = ?"},
      activity_{database, "REPLACE INTO activity (id, scenario, body) VALUES (?, ?, ?)"},
      activity_erase_{database, "DELETE FROM activity WHERE id <= ?"} {}

void ControlRowWriter::write(const ControlChange& change) {
  for (const ScenarioRecord& record : change.scenarios) scenario(record);
  for (const TextPart& part : change.text_parts) text_part(part);
  for (const VersionRecord& record : change.versions) version(record);
  for (const TokenRecord& record : change.tokens) token(record);
  for (const AdminRecord& record : change.admin) admin(record);
  for (const Activity& line : change.activity) activity(line);
}

bool ControlRowWriter::has_unused_texts() {
  Query unused{database_, std::string{"SELECT count(*)"} + kUnusedTexts};
  auto rows = unused();
  return rows.next() && rows.number(0) > 0;
}

void ControlRowWriter::drop_unused_texts() {
  Query{database_, std::string{"DELETE"} + kUnusedTexts}.run();
}

void ControlRowWriter::scenario(const ScenarioRecord& record) {
  scratch_.clear();
  Encoder out{scratch_};
  encode(out, record);
  scenario_.run(record.key, std::string_view{scratch_});
}

void ControlRowWriter::text_part(const TextPart& part) {
  const std::int64_t id = text_row(part.text, part.number);
  if (part.removed)
    text_part_erase_.run(id);
  else
    text_part_.run(id, std::string_view{part.bytes});
}

void ControlRowWriter::version(const VersionRecord& record) {
  version_.run(record.scenario, record.version, record.created,
               record.apart ? std::string{} : record.text, record.format, record.apart);
}

void ControlRowWriter::token(const TokenRecord& record) {
  if (record.removed) return token_erase_.run(record.sha256);
  scratch_.clear();
  Encoder out{scratch_};
  encode(out, record);
  token_.run(record.sha256, std::string_view{scratch_});
}

void ControlRowWriter::admin(const AdminRecord& record) {
  if (record.removed)
    admin_erase_.run(record.kind, record.name);
  else
    admin_.run(record.kind, record.name, std::string_view{record.content});
}

void ControlRowWriter::activity(const Activity& activity) {
  scratch_.clear();
  Encoder out{scratch_};
  encode(out, activity);
  // Not left to AUTOINCREMENT, which answers SQLITE_FULL for ever if one damaged row has the
  // greatest number. A damaged row that already has this number is replaced.
  const std::uint64_t newest = last_activity(database_) + 1;
  activity_.run(newest, activity.scenario, std::string_view{scratch_});
  if (newest > kActivityMax) activity_erase_.run(newest - kActivityMax);
}
}  // namespace onward
