#pragma once
// What the engine answers to events, changes of contacts and manual work on deliveries.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/control/contact_answer.h"
#include "engine/core/base/reply.h"
#include "engine/core/delivery/delivery.h"

namespace onward {
/// What became of one event of a post.
struct EventAnswer {
  /// Unavailable: not taken for a reason of ours, such as a full disk; worth sending again.
  enum class Kind : std::uint8_t { Accepted, Duplicate, Conflict, Rejected, Unavailable };
  Kind kind = Kind::Accepted;
  std::string code;  ///< Of all but the first two: "id_reused", "too_old", …
  std::string message;
  std::vector<std::string> warnings;  ///< "ambiguous_contact"
  std::string incident;               ///< Of Unavailable by an exception: see guarded.h.
};

/// What became of one contact of an import.
struct ImportAnswer {
  /// Refused: with `code` and `message`. Unavailable: not taken for a reason of ours, such as a
  /// full disk; worth sending again.
  enum class Kind : std::uint8_t { Created, Updated, Unchanged, Refused, Unavailable };
  Kind kind = Kind::Unchanged;
  std::string code;
  std::string message;
  std::vector<std::string> warnings;  ///< "ambiguous_contact"
};
struct ImportMode {
  bool trigger = false;  ///< Changes may start scenarios (group_joined, …); else they are quiet.
  bool dry_run = false;  ///< Tells what would be done, and does nothing.
};

/// What people do to deliveries.
enum class ByHand : std::uint8_t { Retry, Cancel };
struct ByHandAnswer {
  std::size_t changed = 0;  ///< Deliveries; members of a batch count each.
  std::size_t skipped = 0;  ///< That fit, and cannot be taken back: never sendable, or body gone.
};

struct SwitchAnswer {
  std::string scenario, node;  ///< Ids.
  bool paused = false;
  std::int64_t pending = 0;  ///< Deliveries that wait for the receiver or for the switch.
};

/// What the test button of a node found.
struct WebhookTestAnswer {
  std::string id;  ///< "test_evt_…"
  bool accepted = false;
  std::string explanation;  ///< What to do, where it was not accepted.
  Attempt attempt;
  std::shared_ptr<const Request> request;  ///< With references in place of secrets.
};
}  // namespace onward
