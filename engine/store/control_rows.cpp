#include "engine/store/control_rows.h"

#include <cassert>

namespace onward {
bool ControlChange::empty() const {
  return scenarios.empty() && text_parts.empty() && versions.empty() && tokens.empty() &&
         admin.empty() && activity.empty();
}

std::string_view to_string(Role role) {
  switch (role) {
    case Role::Read:
      return "read";
    case Role::Ingest:
      return "ingest";
    case Role::Author:
      return "author";
    case Role::Admin:
      return "admin";
    case Role::Metrics:
      return "metrics";
  }
  assert(false);
  return "read";
}
}  // namespace onward
