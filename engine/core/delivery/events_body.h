#pragma once
// The body of the events envelope (seed S3), `{"events":[…]}`: how bodies of one event each become
// the body of a batch.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace onward {
inline constexpr std::string_view kEventsOpen = R"({"events":[)";
inline constexpr std::string_view kEventsClose = "]}";

/// What stands between the brackets; nothing where `body` is no such envelope.
std::optional<std::string_view> events_in(std::string_view body);

/// Puts bodies together in the order in which they come: the same bodies make the same bytes.
class EventsBody {
 public:
  /// Bytes of the whole with `events` added.
  std::size_t size_with(std::string_view events) const;
  void add(std::string_view events);
  bool empty() const { return joined_.empty(); }
  std::string text() const;

 private:
  std::string joined_;
};
}  // namespace onward
