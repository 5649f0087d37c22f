#pragma once
// What comes in about contacts: events, changes, imports, and erasure.
#include <string>
#include <vector>

#include "engine/core/base/reply.h"
#include "engine/host/calls.h"

namespace onward {
/// Any thread; see Calls for when and where replies are given. What waits is bounded in inputs and
/// in bytes (RuntimeOptions::intake_max); `forget` counts as a call.
class Intake {
 public:
  /// All must outlive it.
  struct Parts {
    Calls& calls;
    LaneQueue& queue;
    const Clock& clock;
    const RuntimeOptions& options;
  };
  explicit Intake(const Parts& parts) : parts_{parts} {}

  /// One answer for each event, in their order.
  void events(Reply<std::vector<EventAnswer>> reply, std::vector<EventInput> events);
  /// `create`: makes the contact where there is none (PUT); else NotFound.
  void patch(Reply<ContactAnswer> reply, ContactRef who, ContactPatch patch, bool create);
  /// Makes and changes many contacts, each alone: `patch` of each, but as one task. One answer for
  /// each, in their order. `by` is the name of the token behind it, for the log.
  void import(Reply<std::vector<ImportAnswer>> reply, std::vector<ContactInput> contacts,
              ImportMode mode, const std::string& by);
  /// Whether there was something to forget.
  void forget(Reply<bool> reply, ContactName who, const std::string& by);

 private:
  void answer_import(std::vector<ImportAnswer> answers, const std::string& by,
                     const Done<Result<std::vector<ImportAnswer>>>& done);
  void push(Task task, TaskWeight weight, const std::function<void(const Error&)>& refused);

  const Parts parts_;
};
}  // namespace onward
