#pragma once
// One input of a batch, and what became of it.
#include <optional>
#include <variant>

#include "engine/cell/answers.h"
#include "engine/core/base/ids.h"
#include "engine/core/contact/contact.h"
#include "engine/core/journey/advance.h"

namespace onward {
/// What became of one input.
struct WorkAnswer {
  EventAnswer event;
  ContactKey contact;
  bool created = false;
  bool found = true;                   ///< false: no such contact, and none was to be made.
  std::optional<ContactAnswer> state;  ///< The contact after the input, where it was asked for.
  bool changed = false;                ///< The input made the contact or changed a value of it.
};
/// One input to take. Nothing is owned.
struct Work {
  const Input* input = nullptr;
  WorkAnswer* answer = nullptr;  ///< Null where nobody waits for one.
  bool create = true;            ///< Make the contact where there is none.
  bool want_state = false;
};

/// How an input names its contact; null where it has the key instead (see `contact_key_of`).
inline const ContactRef* contact_ref_of(const Input& input) {
  if (const auto* event = std::get_if<EventInput>(&input)) return &event->who;
  if (const auto* patch = std::get_if<PatchInput>(&input)) return &patch->who;
  return nullptr;
}
/// The contact of a timer or a command; else 0.
inline ContactKey contact_key_of(const Input& input) {
  if (const auto* timer = std::get_if<TimerInput>(&input)) return timer->contact;
  if (const auto* command = std::get_if<CommandInput>(&input)) return command->contact;
  return {};
}
/// What an input changes of its contact; null where it is of a kind that changes nothing itself.
inline const ContactPatch* contact_patch_of(const Input& input) {
  if (const auto* event = std::get_if<EventInput>(&input)) return &event->patch;
  if (const auto* patch = std::get_if<PatchInput>(&input)) return &patch->patch;
  return nullptr;
}
}  // namespace onward
