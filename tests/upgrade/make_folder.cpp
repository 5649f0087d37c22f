// Writes a data folder of the present program as texts, with every kind of row. Not a test of
// anything: see README.md.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include "engine/api/access.h"
#include "engine/cell/sending.h"
#include "engine/store/sqlite/restored.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tests/support/child.h"
#include "tests/upgrade/finish.h"
#include "tests/upgrade/folder.h"
#include "tests/upgrade/world.h"

namespace onward {
namespace {
using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr const char* kToken = "onward_upgrade_0123456789abcdefghijklmnopqrstuv";
constexpr const char* kAuthor = "editor";

// ---- scenarios ----

/// Most of the grammar: segments, waits, a split, a change of the contact, secrets and credentials.
constexpr const char* kWelcome = R"(scenario: welcome
title: Welcome, "new" readers
timezone: America/Toronto
reentry: { mode: restart, min_gap: 1d }
exit:
  - { event: unsubscribe }
  - { event: [refund, complaint], where: { event.reason: spam } }
goal: { event: order }
nodes:
  joined:
    kind: trigger
    event: [subscription, signed_up_by_hand]
    where: { any: [{ email: { exists: true } }, { id: { exists: true } }] }
    next: is_tester
  is_tester:
    kind: condition
    if:
      all:
        - { email: { ends_with: "@tester.example.org" } }
        - { custom.score: { gte: 10 } }
        - { not: { in_group: blocked } }
    yes: tell_testers
    no: way
  way:
    kind: split
    ways: { early: 50, late: 50 }
    next: { early: tell_crm, late: opened }
  opened:
    kind: wait_until
    event: opened
    timeout: 7d
    next: hours
    on_timeout: tell_crm
  hours:
    kind: wait_until
    window: { days: [mon-fri], from: "09:00", to: "17:00" }
    next: tell_crm
  tell_testers:
    kind: send_webhook
    url: "https://tester.example.org/{{ contact.id }}?key={{ secret.tester_key }}"
    method: PUT
    headers: { X-Scenario: "{{ scenario.id }}" }
    auth: { basic: { username: onward, password: "{{ secret.crm_key }}" } }
    contact_fields: all
    log_response_body: all
    next: remember
  tell_crm:
    kind: send_webhook
    url: https://crm.example.org/hooks/new
    auth: { credential: crm }
    sign: signing
    additional: { source: "{{ event.form }}", list: [1, two, 3.5], nested: { a: null, b: true } }
    accept: [200, 202]
    retry: { delays: [5s, 30s], deadline: 2h, permanent: [400, 422] }
    next: remember
  remember:
    kind: update_contact
    set: { custom.welcomed: "{{ event.form | default: \"unknown\" }}", custom.score: 12 }
    groups_add: [welcomed]
    groups_remove: lead
    next: rest
  rest: { kind: wait, for: 30d, next: end }
tests:
  - name: a tester
    contact: { id: t, email: t@tester.example.org, custom: { score: 11 } }
    events: [{ type: subscription }]
    expect: { path: [joined, is_tester, tell_testers, remember, rest] }
)";

constexpr const char* kCourseOne = R"(scenario: course
nodes:
  booked: { kind: trigger, event: course_booked, next: first }
  first: { kind: wait, for: 20d, next: lesson }
  lesson: { kind: send_webhook, url: "https://school.example.org/lesson", next: second }
  second: { kind: wait, for: 20d, next: end }
)";
constexpr const char* kCourseTwo = R"(scenario: course
nodes:
  booked: { kind: trigger, event: course_booked, next: first }
  first: { kind: wait, for: 30d, next: note }
  note: { kind: update_contact, set: { custom.noted: true }, next: lesson }
  lesson: { kind: send_webhook, url: "https://school.example.org/lesson/2", next: second }
  second: { kind: wait, for: 25d, next: end }
)";
constexpr const char* kCourseThree = R"(scenario: course
nodes:
  booked: { kind: trigger, event: course_booked, next: first }
  first: { kind: wait, for: 35d, next: lesson }
  lesson: { kind: send_webhook, url: "https://school.example.org/lesson/3", next: second }
  second: { kind: wait, for: 25d, next: end }
)";

/// One delivery for each contact, whose id says how its receiver answers.
constexpr const char* kCodes = R"(scenario: codes
reentry: parallel
nodes:
  asked: { kind: trigger, event: code_wanted, next: call }
  call:
    kind: send_webhook
    url: "https://codes.example.org/{{ contact.id }}"
    headers: { X-Note: "{{ event.note }}" }
    payload: { to: $.subscriber.id, text: "{{ event.text }}" }
    retry: { delays: [10m, 1h], deadline: 3h, permanent: [400] }
    next: end
)";

constexpr const char* kDigest = R"(scenario: digest
reentry: parallel
nodes:
  clicked: { kind: trigger, event: clicked, next: report }
  report:
    kind: send_webhook
    url: https://digest.example.org/events
    envelope: events
    batch: { max: 3, linger: 10m }
    next: end
)";

constexpr const char* kOrders = R"(scenario: orders
reentry: { mode: parallel, key: event.order.id }
nodes:
  ordered: { kind: trigger, event: new_order, where: { event.order.total: { gt: 1 } }, next: is_large }
  is_large: { kind: condition, if: { event.order.total: { gte: 500 } }, yes: sales, no: paid }
  paid: { kind: wait_until, if: { in_group: payers }, timeout: 90d, next: sales, on_timeout: end }
  sales: { kind: send_webhook, url: "https://sales.example.org/", content_type: form, next: shipped }
  shipped: { kind: wait_until, date: event.ship_on, offset: -1d, at: "09:00", next: end, on_past: end }
)";

constexpr const char* kOnce = R"(scenario: once
reentry: never
nodes:
  opened: { kind: trigger, event: opened, next: end }
)";

constexpr const char* kBirthday = R"(scenario: birthday
timezone: Europe/Lisbon
reentry: { mode: after_exit, min_gap: 300d }
nodes:
  soon: { kind: trigger_date, field: birth_date, every: year, offset: -3d, at: "09:00", next: voucher }
  voucher: { kind: send_webhook, url: "https://shop.example.org/vouchers", next: end }
)";
constexpr const char* kRenewal = R"(scenario: renewal
reentry: after_exit
nodes:
  due: { kind: trigger_date, field: custom.renewal, offset: -1d, next: remind }
  remind: { kind: send_webhook, url: "https://shop.example.org/renew", next: end }
)";
constexpr const char* kFans = R"(scenario: fans
reentry: after_exit
nodes:
  fan: { kind: trigger_segment, if: { opened: { within: 30d } }, next: tag }
  tag: { kind: update_contact, groups_add: [fans], next: loyal }
  loyal: { kind: wait_until, if: { opened: april, clicked: { within: 60d } }, timeout: 60d, next: end, on_timeout: end }
)";
constexpr const char* kVip = R"(scenario: vip
nodes:
  vip: { kind: trigger_segment, if: { custom.score: { gte: 12 } }, backfill: true, next: greet }
  greet: { kind: send_webhook, url: "https://crm.example.org/vip", next: end }
)";
constexpr const char* kPoll = R"(scenario: poll
nodes:
  asked: { kind: trigger_segment, if: { not: { in_group: fans } }, at: 2026-04-20T12:00, next: ask }
  ask: { kind: send_webhook, url: "https://poll.example.org/", next: end }
)";
/// Groups that each cause the next one: deeper than one input may go.
std::string spiral() {
  std::string text = "scenario: spiral\nreentry: parallel\nnodes:\n";
  for (int i = 0; i < 12; ++i)
    text += fmt::format(
        "  t{0}: {{ kind: trigger, event: group_joined, where: {{ event.group: g{0} }}, next: u{0} "
        "}}\n"
        "  u{0}: {{ kind: update_contact, groups_add: g{1}, next: end }}\n",
        i, i + 1);
  return text;
}
/// A short scenario under the id `id`, on `event`.
std::string simple(std::string_view id, std::string_view event, std::string_view top = "") {
  return fmt::format(R"(scenario: {}
{}nodes:
  begun: {{ kind: trigger, event: {}, next: tell }}
  tell: {{ kind: send_webhook, url: "https://simple.example.org/{}", next: pause }}
  pause: {{ kind: wait, for: 40d, next: end }}
)",
                     id, top, event, id);
}

// ---- the history ----

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error{result.error().message};
  return std::move(*result);
}

void apply(Cell& engine, const std::string& id, const std::string& text, bool activate = true,
           const MigrationRequest& migration = {}) {
  const ApplyAnswer answer = must(engine.scenarios().apply(id, text, migration, kAuthor));
  std::string faults;
  for (const Diagnostic& found : answer.diagnostics)
    if (found.severity == Severity::Error) faults += found.message + "\n";
  if (answer.refused) throw std::runtime_error{id + ": " + faults};
  if (activate) must(engine.scenarios().activate(id, std::nullopt, kAuthor));
}

/// What each contact of `codes` meets, attempt by attempt, by its id.
std::optional<AttemptReply> answer_code(std::string_view who, std::uint32_t number) {
  static const std::map<std::string_view, AttemptReply> kReplies{
      {"code-400", {.status = 400, .response = "{\"error\": \"no\"}"}},
      {"code-404", {.status = 404, .response = "not here"}},
      {"code-410", {.status = 410}},
      {"code-429", {.status = 429, .retry_after = 20min}},
      {"code-503", {.status = 503}},
      {"code-redirect", {.status = 302, .code = "redirect"}},
      {"code-blocked_policy", {.status = 0, .code = "blocked_policy", .permanent = true}},
      {"code-bad_header", {.status = 0, .code = "bad_header", .permanent = true}},
      {"code-bad_url", {.status = 0, .code = "bad_url", .permanent = true}},
      {"code-poison", {.status = 0, .code = "poison", .permanent = true}},
      {"code-request_missing", {.status = 0, .code = "request_missing", .permanent = true}},
      {"code-version_missing", {.status = 0, .code = "version_missing", .permanent = true}},
      {"code-too_large", {.status = 0, .code = "too_large", .permanent = true}},
      {"code-local", {.status = 0, .code = "local", .local = true, .retry_after = 400h}},
      {"code-secret_missing",
       {.status = 0, .code = "secret_missing", .local = true, .retry_after = 400h}}};
  if (who == "code-body_truncated") return AttemptReply{.status = 200, .code = "body_truncated"};
  if (who == "code-second-try" && number > 1) return AttemptReply{.status = 204};
  if (who == "code-second-try") return AttemptReply{.status = 500};
  if (const auto found = kReplies.find(who); found != kReplies.end()) return found->second;
  if (who.starts_with("code-"))
    return AttemptReply{.status = 0, .code = std::string{who.substr(5)}};
  return AttemptReply{};
}

/// The answers of the time before the folder was left.
std::optional<AttemptReply> answer_early(const DeliveryTask& task) {
  const std::string& url = task.request->url;
  if (url.starts_with("https://codes.example.org/"))
    return answer_code(std::string_view{url}.substr(26), task.number);
  if (url.starts_with("https://digest.example.org/")) return AttemptReply{.status = 503};
  if (url.starts_with("https://sales.example.org/")) return std::nullopt;  // never answers
  if (url.starts_with("https://simple.example.org/cancelled")) return AttemptReply{.status = 500};
  return AttemptReply{.response = "thanks"};
}

void set_up(World& world) {
  Cell& engine = world.engine();
  must(engine.access().issue_token(
      {.sha256 = sha256_hex(kToken), .name = "first", .role = Role::Admin}));
  must(engine.access().issue_token({.sha256 = sha256_hex("editor-token-of-the-test-folder"),
                                    .name = kAuthor,
                                    .role = Role::Author},
                                   "first"));
  must(engine.access().issue_token({.sha256 = sha256_hex("guest-token-of-the-test-folder-"),
                                    .name = "guest",
                                    .role = Role::Read,
                                    .expires = world.clock().now() + 24h * 365},
                                   "first"));
  must(engine.access().issue_token({.sha256 = sha256_hex("gone-token-of-the-test-folder--"),
                                    .name = "gone",
                                    .role = Role::Ingest},
                                   "first"));
  must(engine.access().revoke_token("gone", "first"));
  must(engine.access().declare_field(
      {.name = "score", .type = FieldType::Number, .summary = "How keen"}, kAuthor));
  for (const char* name : {"welcomed", "tier"})
    must(engine.access().declare_field({.name = name, .type = FieldType::Text}, kAuthor));
  must(engine.access().declare_field({.name = "renewal", .type = FieldType::Date}, kAuthor));
  must(engine.access().declare_field({.name = "noted", .type = FieldType::Flag}, kAuthor));
  must(engine.access().declare_field({.name = "scrap", .type = FieldType::List}, kAuthor));
  must(engine.access().remove_field("scrap", kAuthor));

  const auto set = [&](SecretKind kind, const char* name, SecretChange change) {
    if (!change.rotate) change.hosts = SecretHosts{SecretHosts::Rule::Any};
    must(engine.secrets().set(kind, name, change, kAuthor));
  };
  set(SecretKind::Secret, "tester_key", {.value = "tester-key-one"});
  set(SecretKind::Secret, "crm_key", {.value = "crm key: 7f3a"});
  set(SecretKind::Secret, "signing", {.value = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
  world.pass(1h);
  set(SecretKind::Secret, "signing",
      {.value = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", .rotate = true});
  set(SecretKind::Secret, "unused", {.value = "not needed any more"});
  must(engine.secrets().remove(SecretKind::Secret, "unused", /*force=*/false, kAuthor));
  set(SecretKind::Credential, "crm", {.value = "token-of-crm", .scheme = AuthScheme::Bearer});
  set(SecretKind::Credential, "shop",
      {.value = "pass-of-shop", .scheme = AuthScheme::Basic, .login = "onward"});
  set(SecretKind::Credential, "school",
      {.value = "key-of-school", .scheme = AuthScheme::Header, .login = "X-Api-Key"});

  apply(engine, "welcome", kWelcome);
  apply(engine, "course", kCourseOne);
  apply(engine, "codes", kCodes);
  apply(engine, "digest", kDigest);
  apply(engine, "orders", kOrders);
  apply(engine, "once", kOnce);
  apply(engine, "birthday", kBirthday);
  apply(engine, "renewal", kRenewal);
  apply(engine, "fans", kFans);
  apply(engine, "poll", kPoll);
  apply(engine, "spiral", spiral());
  for (const char* id : {"cancelled", "purged", "purging", "ended"})
    apply(engine, id, simple(id, fmt::format("{}_begun", id)));
  apply(engine, "paused", simple("paused", "paused_begun", "reentry: parallel\n"));
  apply(engine, "held", simple("held", "held_begun"));
  apply(engine, "trial", simple("trial", "trial_begun", "reentry: never\n"), /*activate=*/false);
  must(engine.scenarios().activate("trial", std::vector<std::string>{"Test@Example.org"}, kAuthor));
  apply(engine, "draft", simple("draft", "draft_begun"), /*activate=*/false);
  apply(engine, "scrap", simple("scrap", "scrap_begun"), /*activate=*/false);
  must(engine.scenarios().remove_draft("scrap", kAuthor));
  apply(engine, "later",
        simple("later", "later_begun",
               "start_at: 2026-05-10T09:00\nend_at: 2026-06-10T09:00\n"
               "at_end: archive\n"));
}

std::string event(std::string_view type, std::string_view who, std::string_view data = "{}",
                  std::string_view more = "") {
  return fmt::format(R"({{"type": "{}", "contact": {{"id": "{}"{}}}, "data": {}}})", type, who,
                     more, data);
}

void first_month(World& world) {
  world.post(
      event("subscription", "ada", R"({"form": "footer"})",
            R"(, "email": "Ada@Tester.example.org", "first_name": "Ada", "timezone": "Asia/Tokyo",
       "groups": ["lead", "News & more"], "custom": {"score": 11, "tier": "gold"},
       "birth_date": "1990-05-10", "consent": {"type": "express", "source": "form", "expires_at": "2028-01-01T00:00:00Z"})"));
  for (const char* who : {"bea", "cem", "dan", "eve", "flo"})
    world.post(
        event("subscription", who, R"({"form": null})",
              fmt::format(R"(, "email": "{}@example.org", "birth_date": "2000-02-29")", who)));
  world.post(event("subscription", "gus"));  // without an e-mail address
  world.post(
      R"({"type": "subscription", "contact": {"email": "Only@Mail.example.org", "last_name": "Ünïcode"}})");
  world.post(
      R"({"type": "subscription", "id": "dup-1", "source": "shop", "contact": {"id": "hal"}, "data": {"b": 1, "a": [1.0, "x"]}})");
  world.post(event("unsubscribe", "flo"));
  world.post(event("order", "eve", R"({"order": {"id": "o-9", "total": 10.5}})"));
  world.put(
      "ivy",
      R"({"email": "ivy@example.org", "custom": {"renewal": "2026-05-05", "score": 3}, "phone": "+351 900"})");
  for (const char* who : {"bea", "cem", "dan"}) world.post(event("course_booked", who));
  for (const char* id : {"cancelled", "purged", "purging", "ended", "held"})
    for (const char* who : {"bea", "cem"}) world.post(event(fmt::format("{}_begun", id), who));
  world.post(event("paused_begun", "bea"));
  world.post(event("trial_begun", "tess", "{}", R"(, "email": "test@example.org")"));
  world.post(event("trial_begun", "bea"));  // refused: not a test address
  for (const char* who : {"bea", "bea", "ada"})
    world.post(event("opened", who, R"({"mailing": "march"})"));
  world.post(event("new_order", "cem",
                   R"({"order": {"id": "o-1", "total": 700}, "ship_on": "2026-05-20"})"));
  world.post(
      event("new_order", "cem", R"({"order": {"id": "o-2", "total": 20}, "ship_on": "soon"})"));
  world.post(event("new_order", "cem", R"({"order": {"id": "o-2", "total": 30}})"));
  world.post(event("new_order", "dan", R"({"order": {"total": 40}})"));
  world.post(event("subscription", "ada", R"({"form": "again"})"));  // too soon
  world.post(event("complaint", "gus", R"({"reason": "spam"})"));
  world.post(event("opened", "zoe", "{}", R"(, "groups_add": ["g0"])"));
  for (const char* code : {"400",
                           "404",
                           "410",
                           "429",
                           "503",
                           "redirect",
                           "blocked_policy",
                           "bad_header",
                           "bad_url",
                           "poison",
                           "request_missing",
                           "version_missing",
                           "too_large",
                           "local",
                           "secret_missing",
                           "body_truncated",
                           "second-try",
                           "connect_refused",
                           "connect_timeout",
                           "dns",
                           "header_limit",
                           "no_network",
                           "protocol",
                           "reset",
                           "timeout",
                           "tls",
                           "tls_cert",
                           "tls_client_cert",
                           "unreachable"})
    world.post(event("code_wanted", fmt::format("code-{}", code)));
  world.post(event("code_wanted", "born-bad-header", R"({"note": "two\nlines"})"));
  for (const char* who : {"ada", "bea", "cem", "dan"})
    world.post(event("clicked", who, R"({"mailing": "march", "list_id": 7})"));
  world.pass(24h);
  must(world.engine().scenarios().hold("held", kAuthor));
  must(world.engine().scenarios().archive("purged", /*cancel_pending=*/false, kAuthor));
  world.pass(24h);
  must(world.engine().scenarios().purge("purged", kAuthor));
  for (int i = 0; i < 10; ++i) world.work();
  world.command("flo", Forget{});
  world.pass(24h * 10);
}

void second_month(World& world) {
  must(world.engine().deliveries().resume_sending("first"));
  apply(world.engine(), "course", kCourseTwo);
  for (const char* who : {"eve", "hal"}) world.post(event("course_booked", who));
  apply(world.engine(), "fans", kFans);
  world.pass(24h * 20);
  world.post(event("opened", "cem", R"({"mailing": "april"})"));
  world.post(event("opened", "cem", R"({"mailing": "april"})"));
  must(world.engine().deliveries().switch_node("paused", "tell", /*pause=*/true, kAuthor));
  world.work();
  world.post(event("paused_begun", "cem"));
  world.post(event("paused_begun", "dan"));
  must(world.engine().scenarios().activate("held", std::nullopt, kAuthor));
  world.pass(24h * 10);
}

RunKey newest_run(World& world, const char* who) {
  const auto contact = must(world.engine().contacts().find_contact({.id = who}));
  const auto runs = must(world.reader()->runs(*contact, 1, ""));
  return runs.runs.at(0).key;
}

/// The last hours: what stays in the journal, and what is under way when the program is killed.
void last_day(World& world) {
  Cell& engine = world.engine();
  world.post(event("cancelled_begun", "eve"));
  must(engine.scenarios().archive("cancelled", /*cancel_pending=*/true, kAuthor));
  world.command("dan", ParkRun{.run = newest_run(world, "dan"), .reason = "poison"});
  for (const char* id : {"ended", "purging"}) must(engine.scenarios().archive(id, true, kAuthor));
  must(engine.access().declare_field({.name = "late", .type = FieldType::Instant}, kAuthor));
  const auto act = [&](ByHand what, const DeliveryQuery& which) {
    engine.deliveries().by_hand(what, which, /*dry_run=*/false, kAuthor,
                                [](Result<ByHandAnswer> answer) { must(std::move(answer)); });
    world.work();
  };
  // Deliveries that trouble of the machine's own has kept pending since March, and one tried again.
  act(ByHand::Cancel, {.scenario = "codes", .state = DeliveryState::Pending});
  for (const char* code : {"404", "410", "local", "secret_missing", "503", "second-try"})
    world.post(event("code_wanted", fmt::format("code-{}", code)));
  act(ByHand::Retry, {.scenario = "codes", .state = DeliveryState::Failed, .code = "gone"});
  world.post(event("new_order", "kit", R"({"order": {"id": "o-4", "total": 800}})"));
  world.command("kit", Forget{});
  world.reader();  // flushes: all that follows is in the journal only
  world.post(
      R"({"type": "subscription", "id": "dup-2", "source": "shop", "at": "2026-04-19T08:00:00Z",
       "contact": {"id": "jan", "email": "jan@example.org"}, "data": {"form": "late"}})");
  world.post(event("opened", "jan"));  // before the hours of the contact's zone
  for (const char* who : {"kay", "lou", "max", "ned"}) world.post(event("subscription", who));
  world.post(event("trial_begun", "tess", "{}", R"(, "email": "test@example.org")"));
  world.put("ivy", R"({"first_name": "Ivy", "custom": {"score": 20}})");
  // A full batch, which is refused, and two that wait for a third one.
  for (const char* who : {"eve", "bea", "cem", "hal", "dan"})
    world.post(event("clicked", who, R"({"mailing": "april"})"));
  world.post(event("code_wanted", "code-timeout"));
  world.post(event("course_booked", "jan"));
  world.post(event("new_order", "eve", R"({"order": {"id": "o-3", "total": 900}})"));

  // Jobs begin, and no later call of the engine continues them.
  must(engine.scenarios().purge("purging", kAuthor));
  world.work();  // its first piece: live runs are ended
  apply(engine, "vip", kVip);
  apply(engine, "course", kCourseThree, /*activate=*/false, {.wanted = true});
  must(engine.deliveries().switch_node("welcome", "tell_crm", /*pause=*/true, kAuthor));
}

bool begins_check(const Commit& commit) {
  return std::ranges::any_of(commit.control.admin, [](const AdminRecord& row) {
    return row.name.starts_with("check/") && row.content.find("\"nodes\":[[") != std::string::npos;
  });
}
}  // namespace

TEST_CASE("a folder of this program is written as text", "[.make]") {
  const char* wanted = std::getenv("ONWARD_UPGRADE_FOLDER");
  REQUIRE(wanted != nullptr);
  const fs::path texts{wanted};
  const TemporaryFolder temporary;
  const fs::path folder = temporary.path() / "data";
  const Instant begin = parse_instant("2026-03-02T09:00:00Z").value();
  fs::create_directories(folder);
  write_file(folder / "token", std::string{kToken} + "\n");
  {
    World world{folder, begin};
    world.receivers_answer(answer_early);
    set_up(world);
    first_month(world);
    world.reader();
  }
  // As if the folder had been restored from a backup: later deliveries are named in a new epoch.
  const Instant restored = begin + 24h * 14;
  must(begin_new_epoch(folder, {.at = restored, .control = {.admin = {sending_held(restored)}}}));
  std::string sql;
  const auto dump_once = [&](const Commit& commit) {
    if (sql.empty() && begins_check(commit)) sql = dump_database(folder / "onward.db");
  };
  {
    World world{folder, restored, dump_once};
    world.receivers_answer(answer_early);
    second_month(world);
    world.until(parse_instant("2026-04-20T11:00:00Z").value());
    last_day(world);
    world.clock().set(left_at());
    world.work();
  }
  REQUIRE_FALSE(sql.empty());
  write_texts(folder, sql, texts);

  // What this program says of it, at once and at the end.
  const TemporaryFolder again;
  make_data_folder(texts, again.path() / "data");
  const Finished finished = finish(again.path() / "data");
  write_file(texts / kAtStart, answers_text(finished.at_start));
  write_file(texts / kAtEnd, answers_text(finished.at_end));
}
}  // namespace onward
