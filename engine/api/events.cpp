// POST /v1/events: the door through which everything starts.
#include <fmt/format.h>

#include "engine/api/event_json.h"
#include "engine/api/resources.h"
#include "engine/core/base/text.h"

namespace onward {
namespace {
/// Answers to so many events take no time to be written down.
constexpr std::size_t kFewAnswers = 100;

/// Whether a body is JSON by its looks, whatever curl calls a body that it was given no type for.
bool looks_like_json(std::string_view body) {
  body = trimmed(body);
  return body.starts_with('{') || body.starts_with('[');
}

/// The form of the body by its Content-Type; JSON where it has none.
Result<EventForm> form_of(std::string_view content_type, std::string_view body) {
  const std::string type = media_type(content_type);
  if (type.empty() || type == "application/json") return EventForm::Json;
  if (type == "application/x-www-form-urlencoded" && looks_like_json(body)) return EventForm::Json;
  if (type == "application/x-ndjson" || type == "application/ndjson" || type == "application/jsonl")
    return EventForm::Lines;
  return fail(ErrorKind::Invalid, "unsupported_media_type",
              fmt::format("Events come as application/json or application/x-ndjson, not \"{}\".",
                          clipped(type)));
}

void post_events(Runtime& runtime, const Clock& clock, DoorFigures& door, const Call& call) {
  const auto form = form_of(call.request.header("content-type"), call.request.body);
  if (!form) return call.reply(problem(415, form.error().code, form.error().message));
  const auto history = history_mode(call);
  if (!history) return call.reply(problem_of(history.error()));
  take_post(runtime, door, call, parse_events(call.request.body, *form, latest(clock), *history));
}
}  // namespace

Result<bool> history_mode(const Call& call) {
  const auto mode = call.parameter("mode");
  if (!mode) return false;
  if (*mode == "history") return true;
  return fail(ErrorKind::Invalid, "bad_parameter",
              fmt::format("\"mode\" can be history, found \"{}\".", clipped(*mode)));
}

void take_post(Runtime& runtime, DoorFigures& door, const Call& call, Result<EventPost> post) {
  if (!post) {
    const std::string& code = post.error().code;
    const int status = code == "too_many_events"          ? 413
                       : code == "unsupported_media_type" ? 415
                                                          : 400;
    return call.reply(problem(status, post.error().code, post.error().message));
  }
  refuse_undeclared(*post, *runtime.shown().fields());
  door.events_refused.fetch_add(post->refused.size(), std::memory_order_relaxed);
  if (post->events.empty()) return call.reply(render_answers(*post, {}));

  std::vector<EventInput> events = std::move(post->events);
  post->events.clear();
  auto places = std::make_shared<const EventPost>(std::move(*post));
  runtime.intake().events(
      [reply = call.reply, places = std::move(places)](Result<std::vector<EventAnswer>> answers) {
        if (!answers) return reply(problem_of(answers.error()));
        const bool is_long = answers->size() > kFewAnswers;
        auto make = [places, answers = std::move(*answers)] {
          return render_answers(*places, answers);
        };
        is_long ? reply.later_at_length(std::move(make)) : reply.later(std::move(make));
      },
      std::move(events));
}

std::vector<Route> event_routes(Runtime& runtime, const Clock& clock,
                                std::shared_ptr<DoorFigures> door) {
  return {{"POST",
           "/v1/events",
           Need::Ingest,
           "Takes one event, a list of events, or one event a line; answers when they are durable.",
           {"mode"},
           [&runtime, &clock, door = std::move(door)](const Call& call) {
             post_events(runtime, clock, *door, call);
           },
           {.id = "postEvents",
            .body = {{"Events"}, {"", "application/x-ndjson"}},
            .answers = {{202, "EventsTaken"}},
            .faults = {{400, kContactCodes},
                       {400, kEventCodes},
                       {400, "unknown_member"},
                       {409, "id_reused"},
                       {413, "too_many_events"},
                       {415, "unsupported_media_type"},
                       {422, "poison"}}}}};
}
}  // namespace onward
