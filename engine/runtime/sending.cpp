#include "engine/runtime/sending.h"

#include "engine/runtime/engine.h"

namespace onward {
namespace {
constexpr const char* kName = "sending.held";
}  // namespace

AdminRecord sending_held(Instant since) {
  return {.kind = AdminKind::Setting, .name = kName, .content = format_instant(since)};
}

AdminRecord sending_resumed() {
  AdminRecord record = sending_held({});
  record.removed = true;
  return record;
}

std::optional<Instant> held_since(const std::vector<AdminRecord>& records) {
  for (const AdminRecord& record : records)
    if (record.kind == AdminKind::Setting && record.name == kName && !record.removed)
      return parse_instant(record.content).value_or(Instant{});
  return std::nullopt;
}

/// Nothing is handed out, and no timer fires: what was due is due when sending is resumed, as after
/// a time in which the server was down.
void Engine::hold_sending(Instant since) {
  held_since_ = since;
  dispatcher_.hold_all(true);
  log({"sending.held",
       {{"since", since},
        {"hint",
         "this folder was restored: nothing is sent and no timer fires until `onward "
         "resume-sending`"}},
       LogLevel::Warning});
}

Result<bool> Engine::note_clock(const std::string& who) {
  const Status done = commit_admin({}, {activity_of("clock.accepted", {}, who)});
  if (!done) return tl::make_unexpected(done.error());
  return true;
}

Result<bool> Engine::resume_sending(const std::string& who) {
  if (!held_since_) return false;
  const Status done = commit_admin({sending_resumed()}, {activity_of("sending.resumed", {}, who)});
  if (!done) return tl::make_unexpected(done.error());
  held_since_.reset();
  dispatcher_.hold_all(false);
  log({"sending.resumed", {{"by", who}}});
  return true;
}
}  // namespace onward
