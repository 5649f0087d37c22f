#pragma once
// Posted events, from JSON to inputs of the engine, and what became of them back to JSON. Pure.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/http.h"
#include "engine/core/base/result.h"
#include "engine/core/base/value.h"
#include "engine/core/contact/custom_fields.h"
#include "engine/core/journey/advance.h"
#include "engine/host/runtime.h"

namespace onward {
inline constexpr std::size_t kEventsMax = 10'000;       ///< In one post.
inline constexpr std::size_t kEventBytesMax = 256'000;  ///< Of one event.
/// Why one event of a post is refused, its contact aside; a lone one is answered so itself.
inline constexpr std::string_view kEventCodes =
    "no_events no_type bad_type bad_instant at_in_future no_contact event_too_large too_old";

/// Reads `{"id"?, "source"?, "type", "at"?, "contact": {…}, "data": {…}}`. Unknown members and
/// wrong types are refused by name. Whether the event is too old is the engine's to say.
Result<EventInput> parse_event(const Value& object, Instant now, bool history);

enum class EventForm : std::uint8_t { Json, Lines };

/// Where one event stood in the post.
struct EventPlace {
  std::size_t index = 0;  ///< From 0.
  std::size_t line = 0;   ///< From 1, where the post is one event a line; else 0.
  std::string id;         ///< The sender's, where it could be read.
};

/// A post, read. Its events succeed or fail alone.
struct EventPost {
  bool lone = false;  ///< One object, not a list: its failure is the request's.
  std::vector<EventInput> events;
  std::vector<EventPlace> places;  ///< Of `events`.
  struct Refusal {
    EventPlace place;
    Error error;
  };
  std::vector<Refusal> refused;  ///< By index.
};
/// Reads the items of a post, each by itself; how, its maker says. One post only.
class PostReader {
 public:
  using Read = std::function<Result<EventInput>(const Value& item)>;
  /// Whether an item's id is the sender's, and worth naming in answers, or made of its bytes.
  enum class Ids : std::uint8_t { Sent, Derived };
  PostReader(Read read, Ids ids) : read_{std::move(read)}, ids_{ids} {}

  /// Fails only where there are too many; an item that cannot be read is refused alone. `line`:
  /// see EventPlace.
  Status take(const Value& item, std::size_t line = 0);
  /// An item of which not even the JSON could be read.
  Status refuse(Error error, std::size_t line);

  EventPost post;

 private:
  Status count() const;

  Read read_;
  Ids ids_;
  std::size_t index_ = 0;
};

/// Fails where `body` is a JSON list of more than kEventsMax items. Counts them by their commas,
/// so that no value is built for a post that is refused.
Status check_event_count(std::string_view body);

/// Refuses those events of a post whose contacts have custom fields that are not declared so.
void refuse_undeclared(EventPost& post, const CustomFields& declared);

/// Fails where nothing can be told apart: no JSON, too many events, no event at all.
Result<EventPost> parse_events(std::string_view body, EventForm form, Instant now, bool history);

/// `{"accepted", "duplicates", "rejected", "warnings", "errors"}`, 202; for a lone event that
/// failed a problem, 400 or 409. `answers` are those of `post.events`; `post.events` is not read.
ApiReply render_answers(const EventPost& post, const std::vector<EventAnswer>& answers);
}  // namespace onward
