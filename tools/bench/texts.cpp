#include "tools/bench/texts.h"

#include <iterator>

#include <fmt/format.h>

#include "tools/bench/load.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
/// Brings the body to about 300 bytes.
constexpr std::string_view kNote = "thank you for coming";
}  // namespace

void append_event(std::string& out, std::string_view type, std::uint64_t contact,
                  std::uint64_t number, std::int64_t sent_ns) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"id":"{}","type":"{}","contact":{{"id":"c{}"}},"data":{{"mark":"{}"}}}})",
                 random_uuid(), type, contact, mark(number, sent_ns));
}

void append_event_with_email(std::string& out, std::string_view type, std::uint64_t contact,
                             std::uint64_t number, std::int64_t sent_ns) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"id":"{}","type":"{}","contact":{{"id":"c{}","email":"person{}{}"}},)"
                 R"("data":{{"mark":"{}"}}}})",
                 random_uuid(), type, contact, contact, kKnownDomain, mark(number, sent_ns));
}

void append_contact(std::string& out, std::uint64_t contact) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"type":"loaded","contact":{{"id":"c{0}",)"
                 R"("email":"person{0}{1}","first_name":"Person"}}}})",
                 contact, kKnownDomain);
}

std::string webhook_like_ours() {
  return fmt::format(
      R"({{"id":"evt_0123456789ab_1","event":"automation.webhook.send",)"
      R"("timestamp":"2026-01-01T00:00:00Z","idClient":1,"data":{{"type":"member","id":"c12345",)"
      R"("email":"person12345{}","firstname":"Person","lastname":null,)"
      R"("mark":"{}","note":"{}"}}}})",
      kKnownDomain, mark(1'000'000, now_ns()), kNote);
}

std::string webhook_scenario(std::string_view id, std::string_view event, std::uint16_t port,
                             std::string_view domain) {
  return fmt::format(R"(scenario: {}
title: What the benchmark measures
reentry: parallel

nodes:
  measured:
    kind: trigger
    event: {}
    next: known
  known:
    kind: condition
    if: {{ email: {{ ends_with: "{}" }} }}
    yes: tell
    no: end
  tell:
    kind: send_webhook
    url: http://127.0.0.1:{}/hook
    additional: {{ mark: "{{{{ event.mark }}}}", note: {} }}
    next: end
)",
                     id, event, domain, port, kNote);
}

std::string waiting_scenario(std::string_view id, std::string_view event) {
  return fmt::format(R"(scenario: {}
title: Contacts that wait
reentry: never

nodes:
  measured: {{ kind: trigger, event: {}, next: pause }}
  pause: {{ kind: wait, for: 30d, next: known }}
  known: {{ kind: condition, if: {{ email: {{ ends_with: "{}" }} }}, yes: end, no: end }}
)",
                     id, event, kKnownDomain);
}

std::string due_scenario(std::string_view id, std::string_view event, std::string_view until) {
  return fmt::format(R"(scenario: {}
title: Contacts whose waits end together
reentry: never

nodes:
  measured: {{ kind: trigger, event: {}, next: pause }}
  pause: {{ kind: wait_until, date: "{}", next: known }}
  known: {{ kind: condition, if: {{ email: {{ ends_with: "{}" }} }}, yes: end, no: end }}
)",
                     id, event, until, kKnownDomain);
}

std::string unmatched_scenario(std::string_view id, std::string_view event) {
  return fmt::format(R"(scenario: {0}
title: One of many
reentry: parallel

nodes:
  measured: {{ kind: trigger, event: {1}, where: {{ event.form: "{0}" }}, next: tell }}
  tell: {{ kind: send_webhook, url: "https://crm.example.com/hooks/{0}", next: end }}
)",
                     id, event);
}

std::string path_scenario(std::string_view id, std::string_view event, int nodes) {
  std::string text = fmt::format(
      "scenario: {}\ntitle: A long path\nreentry: parallel\n\nnodes:\n"
      "  measured: {{ kind: trigger, event: {}, next: n2 }}\n",
      id, event);
  auto out = std::back_inserter(text);
  for (int i = 2; i < nodes; ++i) {
    if (i % 2 == 0) {
      fmt::format_to(out,
                     "  n{}: {{ kind: condition, if: {{ email: {{ ends_with: \"{}\" }} }}, "
                     "yes: n{}, no: end }}\n",
                     i, kKnownDomain, i + 1);
    } else {
      fmt::format_to(
          out,
          "  n{0}: {{ kind: split, ways: {{ a: 50, b: 50 }}, next: {{ a: n{1}, b: n{1} }} }}\n", i,
          i + 1);
    }
  }
  fmt::format_to(
      out, "  n{}: {{ kind: send_webhook, url: \"https://crm.example.com/hooks\", next: end }}\n",
      nodes);
  return text;
}

std::string large_scenario(int nodes) {
  std::string text =
      "scenario: large\ntitle: A large file\nreentry: after_exit\n\nnodes:\n"
      "  joined: { kind: trigger, event: subscription, next: n2 }\n";
  auto out = std::back_inserter(text);
  for (int i = 2; i <= nodes; ++i) {
    const std::string next = i < nodes ? fmt::format("n{}", i + 1) : "end";
    switch (i % 6) {
      case 0:
        fmt::format_to(out,
                       "  n{}:\n    kind: condition\n    if: {{ country: [CA, FR], custom.plan: "
                       "gold }}\n    yes: {}\n    no: end\n",
                       i, next);
        break;
      case 1:
        fmt::format_to(out, "  n{}: {{ kind: wait, for: 3d, next: {} }}\n", i, next);
        break;
      case 2:
        fmt::format_to(out,
                       "  n{}:\n    kind: send_webhook\n    url: https://crm.example.com/hooks/{}\n"
                       "    contact_fields: [id, email, first_name, last_name]\n"
                       "    additional: {{ source: onward, plan: \"{{{{ contact.custom.plan }}}}\" "
                       "}}\n    next: {}\n",
                       i, i, next);
        break;
      case 3:
        fmt::format_to(
            out,
            "  n{0}: {{ kind: split, ways: {{ a: 50, b: 50 }}, next: {{ a: {1}, b: {1} }} }}\n", i,
            next);
        break;
      case 4:
        fmt::format_to(
            out, "  n{}: {{ kind: update_contact, set: {{ custom.step: \"{}\" }}, next: {} }}\n", i,
            i, next);
        break;
      default:
        fmt::format_to(out,
                       "  n{0}: {{ kind: wait_until, event: survey_answered, timeout: 3d, "
                       "next: {1}, on_timeout: {1} }}\n",
                       i, next);
    }
  }
  return text;
}

std::string padded_scenario(std::size_t bytes, int number) {
  constexpr int kNodes = 9'900;
  const std::string bare = large_scenario(kNodes);
  std::string text = fmt::format("# file {}\n", number);
  const std::size_t room =
      bytes > bare.size() + text.size() ? bytes - bare.size() - text.size() : 0;
  const std::string comment(room / kNodes > 3 ? room / kNodes - 3 : 0, 'x');
  for (std::size_t at = 0; at < bare.size();) {
    const std::size_t end = bare.find('\n', at) + 1;
    const bool begins_node = bare.compare(at, 3, "  n") == 0 && bare[at + 3] != 'e';
    if (begins_node && !comment.empty()) text += "# " + comment + "\n";
    text.append(bare, at, end - at);
    at = end;
  }
  return text;
}

std::string journey_scenario() {
  return fmt::format(R"(scenario: journey
title: What is simulated
reentry: parallel

nodes:
  joined: {{ kind: trigger, event: measured, next: known }}
  known: {{ kind: condition, if: {{ email: {{ ends_with: "{}" }} }}, yes: pause, no: end }}
  pause: {{ kind: wait, for: 3d, next: way }}
  way: {{ kind: split, ways: {{ a: 50, b: 50 }}, next: {{ a: tag, b: tell }} }}
  tag: {{ kind: update_contact, set: {{ custom.tier: gold }}, next: tell }}
  tell:
    kind: send_webhook
    url: https://crm.example.com/hooks
    additional: {{ mark: "{{{{ event.mark }}}}" }}
    next: end
)",
                     kKnownDomain);
}
}  // namespace onward::bench
