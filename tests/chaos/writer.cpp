#include "tests/chaos/writer.h"

#include <array>

#include <fmt/format.h>

#include "tests/chaos/chance.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

/// A node's settings without the ports that follow, and the ports.
struct Draft {
  std::string id;
  std::string settings;
  std::vector<std::string> ports = {"next"};
  std::vector<std::string> ways;  ///< Of a split: `next` is a mapping.
};

class Writer {
 public:
  Writer(const Plot& plot, std::uint64_t version, Instant from)
      : plot_{plot}, chance_{plot.seed, version}, from_{from} {}
  std::string text();

 private:
  std::string segment();
  std::string duration();
  std::string event();
  std::string rule();
  std::string retry();
  std::string url(std::string_view path);
  Draft draft(std::size_t which);
  std::string triggers(const std::string& next);
  std::string head();

  const Plot& plot_;
  Chance chance_;
  Instant from_;
};

std::string Writer::duration() {
  constexpr std::array lengths{"1s", "45s", "10m", "1h", "7h", "1d", "3d", "9d"};
  return chance_.pick(lengths);
}

std::string Writer::event() {
  constexpr std::array names{"subscription", "opened", "order", "viewed", "noise"};
  return chance_.pick(names);
}

std::string Writer::segment() {
  switch (chance_.roll(9)) {
    case 0:
      return fmt::format("custom.spent: {{ gte: {} }}", 50 * chance_.roll(4));
    case 1:
      return fmt::format("custom.spent: {{ lt: {} }}", 50 * chance_.roll(4));
    case 2:
      return "in_group: vip";
    case 3:
      return "not_in_group: [out, g0]";
    case 4:
      return fmt::format("opened: {{ within: {} }}", duration());
    case 5:
      return fmt::format("not: {{ opened: {{ within: {} }} }}", duration());
    case 6:
      return fmt::format("any: [{{ in_group: g1 }}, {{ custom.spent: {{ between: [{}, 120] }} }}]",
                         chance_.roll(100));
    case 7:
      return "email: { exists: true }";
    default:
      return "all: [{ not: { in_group: out } }, { custom.spent: { exists: true } }]";
  }
}

std::string Writer::rule() {
  if (chance_.one_in(2)) return fmt::format("{{ if: {{ {} }} }}", segment());
  constexpr std::array events{"unsubscribe", "order", "noise"};
  return fmt::format("{{ event: {}{} }}", chance_.pick(events),
                     chance_.one_in(2) ? ", where: { event.group: k0 }" : "");
}

std::string Writer::retry() {
  switch (chance_.roll(6)) {
    case 0:
      return ", retry: { delays: [5s, 30s, 2m], deadline: 1h, permanent: [400, 410] }";
    case 1:
      return ", retry: { delays: [1m], deadline: 90m }, timeout: 4s";
    case 2:
      return ", retry: { delays: [10s, 3h], deadline: 20h }, accept: [200, 302]";
    case 3:
      return ", log_response_body: all";
    default:
      return "";
  }
}

std::string Writer::url(std::string_view path) {
  constexpr std::array hosts{"crm", "shop", "mail"};
  return fmt::format("https://{}.example.com/{}", chance_.pick(hosts), path);
}

/// The kind follows from the id, whatever the version.
Draft Writer::draft(std::size_t which) {
  switch (which) {
    case 0:
    case 1:
      return {fmt::format("wait{}", which), fmt::format("kind: wait, for: {}", duration())};
    case 2: {
      constexpr std::array days{"mon-fri", "sat, sun", "mon-thu", "wed"};
      return {"hours",
              fmt::format("kind: wait_until, window: {{ days: [{}], from: \"{:02}:00\", to: "
                          "\"17:30\" }}",
                          chance_.pick(days), 6 + chance_.roll(6))};
    }
    case 3:
      return {"reply",
              fmt::format("kind: wait_until, event: {}, timeout: {}{}", event(), duration(),
                          chance_.one_in(3) ? ", where: { event.group: k1 }" : ""),
              {"next", "on_timeout"}};
    case 4:
      return {"calm",
              fmt::format("kind: wait_until, if: {{ {} }}, timeout: {}", segment(), duration()),
              {"next", "on_timeout"}};
    case 5:
      if (chance_.one_in(2))
        return {"day",
                fmt::format("kind: wait_until, date: contact.birth_date, at: \"{:02}:30\"",
                            chance_.roll(24)),
                {"next", "on_past"}};
      return {"day",
              fmt::format("kind: wait_until, date: \"{}\"",
                          format_instant(from_ + 24h * static_cast<int>(chance_.roll(60)))),
              {"next", "on_past"}};
    case 6:
    case 7:
      return {
          fmt::format("tag{}", which),
          fmt::format("kind: update_contact, set: {{ custom.spent: {} }}, groups_add: [g{}], "
                      "groups_remove: [{}]",
                      50 * chance_.roll(4), chance_.roll(2), chance_.one_in(2) ? "vip" : "out")};
    case 8:
    case 9:
      return {fmt::format("is{}", which),
              fmt::format("kind: condition, if: {{ {} }}", segment()),
              {"yes", "no"}};
    case 10:
      return {"ab",
              fmt::format("kind: split, ways: {{ a: {}, b: 50, c: 1 }}", 1 + chance_.roll(90)),
              {},
              {"a", "b", "c"}};
    case 11:
      return {"tell", fmt::format("kind: send_webhook, url: \"{}\"{}", url("in"), retry())};
    case 12:
      return {"also",
              fmt::format("kind: send_webhook, url: \"{}?c={{{{ contact.id }}}}\", "
                          "headers: {{ X-Key: \"{{{{ secret.key }}}}\" }}, "
                          "payload: {{ n: $.event.n, run: $.run.id }}{}{}",
                          url("also"), retry(), chance_.one_in(4) ? ", active: false" : "")};
    case 13:
      return {"bulk", fmt::format("kind: send_webhook, url: \"{}\", envelope: events, batch: {{ "
                                  "max: {}, linger: {} }}{}",
                                  url("bulk"), 1 + chance_.roll(4), chance_.one_in(2) ? "5s" : "2m",
                                  retry())};
    default:
      return {"form",
              fmt::format("kind: send_webhook, url: \"{}\", {}{}", url("form"),
                          chance_.one_in(2) ? "content_type: form" : "method: GET", retry())};
  }
}

std::string Writer::triggers(const std::string& next) {
  std::string text = fmt::format("  came: {{ kind: trigger, event: [{}, {}]{}, next: {} }}\n",
                                 "subscription", chance_.one_in(2) ? "order" : "viewed",
                                 chance_.one_in(4) ? ", where: { " + segment() + " }" : "", next);
  if (chance_.one_in(4))
    text += fmt::format("  more: {{ kind: trigger, event: group_joined, next: {} }}\n", next);
  if (chance_.one_in(3))
    text +=
        fmt::format("  seg: {{ kind: trigger_segment, if: {{ {} }}, backfill: {}, next: {} }}\n",
                    segment(), chance_.one_in(2), next);
  if (chance_.one_in(4))
    text += fmt::format(
        "  bday: {{ kind: trigger_date, field: birth_date, every: year, offset: -{}d, at: "
        "\"{:02}:00\", next: {} }}\n",
        chance_.roll(5), chance_.roll(24), next);
  return text;
}

std::string_view name_of(ReentryMode mode) { return to_string(mode); }

std::string Writer::head() {
  constexpr std::array zones{"UTC", "Europe/Berlin", "America/Toronto", "Asia/Tokyo"};
  std::string text = fmt::format("scenario: {}\ntimezone: {}\nreentry: {{ mode: {}", plot_.id,
                                 chance_.pick(zones), name_of(plot_.reentry.mode));
  if (plot_.reentry.min_gap) text += ", min_gap: " + format_duration(*plot_.reentry.min_gap);
  if (!plot_.reentry.key_path.empty()) text += ", key: event." + plot_.reentry.key_path;
  text += " }\n";
  if (chance_.one_in(3)) text += fmt::format("exit: [{}, {}]\n", rule(), rule());
  if (chance_.one_in(3)) text += fmt::format("goal: [{}]\n", rule());
  if (chance_.one_in(8)) {
    const Instant start = from_ + 1h * static_cast<int>(chance_.roll(100));
    text += fmt::format("start_at: \"{}\"\n", format_instant(start));
    if (chance_.one_in(2))
      text += fmt::format("end_at: \"{}\"\nat_end: {}\n",
                          format_instant(start + 24h * static_cast<int>(1 + chance_.roll(40))),
                          chance_.one_in(3) ? "archive" : "hold");
  }
  return text;
}

std::string Writer::text() {
  constexpr std::size_t kPool = 15;
  std::array<std::size_t, kPool> pool{};
  for (std::size_t i = 0; i < kPool; ++i) pool.at(i) = i;
  for (std::size_t i = kPool; i > 1; --i) std::swap(pool.at(i - 1), pool.at(chance_.roll(i)));
  const std::size_t length = 2 + chance_.roll(7);
  std::string text = head();
  std::vector<Draft> drafts;
  for (std::size_t i = 0; i < length; ++i) drafts.push_back(draft(pool.at(i)));
  text += "nodes:\n" + triggers(drafts.front().id);
  for (std::size_t i = 0; i < length; ++i) {
    const auto target = [&](bool chain) {
      if (chain && i + 1 < length) return drafts[i + 1].id;
      const std::size_t to = i + 1 + chance_.roll(length - i);
      return to < length ? drafts[to].id : std::string{"end"};
    };
    const Draft& node = drafts[i];
    text += fmt::format("  {}: {{ {}", node.id, node.settings);
    bool chain = true;
    for (const std::string& port : node.ports) {
      text += fmt::format(", {}: {}", port, target(chain));
      chain = false;
    }
    if (!node.ways.empty()) {
      text += ", next: {";
      for (const std::string& way : node.ways) {
        text += fmt::format("{}{}: {}", chain ? " " : ", ", way, target(chain));
        chain = false;
      }
      text += " }";
    }
    text += " }\n";
  }
  return text;
}
}  // namespace

Plot make_plot(std::uint64_t seed, int number) {
  Chance chance{seed, 1000 + static_cast<std::uint64_t>(number)};
  Plot plot{.id = fmt::format("s{}", number), .seed = chance.next()};
  plot.reentry.mode = static_cast<ReentryMode>(chance.roll(4));
  if (chance.one_in(4)) plot.reentry.min_gap = std::chrono::hours{1 + chance.roll(48)};
  if (chance.one_in(4)) plot.reentry.key_path = "group";
  return plot;
}

std::string write_scenario(const Plot& plot, std::uint64_t version, Instant from) {
  return Writer{plot, version, from}.text();
}

std::string audit_text() {
  return R"(scenario: audit
reentry: parallel
nodes:
  any:  { kind: trigger, event: any, where: { event.n: { exists: true } }, next: tell }
  tell: { kind: send_webhook, url: "https://audit.example.com/in", payload: { n: $.event.n }, next: end }
)";
}
}  // namespace onward::chaos
