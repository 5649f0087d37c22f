#include "engine/core/delivery/events_body.h"

namespace onward {
std::optional<std::string_view> events_in(std::string_view body) {
  if (body.size() < kEventsOpen.size() + kEventsClose.size() || !body.starts_with(kEventsOpen) ||
      !body.ends_with(kEventsClose))
    return std::nullopt;
  body.remove_prefix(kEventsOpen.size());
  body.remove_suffix(kEventsClose.size());
  return body;
}

std::size_t EventsBody::size_with(std::string_view events) const {
  const std::size_t comma = joined_.empty() ? 0 : 1;
  return kEventsOpen.size() + joined_.size() + comma + events.size() + kEventsClose.size();
}

void EventsBody::add(std::string_view events) {
  if (!joined_.empty()) joined_ += ',';
  joined_ += events;
}

std::string EventsBody::text() const {
  std::string body{kEventsOpen};
  body += joined_;
  body += kEventsClose;
  return body;
}
}  // namespace onward
