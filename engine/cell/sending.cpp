#include "engine/cell/sending.h"

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
}  // namespace onward
