#pragma once
// The one table of event names: canonical names, and the seeds' codes and actions as aliases.
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace onward {
/// What an event does to its contact by itself.
enum class EventEffect { None, SetsSubscribedAt };

struct EventName {
  std::string_view name;     ///< Canonical: "subscription", "opened"
  std::string_view aliases;  ///< Separated by spaces: S0's codes, S3's actions, S2's triggers.
  std::string_view summary;
  EventEffect effect = EventEffect::None;
  bool repeats = false;  ///< A contact does it again and again: scenarios should state `reentry`.
};
std::span<const EventName> event_names();

/// The row of a name or alias; null for a custom event.
const EventName* find_event(std::string_view name);

/// The canonical name: of the table, or any other snake_case name (letters, digits, "_", a letter
/// first, at most 64) as it is; nothing where it is no name.
std::optional<std::string> canonical_event(std::string_view name);

/// What the events envelope (seed S3) calls an event: "email_send" for sent; our own name where the
/// seed has none.
std::string_view action_of(std::string_view event);
/// What it calls a contact's field, by our name: "uid" for id, "name" for first_name; else the name
/// in the standard envelope.
std::string_view events_field(std::string_view field);
}  // namespace onward
