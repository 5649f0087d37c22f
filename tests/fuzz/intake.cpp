// Posts of events in every form that is taken. The first byte chooses the form.
#include <array>

#include "engine/api/event_json.h"
#include "engine/api/intake.h"
#include "tests/fuzz/target.h"

namespace onward {
namespace {
Result<EventPost> parse(unsigned form, std::string_view body, Instant now) {
  static constexpr std::array<std::string_view, 3> kTypes{
      "application/json", "application/cloudevents+json", "application/cloudevents-batch+json"};
  switch (form % 7) {
    case 0:
      return parse_events(body, EventForm::Json, now, false);
    case 1:
      return parse_events(body, EventForm::Lines, now, false);
    case 2:
      return parse_egoi(body, now, false);
    case 3:
      return parse_taguchi(body, now, true);
    default:
      break;
  }
  ApiRequest request{
      .method = "POST", .path = "/v1/intake/cloudevents", .query = {}, .headers = {}, .body = {}};
  request.headers = {{"Content-Type", kTypes[form % 3]},
                     {"ce-id", "1"},
                     {"ce-specversion", "1.0"},
                     {"ce-type", "com.example.order.placed.v1"},
                     {"ce-source", "/shop"}};
  request.body = body;
  return parse_cloudevents(request, now, false);
}
}  // namespace
}  // namespace onward

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  if (size == 0) return 0;
  const Instant now = parse_instant("2026-05-01T09:00:00Z").value();
  const auto post = parse(data[0], text_of(data + 1, size - 1), now);
  if (!post) {
    must(!post.error().code.empty() && !post.error().message.empty(), "a refusal says why");
    return 0;
  }
  must(post->events.size() == post->places.size(), "each event has its place");
  must(post->events.size() <= kEventsMax, "no post has too many events");
  for (const EventInput& input : post->events) {
    must(!input.event.type.empty(), "an event has a type");
    must(input.event.at <= now + kAheadMax, "no event is ahead of its time");
  }
  for (const auto& refusal : post->refused)
    must(!refusal.error.message.empty(), "a refusal says why");
  return 0;
}
