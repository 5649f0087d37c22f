#include "engine/control/admin_rows.h"

#include "engine/control/switches.h"
#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/custom_fields.h"

namespace onward {
namespace {
bool is_readable(const AdminRecord& record) {
  switch (record.kind) {
    case AdminKind::Field: {
      const auto content = parse_json(record.content);
      return content && custom_field_of(record.name, *content);
    }
    case AdminKind::Switch:
      return parse_switch(record.content).has_value();
    case AdminKind::Pass:
      return parse_json(record.content).has_value();
    case AdminKind::Setting:
      return parse_instant(record.content).has_value();
    case AdminKind::Secret:
    case AdminKind::Credential:
      return true;
  }
  return false;
}

std::string_view word_of(AdminKind kind) {
  switch (kind) {
    case AdminKind::Field:
      return "field";
    case AdminKind::Switch:
      return "pause of the node";
    case AdminKind::Pass:
      return "progress of";
    case AdminKind::Setting:
      return "setting";
    case AdminKind::Secret:
      return "secret";
    case AdminKind::Credential:
      return "credential";
  }
  return "row";
}
}  // namespace

std::vector<std::string> unreadable_rows(std::span<const AdminRecord> records) {
  std::vector<std::string> rows;
  for (const AdminRecord& record : records)
    if (!record.removed && !is_readable(record))
      rows.push_back(std::string{word_of(record.kind)} + " \"" + record.name + '"');
  return rows;
}
}  // namespace onward
