// POST /v1/intake/…: events as other systems send them.
#include "engine/api/intake.h"

#include <algorithm>
#include <iterator>

#include "engine/api/intake_check.h"
#include "engine/api/resources.h"

namespace onward {
namespace {
constexpr std::string_view kEgoi = "egoi";
constexpr std::string_view kTaguchi = "taguchi";
constexpr std::string_view kCloudEvents = "cloudevents";
constexpr std::string_view kNames[] = {kEgoi, kTaguchi, kCloudEvents};

constexpr std::string_view kForeignCodes = "id_mismatch many_contacts unsigned_attributes";
constexpr std::string_view kCloudEventCodes =
    "missing_attribute bad_attribute unsupported_specversion bad_data unsigned_attributes";

struct Door {
  Runtime& runtime;
  const Clock& clock;
  std::shared_ptr<DoorFigures> figures;
};

std::vector<std::string> secrets_of(const SharedIntakeSecrets& secrets, std::string_view adapter) {
  const auto all = secrets.get();
  std::vector<std::string> own;
  for (const auto& [name, secret] : *all)
    if (name == adapter) own.push_back(secret);
  return own;
}

/// Of the adapter's secrets; null where it has none. Which adapters have some does not change.
std::shared_ptr<const Guard> guard_of(const SharedIntakeSecrets& secrets, std::string_view adapter,
                                      const Clock& clock) {
  if (secrets_of(secrets, adapter).empty()) return nullptr;
  return std::make_shared<Guard>(
      Guard{brings_proof, is_signed, [secrets, adapter, &clock](const ApiRequest& request) {
              const std::vector<std::string> own = secrets_of(secrets, adapter);
              auto proof = check_intake(own, request, clock.now());
              // The sender may have the right time while a clock that was moved is not followed
              // yet.
              if (!proof && proof.error().code == "stale_signature")
                proof = check_intake(own, request, clock.wall());
              return proof;
            }});
}

using Parse = Result<EventPost> (*)(const Call& call, Instant now, bool history);

std::function<void(Call)> handler(const Door& door, Parse parse) {
  return [door, parse](const Call& call) {
    const auto history = history_mode(call);
    if (!history) return call.reply(problem_of(history.error()));
    take_post(door.runtime, *door.figures, call, parse(call, latest(door.clock), *history));
  };
}

/// Other systems name the type of their bodies in many ways: it must be JSON, whatever it is
/// called.
Result<EventPost> egoi(const Call& call, Instant now, bool history) {
  return parse_egoi(call.request.body, now, history);
}
Result<EventPost> taguchi(const Call& call, Instant now, bool history) {
  return parse_taguchi(call.request.body, now, history);
}
/// The attributes of the binary form are headers, which no signature covers.
Result<EventPost> cloudevents(const Call& call, Instant now, bool history) {
  if (call.proof == Proof::BodySignature && !is_cloudevents_document(call.request))
    return fail(ErrorKind::Invalid, "unsigned_attributes",
                "The signature covers the body, not the ce- headers: send the structured form, or "
                "the binary one with a token or X-Onward-Secret.");
  return parse_cloudevents(call.request, now, history);
}
}  // namespace

std::span<const std::string_view> intake_adapters() { return kNames; }

std::vector<Route> intake_routes(Runtime& runtime, const Clock& clock,
                                 const std::shared_ptr<DoorFigures>& figures,
                                 const SharedIntakeSecrets& secrets) {
  const Door door{runtime, clock, figures};
  return {
      {"POST",
       "/v1/intake/egoi",
       Need::Ingest,
       "Takes events in E-goi's form.",
       {"mode"},
       handler(door, egoi),
       {.id = "postEgoiEvents",
        .body = {{"EgoiEvents"}},
        .answers = {{202, "EventsTaken"}},
        .faults = {{400, "bad_json wrong_type no_events unsigned_attributes"},
                   {413, "too_many_events"}}},
       guard_of(secrets, kEgoi, clock)},
      {"POST",
       "/v1/intake/taguchi",
       Need::Ingest,
       "Takes events in Taguchi's words: one, or a list.",
       {"mode"},
       handler(door, taguchi),
       {.id = "postTaguchiEvents",
        .body = {{"TaguchiEvents"}},
        .answers = {{202, "EventsTaken"}},
        .faults = {{400, kEventCodes},
                   {400, kContactCodes},
                   {400, kForeignCodes},
                   {413, "too_many_events"}}},
       guard_of(secrets, kTaguchi, clock)},
      {"POST",
       "/v1/intake/cloudevents",
       Need::Ingest,
       "Takes CloudEvents 1.0: structured, batched or binary.",
       {"mode"},
       handler(door, cloudevents),
       {.id = "postCloudEvents",
        .body =
            {{"CloudEvent", "application/cloudevents+json"},
             {"CloudEvents", "application/cloudevents-batch+json"},
             {R"({"type": "object", "description": "The data; the attributes are ce- headers."})",
              "application/json"}},
        .body_optional = true,
        .answers = {{202, "EventsTaken"}},
        .faults = {{400, kEventCodes},
                   {400, kContactCodes},
                   {400, kCloudEventCodes},
                   {409, "id_reused"},
                   {422, "poison"},
                   {413, "too_many_events"},
                   {415, "unsupported_media_type"}}},
       guard_of(secrets, kCloudEvents, clock)},
  };
}
}  // namespace onward
