#include "tools/bench/stand.h"

#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "engine/core/base/value.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr double kStandWarmUp = 1.0;                  // seconds
constexpr std::int64_t kStandstill = 90'000'000'000;  // without an arrival: they will never come
constexpr double kForever = 3'600;                    // seconds; a bound on the number ends it
constexpr int kSettleLooks = 240;                     // half a second each
constexpr double kIdleSeconds = 0.015;                // of processor time in that half second
constexpr int kLoadConnections = 2;
constexpr int kNdjsonConnections = 4;
constexpr int kLinesPerPost = 1'000;

std::uint64_t unsigned_of(const Value* value) {
  return value ? static_cast<std::uint64_t>(value->number()) : 0;
}
}  // namespace

Stand::Stand(Round& round, std::vector<std::uint16_t> receivers, double fsync_extra_ms,
             const std::string& name, std::vector<std::string> options)
    : round_{round},
      server_{{.binary = round.plan.binary,
               .data_folder = round.folder + "/" + name,
               .receivers = std::move(receivers),
               .fsync_extra_ms = fsync_extra_ms,
               .slow_fsync = round.plan.slow_fsync,
               .options = std::move(options)}},
      contacts_{round.plan.contacts} {}

void Stand::apply(const std::string& id, const std::string& text) {
  const Answer put = server_.request("PUT", "/v1/scenarios/" + id, text, "application/yaml");
  if (put.status / 100 != 2) give_up("the scenario was refused: " + put.body);
  const Answer active = server_.request("POST", "/v1/scenarios/" + id + "/activate", "{}");
  if (active.status / 100 != 2) give_up("activating was refused: " + active.body);
}

double Stand::load_contacts(int count) {
  contacts_ = count;
  LoadPlan load;
  load.port = server_.port();
  load.token = server_.token();
  load.path = "/v1/events?mode=history";
  load.connections = kLoadConnections;
  load.events_per_post = std::min(kLinesPerPost, count);
  load.seconds = kForever;
  load.events_max = static_cast<std::uint64_t>(count);
  load.write_event = [](std::string& out, std::uint64_t number, std::int64_t) {
    append_contact(out, number);
  };
  const LoadResult result = run_load(load);
  // With fewer than it says, the benchmark would flatter.
  if (result.accepted < load.events_max) {
    give_up(fmt::format("only {} of {} contacts were accepted; {}", result.accepted,
                        load.events_max, result.first_refusal));
  }
  return static_cast<double>(result.accepted) / result.seconds;
}

LoadPlan Stand::single_posts(const Stream& stream) const {
  LoadPlan load;
  load.port = server_.port();
  load.token = server_.token();
  load.connections = round_.plan.connections;
  load.seconds = round_.plan.seconds;
  load.first_number = stream.next_number;
  const auto contacts = static_cast<std::uint64_t>(contacts_);
  load.write_event = [&stream, contacts](std::string& out, std::uint64_t number,
                                         std::int64_t sent_ns) {
    append_event(out, stream.event, random_below(contacts), number, sent_ns);
  };
  return load;
}

LoadPlan Stand::ndjson(const Stream& stream) const {
  LoadPlan load = single_posts(stream);
  load.connections = kNdjsonConnections;
  load.events_per_post = round_.plan.events_per_post;
  return load;
}

LoadPlan Stand::one_each(const Stream& stream, int count) const {
  LoadPlan load = ndjson(stream);
  load.seconds = kForever;
  load.events_max = static_cast<std::uint64_t>(count);
  load.write_event = [&stream](std::string& out, std::uint64_t number, std::int64_t sent_ns) {
    append_event(out, stream.event, number, number, sent_ns);
  };
  return load;
}

LoadResult Stand::post(Stream& stream, const LoadPlan& load) {
  LoadResult result = run_load(load);
  stream.next_number = result.next_number;
  stream.accepted += result.accepted;
  if (result.refused > 0) {
    round_.report.fault(fmt::format("{} posts were refused, the first with: {}", result.refused,
                                    result.first_refusal));
  }
  return result;
}

Rates Stand::rates(Stream& stream, const LoadPlan& load) {
  LoadPlan warm_up = load;
  warm_up.first_number = stream.next_number;
  warm_up.seconds = kStandWarmUp;
  post(stream, warm_up);
  LoadPlan measured = load;
  measured.first_number = stream.next_number;
  const std::uint64_t arrived = stream.receiver ? stream.receiver->distinct() : 0;
  const LoadResult result = post(stream, measured);
  const std::uint64_t now = stream.receiver ? stream.receiver->distinct() : 0;
  drain(stream);
  return {.acknowledged = static_cast<double>(result.accepted_in_time) / measured.seconds,
          .received = static_cast<double>(now - arrived) / result.seconds};
}

void Stand::drain(const Stream& stream) {
  if (!stream.receiver) return;
  std::uint64_t seen = stream.receiver->distinct();
  std::int64_t moved_ns = now_ns();
  while (seen < stream.accepted) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
    const std::uint64_t now = stream.receiver->distinct();
    if (now != seen) moved_ns = now_ns();
    seen = now;
    if (now_ns() - moved_ns > kStandstill) {
      return round_.report.fault(fmt::format("{}: {} webhooks of acknowledged events never came",
                                             stream.scenario, stream.accepted - seen));
    }
  }
}

void Stand::settle() {
  using namespace std::chrono_literals;
  std::this_thread::sleep_for(1500ms);
  double spent = server_.figures().processor_s;
  for (int i = 0; i < kSettleLooks; ++i) {
    std::this_thread::sleep_for(500ms);
    const double now = server_.figures().processor_s;
    if (now - spent < kIdleSeconds) return;
    spent = now;
  }
  round_.report.fault("the server never came to rest");
}

std::uint64_t Stand::count(const std::string& scenario, const std::string& node,
                           const std::string& name) {
  const Answer answer = server_.request("GET", "/v1/scenarios/" + scenario + "/stats", "");
  const auto stats = parse_json(answer.body);
  const Value* found = nullptr;
  if (stats && node.empty()) found = stats->find_path("live." + name);
  const Value* nodes = stats ? stats->find_path("live.nodes") : nullptr;
  if (!node.empty() && nodes && nodes->list()) {
    for (const Value& one : *nodes->list()) {
      const Value* id = one.find("id");
      if (id && id->text() && *id->text() == node) found = one.find(name);
    }
  }
  if (!found) round_.report.fault(fmt::format("no {} in the statistics: {}", name, answer.body));
  return unsigned_of(found);
}

void Stand::must_be(const std::string& what, std::uint64_t expected, std::uint64_t found) {
  if (found == expected) return;
  round_.report.fault(fmt::format("{} is {}, should be {}", what, found, expected));
}

void Stand::check(const Stream& stream) {
  const std::string& id = stream.scenario;
  must_be(id + ": entered", stream.accepted, count(id, "", "entered"));
  must_be(id + ": visits of the condition", stream.accepted, count(id, "known", "visits"));
  const std::uint64_t asked = stream.receiver ? stream.accepted : 0;
  for (const char* name : {"visits", "requests"}) {
    must_be(id + ": " + name + " of the webhook's node", asked, count(id, "tell", name));
  }
  // The last answers may be on their way into the books.
  for (int i = 0; i < 200 && count(id, "tell", "accepted") < asked; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  must_be(id + ": accepted requests", asked, count(id, "tell", "accepted"));
  if (!stream.receiver) return;
  must_be(id + ": webhooks that came", asked, stream.receiver->distinct());
  must_be(id + ": requests that came", asked, stream.receiver->requests());
}

void Stand::finish() {
  if (const int code = server_.stop(); code != 0) {
    round_.report.fault(fmt::format("the server ended with {}", code));
  }
}

Steady steady_posts(Stand& stand, Stream& stream, double rate) {
  stream.receiver->take();
  LoadPlan load = stand.single_posts(stream);
  load.rate = rate;
  const std::uint64_t arrived = stream.receiver->distinct();
  const LoadResult result = stand.post(stream, load);
  const double received =
      static_cast<double>(stream.receiver->distinct() - arrived) / result.seconds;
  stand.drain(stream);
  Arrivals arrivals = stream.receiver->take();
  return {.p50_us = percentile(arrivals.latencies_us, 0.50),
          .p99_us = percentile(arrivals.latencies_us, 0.99),
          .rate = received};
}

double per_event_us(double seconds, std::uint64_t events) {
  return events == 0 ? 0 : seconds * 1e6 / static_cast<double>(events);
}
}  // namespace onward::bench
