#include <fmt/core.h>

#include <algorithm>

#include "engine/core/base/text.h"
#include "nodes/nodes.h"
#include "nodes/setting_reads.h"
#include "nodes/webhook_body.h"
#include "nodes/webhook_headers.h"
#include "nodes/webhook_pairs.h"
#include "nodes/webhook_target.h"

namespace onward {
namespace {
constexpr std::size_t kRenderedUrlMax = 64 * 1024;
constexpr std::size_t kHeadersMax = 64 * 1024;  // of one request, names and values
// Made room for at once.
constexpr std::size_t kUsualHeaders = 4;
constexpr std::size_t kUsualBody = 384;
constexpr Duration kDeadlineMax = std::chrono::hours{72};
constexpr Duration kTimeoutMin = std::chrono::seconds{1};
constexpr Duration kTimeoutMax = std::chrono::minutes{2};
constexpr std::size_t kDelaysMax = 100;
constexpr std::int64_t kBatchMax = 1'000;
constexpr Duration kLingerMin = std::chrono::milliseconds{100};
constexpr Duration kLingerMax = std::chrono::minutes{10};

/// Asks for one webhook request with each visit; the contact goes on at once.
class SendWebhook final : public Node {
 public:
  explicit SendWebhook(Settings& settings)
      : target_{settings}, headers_{settings}, body_{settings} {
    method_ = settings.choice("method");
    form_ = settings.choice("content_type") == "form";
    own_content_type_ = headers_.has("Content-Type");
    policy_.origin = target_.origin();
    read_retry(settings);
    read_accept(settings);
    read_timeout(settings);
    read_batch(settings);
    policy_.active = settings.optional<bool>("active").value_or(true);
    const std::string log = settings.choice("log_response_body");
    policy_.log_body = log == "off"   ? LogBody::Off
                       : log == "all" ? LogBody::All
                                      : LogBody::Failures;
    read_sign(settings);
  }

  Outcome enter(const Visit& visit) const override {
    Outcome outcome = leave_by("next");
    outcome.request = draft(visit, body_);
    return outcome;
  }
  const DeliveryPolicy* delivery_policy() const override { return &policy_; }
  std::vector<std::string> secrets() const override {
    std::vector<std::string> names = target_.secrets();
    for (std::string& name : headers_.secrets()) names.push_back(std::move(name));
    if (!policy_.sign.empty()) names.push_back(policy_.sign);
    return names;
  }
  std::vector<std::string> credentials() const override {
    if (headers_.credential().empty()) return {};
    return {headers_.credential()};
  }
  /// Of the standard envelope the test data that seed S2 prints, whatever fields the author chose.
  std::optional<RequestDraft> test_request(const Visit& visit) const override {
    return draft(visit, body_.is_standard() ? WebhookBody::test_data() : body_);
  }

 private:
  /// GET and DELETE carry what they say in the URL.
  bool in_query() const { return method_ == "GET" || method_ == "DELETE"; }

  /// Stops at the limits of a request, and at that of the input, while it is rendered.
  RequestDraft draft(const Visit& visit, const WebhookBody& body) const {
    WorkBudget own{kInputRenderMax};
    WorkBudget& room = visit.room == nullptr ? own : *visit.room;
    const std::string run = format_run(visit.run);
    const TemplateSubject subject = visit.template_subject(run, room);
    RequestDraft result;
    Request& request = result.request;
    request.method = method_;
    bool starved = false;  // of the input's room, not beyond a limit of its own
    // Calls `render` with the most that `out` may have, and takes what it wrote from the room.
    const auto within = [&](std::size_t most, const std::string& out, auto render) {
      const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(most, room.left()));
      const bool fits = render(limit);
      room.charge(out.size());
      starved = starved || (!fits && (limit < most || room.left() == 0));
      return fits;
    };

    const bool url_fits = within(kRenderedUrlMax, request.url, [&](std::size_t most) {
      return target_.render_to(request.url, subject, most);
    });
    if (!url_fits) request.url = policy_.origin;
    request.headers.reserve(kUsualHeaders);
    if (!in_query() && !own_content_type_)
      request.headers.emplace_back(
          "Content-Type", form_ ? "application/x-www-form-urlencoded" : "application/json");
    const auto headers = headers_.render_to(request.headers, subject, kHeadersMax);
    for (const auto& [name, value] : request.headers) room.charge(name.size() + value.size());
    // A value that could break the request is not kept either.
    if (!headers.broken.empty() || !headers.fits) request.headers.clear();
    if (!headers.broken.empty()) result.refusal = fmt::format("bad_header: {}", headers.broken);
    bool fits = url_fits && headers.fits;
    if (fits && in_query()) {
      std::string pairs;
      fits = within(kRenderedUrlMax - request.url.size(), pairs,
                    [&](std::size_t most) {
                      return body.append_pairs(pairs, visit, subject, most);
                    }) &&
             add_query(request.url, pairs);
    } else if (fits) {
      if (!form_) request.body.reserve(kUsualBody);
      fits = within(kRequestBodyMax, request.body, [&](std::size_t most) {
        return form_ ? body.append_pairs(request.body, visit, subject, most)
                     : body.append_json(request.body, visit, subject, most);
      });
      if (!fits) request.body = std::string{};
    }
    if (!fits) result.refusal = starved ? "input_too_large" : "too_large";
    return result;
  }

  /// False: the URL is too long with it.
  static bool add_query(std::string& url, std::string_view pairs) {
    if (pairs.empty()) return true;
    if (url.find('?') == std::string::npos)
      url += '?';
    else if (url.back() != '?' && url.back() != '&')
      url += '&';
    url += pairs;
    return url.size() <= kRenderedUrlMax;
  }

  void read_retry(Settings& settings) {
    const Tree* tree = settings.find("retry");
    if (!tree) return;
    if (!tree->is_map()) {
      settings.error(tree->at, "wrong_type",
                     fmt::format("\"retry\" wants a mapping such as {{ delays: [5s, 30s, 2m], "
                                 "deadline: 12h }}, found {}",
                                 describe(*tree)));
      return;
    }
    for (const Tree::Entry& entry : tree->entries) {
      if (entry.key == "delays")
        read_delays(settings, entry.value);
      else if (entry.key == "deadline")
        read_deadline(settings, entry.value);
      else if (entry.key == "permanent")
        read_codes(settings, entry.value, "permanent", policy_.retry.permanent);
      else
        unknown_retry_key(settings, entry);
    }
  }

  static void unknown_retry_key(Settings& settings, const Tree::Entry& entry) {
    static constexpr std::string_view kKnown[] = {"delays", "deadline", "permanent"};
    settings.error(entry.key_at, "unknown_key",
                   fmt::format("\"retry\": unknown key \"{}\"; known are delays, deadline, "
                               "permanent",
                               clipped(entry.key)),
                   settings.nearest(entry.key, kKnown));
  }

  void read_delays(Settings& settings, const Tree& tree) {
    std::vector<Duration> delays;
    bool good = tree.is_list() && !tree.items.empty() && tree.items.size() <= kDelaysMax;
    for (const Tree& item : tree.items) {
      if (const auto delay = duration_within(item, std::chrono::seconds{1}, kDeadlineMax)) {
        delays.push_back(*delay);
        continue;
      }
      settings.error(item.at, "bad_duration",
                     fmt::format("\"delays\" wants durations from 1s to 72h, such as 5s, 30s, 2m; "
                                 "found {}",
                                 describe(item)));
    }
    if (!good)
      settings.error(tree.at, "wrong_type",
                     fmt::format("\"delays\" wants a list of 1 to {} durations, such as [5s, 30s, "
                                 "2m]",
                                 kDelaysMax));
    policy_.retry.delays = std::move(delays);
  }

  void read_deadline(Settings& settings, const Tree& tree) {
    if (const auto deadline = duration_within(tree, Duration{1}, kDeadlineMax)) {
      policy_.retry.window = *deadline;
      return;
    }
    settings.error(tree.at, "bad_duration",
                   fmt::format("\"deadline\" wants a duration up to 72h, such as 12h; found {}",
                               describe(tree)));
  }

  void read_sign(Settings& settings) {
    const Tree* tree = settings.find("sign");
    if (!tree) return;
    const bool name = tree->is_scalar() && !tree->text.empty() && tree->text.size() <= 64 &&
                      std::all_of(tree->text.begin(), tree->text.end(), is_name_character);
    if (name) {
      policy_.sign = tree->text;
      return;
    }
    settings.error(tree->at, "wrong_type",
                   fmt::format("\"sign\" wants the name of a secret, such as crm_signing, found {}",
                               describe(*tree)));
  }

  void read_accept(Settings& settings) {
    const Tree* tree = settings.find("accept");
    if (!tree || (tree->is_scalar() && tree->text == "2xx")) return;
    read_codes(settings, *tree, "accept", policy_.retry.accept);
  }

  /// A status, or a list of them.
  static void read_codes(Settings& settings, const Tree& tree, std::string_view key,
                         std::vector<int>& codes) {
    codes.clear();
    const auto take = [&](const Tree& item) {
      const Value value = item.is_scalar() ? to_value(item) : Value{};
      const auto* code = value.get_if<std::int64_t>();
      if (code && *code >= 200 && *code <= 599) {
        const int status = static_cast<int>(*code);
        if (std::ranges::find(codes, status) == codes.end()) codes.push_back(status);
        return;
      }
      settings.error(item.at, "bad_status",
                     fmt::format("\"{}\" wants statuses from 200 to 599, such as [200, 202]; found "
                                 "{}",
                                 key, describe(item)));
    };
    if (!tree.is_list()) return take(tree);
    for (const Tree& item : tree.items) take(item);
    if (tree.items.empty() && key == "accept")
      settings.error(tree.at, "bad_status", "\"accept\" is empty: nothing would be accepted");
  }

  void read_batch(Settings& settings) {
    const bool events = settings.choice("envelope") == "events";
    if (events && (form_ || in_query()))
      settings.error(settings.find("envelope")->at, "conflict",
                     "\"envelope: events\" is JSON in a body: it goes with POST, PUT or PATCH, and "
                     "not with \"content_type: form\"");
    const Tree* tree = settings.find("batch");
    if (!tree) return;
    if (!events)
      settings.error(tree->at, "conflict",
                     "\"batch\" goes with \"envelope: events\", whose body is a list");
    if (!tree->is_map()) {
      settings.error(tree->at, "wrong_type",
                     fmt::format("\"batch\" wants a mapping such as {{ max: 100, linger: 1s }}, "
                                 "found {}",
                                 describe(*tree)));
      return;
    }
    BatchPolicy batch;
    for (const Tree::Entry& entry : tree->entries) {
      if (entry.key == "max")
        read_batch_max(settings, entry.value, batch);
      else if (entry.key == "linger")
        read_linger(settings, entry.value, batch);
      else
        unknown_batch_key(settings, entry);
    }
    policy_.batch = batch;
  }

  static void unknown_batch_key(Settings& settings, const Tree::Entry& entry) {
    static constexpr std::string_view kKnown[] = {"max", "linger"};
    settings.error(
        entry.key_at, "unknown_key",
        fmt::format("\"batch\": unknown key \"{}\"; known are max, linger", clipped(entry.key)),
        settings.nearest(entry.key, kKnown));
  }

  static void read_batch_max(Settings& settings, const Tree& tree, BatchPolicy& batch) {
    const Value value = tree.is_scalar() ? to_value(tree) : Value{};
    const auto* max = value.get_if<std::int64_t>();
    if (max && *max >= 1 && *max <= kBatchMax) {
      batch.max = static_cast<std::size_t>(*max);
      return;
    }
    settings.error(tree.at, "bad_number",
                   fmt::format("\"max\" wants a number of events from 1 to {}, found {}", kBatchMax,
                               describe(tree)));
  }

  static void read_linger(Settings& settings, const Tree& tree, BatchPolicy& batch) {
    if (const auto linger = duration_within(tree, kLingerMin, kLingerMax)) {
      batch.linger = *linger;
      return;
    }
    settings.error(
        tree.at, "bad_duration",
        fmt::format("\"linger\" wants a duration from 100ms to 10m, found {}", describe(tree)));
  }

  void read_timeout(Settings& settings) {
    const auto timeout = settings.optional<Duration>("timeout");
    if (!timeout) return;
    if (*timeout < kTimeoutMin || *timeout > kTimeoutMax) {
      const Tree& tree = *settings.find("timeout");
      settings.error(
          tree.at, "bad_duration",
          fmt::format("\"timeout\" wants a duration from 1s to 2m, found {}", describe(tree)));
      return;
    }
    policy_.timeout = *timeout;
    policy_.connect_timeout = std::min(policy_.connect_timeout, *timeout);
  }

  WebhookTarget target_;
  WebhookHeaders headers_;
  WebhookBody body_;
  std::string method_;
  bool form_ = false;
  bool own_content_type_ = false;
  DeliveryPolicy policy_;
};

constexpr std::string_view kAnyMap = R"({"type": "object"})";
constexpr std::string_view kQuery = R"({"anyOf": [{"type": "string"},
  {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}]})";
constexpr std::string_view kFields = R"({"anyOf": [{"type": "string"},
  {"type": "array", "items": {"type": "string"}}]})";
constexpr std::string_view kAuth = R"({"type": "object", "additionalProperties": false,
  "minProperties": 1, "maxProperties": 1, "properties": {
    "bearer": {"type": "string"},
    "basic": {"type": "object", "additionalProperties": false, "required": ["username", "password"],
      "properties": {"username": {"type": ["string", "number"]},
                     "password": {"type": ["string", "number"]}}},
    "credential": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}}})";
constexpr std::string_view kSecretName =
    R"({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"})";
constexpr std::string_view kAccept = R"({"anyOf": [{"const": "2xx"},
  {"type": "integer", "minimum": 200, "maximum": 599},
  {"type": "array", "minItems": 1,
   "items": {"type": "integer", "minimum": 200, "maximum": 599}}]})";
constexpr std::string_view kBatch = R"({"type": "object", "additionalProperties": false,
  "properties": {"max": {"type": "integer", "minimum": 1, "maximum": 1000},
                 "linger": {"$ref": "#/definitions/duration"}}})";
constexpr std::string_view kRetry = R"({"type": "object", "additionalProperties": false,
  "properties": {
    "delays": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/duration"}},
    "deadline": {"$ref": "#/definitions/duration"},
    "permanent": {"anyOf": [{"type": "integer"},
                            {"type": "array", "items": {"type": "integer"}}]}}})";
}  // namespace

NodeKind send_webhook_kind() {
  using Type = SettingType;
  return {
      .name = "send_webhook",
      .family = NodeFamily::Action,
      .summary = "Asks for one HTTP request; the contact goes on at once.",
      .settings =
          {{"url", Type::Url, "Where it goes: https://crm.example.com/hooks", /*required=*/true},
           {.key = "method",
            .type = Type::Choice,
            .summary = "POST, unless the receiver wants another one; GET and DELETE send the body "
                       "as query",
            .choices = {"POST", "GET", "PUT", "PATCH", "DELETE"}},
           {.key = "query",
            .type = Type::TemplateMap,
            .summary = "Pairs for the URL: { page: 1 }, or a=1&b=2",
            .schema = kQuery},
           {"headers", Type::TemplateMap, "Pairs: { X-Api-Key: \"{{ secret.crm_key }}\" }"},
           {.key = "content_type",
            .type = Type::Choice,
            .summary = "The body's form",
            .choices = {"json", "form"}},
           {.key = "envelope",
            .type = Type::Choice,
            .summary = "The standard envelope, your own map in payload, or a list of events",
            .choices = {"standard", "payload", "events"}},
           {.key = "batch",
            .type = Type::Map,
            .summary = "With envelope: events, several in one request: { max: 100, linger: 1s }",
            .schema = kBatch},
           {.key = "contact_fields",
            .type = Type::TextList,
            .summary = "What to tell of the contact: [id, email, custom.plan], custom.* or all",
            .schema = kFields},
           {.key = "additional",
            .type = Type::Map,
            .summary = "More members of data: { source: onward, plan: \"{{ contact.custom.plan "
                       "}}\" }",
            .schema = kAnyMap},
           {.key = "payload",
            .type = Type::Map,
            .summary = "The whole body instead: { email: $.subscriber.email, list: \"61330\" }",
            .schema = kAnyMap},
           {.key = "auth",
            .type = Type::Map,
            .summary = "{ bearer: \"{{ secret.token }}\" }, { basic: { username: …, password: … "
                       "} } or { credential: crm }",
            .schema = kAuth},
           {.key = "accept",
            .type = Type::NumberList,
            .summary = "Statuses that mean accepted: 2xx, or a list",
            .schema = kAccept},
           {.key = "retry",
            .type = Type::Map,
            .summary = "{ delays: [5s, 30s, 2m], deadline: 12h, permanent: [400, 410] }",
            .schema = kRetry},
           {"timeout", Type::Duration, "Of one attempt: 15s"},
           {.key = "log_response_body",
            .type = Type::Choice,
            .summary = "Whose answers are kept, up to 4 KiB each",
            .choices = {"failures", "off", "all"}},
           {"active", Type::Flag, "false: requests wait until `onward node resume`"},
           {.key = "sign",
            .type = Type::Text,
            .summary = "A secret's name: each attempt is signed with it (Standard Webhooks)",
            .schema = kSecretName}},
      .sends = true,
      .make = make_node<SendWebhook>};
}
}  // namespace onward
