#include "tools/bench/product.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "engine/core/value.h"
#include "tools/bench/load.h"
#include "tools/bench/receiver.h"
#include "tools/bench/server_process.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr double kWarmUp = 1.0;             // seconds
constexpr std::size_t kJournalBytes = 700;  // about what one event's changes take in the journal
constexpr std::int64_t kDrainPatience = 120'000'000'000;

std::string scenario_text(const std::string& id, const std::string& event, std::uint16_t port) {
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
    if: {{ email: {{ ends_with: "@bench.example.org" }} }}
    yes: tell
    no: end
  tell:
    kind: send_webhook
    url: http://127.0.0.1:{}/hook
    additional: {{ mark: "{{{{ event.mark }}}}" }}
    next: end
)",
                     id, event, port);
}

/// An event of one of the known contacts, under a new id.
void append_event(std::string& out, std::string_view type, int contacts, std::uint64_t number,
                  std::int64_t sent_ns) {
  fmt::format_to(std::back_inserter(out),
                 R"({{"id":"{}","type":"{}","contact":{{"id":"c{}"}},"data":{{"mark":"{}"}}}})",
                 random_uuid(), type, random_below(static_cast<std::uint64_t>(contacts)),
                 mark(number, sent_ns));
}

class Product {
 public:
  Product(const Plan& plan, const Limits& limits, Report& report)
      : plan_{plan}, limits_{limits}, report_{report} {}

  void measure() {
    apply("bench", "measured", receiver_.port());
    measure_idle("idle_empty", "with an empty data folder");
    load_contacts();
    measure_single_posts();
    measure_ndjson();
    measure_latency();
    if (plan_.slow) measure_slow_receiver();
    measure_idle("idle_loaded", "after all that");
    check_numbers();
    add("memory_peak_mb", "memory, at most", server_.figures().memory_peak_mb, "MB");
    if (const int code = server_.stop(); code != 0) fault(fmt::format("exit code {}", code));
  }

 private:
  void add(std::string name, std::string text, double value, std::string unit) {
    report_.figures.push_back({std::move(name), std::move(text), value, std::move(unit), {}, {}});
  }
  void add(std::string name, std::string text, double value, std::string unit, double limit,
           std::string limit_text) {
    report_.figures.push_back(
        {std::move(name), std::move(text), value, std::move(unit), limit, std::move(limit_text)});
  }
  void fault(std::string text) { report_.faults.push_back(std::move(text)); }

  void apply(const std::string& id, const std::string& event, std::uint16_t port) {
    const Answer put = server_.request("PUT", "/v1/scenarios/" + id, scenario_text(id, event, port),
                                       "application/yaml");
    if (put.status / 100 != 2) give_up("the scenario was refused: " + put.body);
    const Answer active = server_.request("POST", "/v1/scenarios/" + id + "/activate", "{}");
    if (active.status / 100 != 2) give_up("activating was refused: " + active.body);
  }

  LoadPlan load_plan() const {
    LoadPlan load;
    load.port = server_.port();
    load.token = server_.token();
    load.connections = plan_.connections;
    load.seconds = plan_.seconds;
    load.first_number = next_number_;
    load.write_event = [this](std::string& out, std::uint64_t number, std::int64_t sent_ns) {
      append_event(out, "measured", plan_.contacts, number, sent_ns);
    };
    return load;
  }

  LoadResult run(const LoadPlan& load) {
    LoadResult result = run_load(load);
    next_number_ = result.next_number;
    accepted_ += result.accepted;
    if (result.refused > 0) {
      fault(fmt::format("{} posts were refused, the first with: {}", result.refused,
                        result.first_refusal));
    }
    return result;
  }

  /// Waits until every acknowledged event's webhook has arrived.
  void drain() {
    const std::int64_t start = now_ns();
    while (receiver_.distinct() < accepted_) {
      if (now_ns() - start > kDrainPatience) {
        return fault(fmt::format("{} webhooks of acknowledged events never came",
                                 accepted_ - receiver_.distinct()));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
  }

  void load_contacts() {
    LoadPlan load = load_plan();
    load.path = "/v1/events?mode=history";
    load.connections = 2;
    load.events_per_post = 1'000;
    load.seconds = 300;
    load.events_max = static_cast<std::uint64_t>(plan_.contacts);
    load.first_number = 0;
    load.write_event = [](std::string& out, std::uint64_t number, std::int64_t) {
      fmt::format_to(std::back_inserter(out),
                     R"({{"type":"loaded","contact":{{"id":"c{0}",)"
                     R"("email":"person{0}@bench.example.org","first_name":"Person"}}}})",
                     number);
    };
    const std::uint64_t bytes = server_.bytes_on_disk();
    const LoadResult result = run_load(load);
    if (result.accepted != load.events_max) {
      give_up(fmt::format("only {} of {} contacts were accepted; {}", result.accepted,
                          load.events_max, result.first_refusal));
    }
    add("contacts_loaded_per_s", "contacts loaded",
        static_cast<double>(result.accepted) / result.seconds, "/s", limits_.sqlite_large,
        "bare SQLite");
    settle();
    add("bytes_per_contact", "bytes on disk per contact",
        static_cast<double>(server_.bytes_on_disk() - bytes) / plan_.contacts, "B");
  }

  /// Gives the server time to write its journal into tables, which happens a second after the
  /// last input.
  void settle() { std::this_thread::sleep_for(std::chrono::seconds{3}); }

  void measure_single_posts() {
    LoadPlan load = load_plan();
    load.seconds = kWarmUp;
    run(load);
    const std::uint64_t bytes = server_.bytes_on_disk();
    const std::uint64_t accepted = accepted_;
    const ProcessFigures before = server_.figures();
    load = load_plan();
    const std::uint64_t arrived = receiver_.distinct();
    LoadResult result = run(load);
    const auto received = static_cast<double>(receiver_.distinct() - arrived);
    drain();
    const ProcessFigures after = server_.figures();
    add("acknowledged_per_s",
        fmt::format("events acknowledged, single posts on {}", load.connections),
        static_cast<double>(result.accepted_in_time) / plan_.seconds, "/s", limits_.load_generator,
        "the load generator alone");
    add("webhooks_per_s", "webhooks received, end to end", received / result.seconds, "/s",
        limits_.curl, "bare libcurl");
    add("answered_p50_us", "post to answer, p50", percentile(result.answered_us, 0.50), "us");
    add("answered_p99_us", "post to answer, p99", percentile(result.answered_us, 0.99), "us");
    const double events = static_cast<double>(accepted_ - accepted);
    add("processor_us_per_event", "processor time per event",
        (after.processor_s - before.processor_s) * 1e6 / events, "us");
    for (const auto& [name, seconds] : after.threads_s) {
      const auto was = before.threads_s.find(name);
      const double spent = seconds - (was == before.threads_s.end() ? 0 : was->second);
      if (spent > 0.01) {
        add("processor_us_per_event." + name, "  of it thread " + name, spent * 1e6 / events, "us");
      }
    }
    settle();
    add("bytes_per_event", "bytes on disk per event",
        (static_cast<double>(server_.bytes_on_disk()) - static_cast<double>(bytes)) / events, "B",
        static_cast<double>(kJournalBytes), "a journal row's bytes");
  }

  void measure_ndjson() {
    LoadPlan load = load_plan();
    load.connections = 4;
    load.events_per_post = plan_.events_per_post;
    const std::uint64_t arrived = receiver_.distinct();
    const LoadResult result = run(load);
    const auto received = static_cast<double>(receiver_.distinct() - arrived);
    add("acknowledged_ndjson_per_s",
        fmt::format("events acknowledged, NDJSON of {}", plan_.events_per_post),
        static_cast<double>(result.accepted_in_time) / plan_.seconds, "/s", limits_.sqlite_large,
        "bare SQLite, 1,000 a commit");
    add("webhooks_ndjson_per_s", "webhooks received meanwhile", received / result.seconds, "/s",
        limits_.curl, "bare libcurl");
    add("busy_ndjson", "posts put off with 429 meanwhile", static_cast<double>(result.busy), "");
    drain();
  }

  void measure_latency() {
    settle();
    receiver_.take();
    LoadPlan load = load_plan();
    load.rate = plan_.rate;
    run(load);
    drain();
    Arrivals arrivals = receiver_.take();
    add("latency_p50_us", fmt::format("post to webhook at {}/s, p50", plan_.rate),
        percentile(arrivals.latencies_us, 0.50), "us", limits_.sync.p50_us, "a small fsync, p50");
    add("latency_p99_us", fmt::format("post to webhook at {}/s, p99", plan_.rate),
        percentile(arrivals.latencies_us, 0.99), "us", limits_.sync.p99_us, "a small fsync, p99");
  }

  void measure_slow_receiver() {
    constexpr double kReply = 0.2;  // seconds
    apply("bench-slow", "measured_slow", slow_.port());
    LoadPlan load = load_plan();
    load.write_event = [this](std::string& out, std::uint64_t number, std::int64_t sent_ns) {
      append_event(out, "measured_slow", plan_.contacts, number, sent_ns);
    };
    load.rate = 4'000;
    load.connections = 256;
    load.seconds = plan_.seconds + 2;
    const LoadResult result = run_load(load);
    next_number_ = result.next_number;
    const std::uint64_t first = slow_.requests();
    const std::int64_t start = now_ns();
    std::this_thread::sleep_for(std::chrono::seconds{2});
    const double rate = static_cast<double>(slow_.requests() - first) /
                        (static_cast<double>(now_ns() - start) / 1e9);
    add("slow_receiver_per_s", "requests to a receiver that takes 200 ms", rate, "/s", 512 / kReply,
        "512 connections");
    const std::int64_t drain_start = now_ns();
    while (slow_.distinct() < result.accepted && now_ns() - drain_start < kDrainPatience) {
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    if (slow_.distinct() < result.accepted) fault("webhooks to the slow receiver never came");
  }

  void measure_idle(const std::string& name, const std::string& when) {
    settle();
    constexpr double kWatched = 3;  // seconds
    const double before = server_.figures().processor_s;
    std::this_thread::sleep_for(std::chrono::seconds{3});
    const ProcessFigures after = server_.figures();
    add(name + "_processor", "processor, idle " + when,
        100 * (after.processor_s - before) / kWatched, "%");
    add(name + "_memory_mb", "memory, idle " + when, after.memory_mb, "MB");
  }

  /// The server's own numbers must be the ones seen from outside.
  void check_numbers() {
    const Answer answer = server_.request("GET", "/v1/scenarios/bench/stats", "");
    const auto stats = parse_json(answer.body);
    const Value* nodes = stats ? stats->find_path("live.nodes") : nullptr;
    if (!nodes || !nodes->list()) return fault("no statistics: " + answer.body);
    for (const Value& node : *nodes->list()) {
      const Value* id = node.find("id");
      if (!id || !id->text() || *id->text() != "tell") continue;
      for (const char* name : {"visits", "requests", "accepted"}) {
        const Value* count = node.find(name);
        const auto counted = count ? static_cast<std::uint64_t>(count->number()) : 0;
        if (counted != accepted_) {
          fault(fmt::format("{} is {}, {} events were acknowledged", name, counted, accepted_));
        }
      }
      if (receiver_.requests() != receiver_.distinct()) {
        fault(
            fmt::format("{} requests arrived twice", receiver_.requests() - receiver_.distinct()));
      }
      return;
    }
    fault("no statistics of the node that sends");
  }

  const Plan& plan_;
  const Limits& limits_;
  Report& report_;
  Receiver receiver_;
  Receiver slow_{200};
  ServerProcess server_{plan_.binary,
                        plan_.folder + "/data",
                        {receiver_.port(), slow_.port()},
                        static_cast<long>(plan_.fsync_extra_ms * 1'000),
                        plan_.slow_fsync};
  std::uint64_t next_number_ = 0;
  std::uint64_t accepted_ = 0;
};
}  // namespace

Limits measure_limits(const Plan& plan, Report& report) {
  Limits limits;
  limits.sync = measure_fsync(plan.folder, 2'000);
  limits.sqlite_small = measure_sqlite(plan.folder, 20, kJournalBytes, plan.seconds / 2);
  limits.sqlite_large = measure_sqlite(plan.folder, 1'000, kJournalBytes, plan.seconds / 2);
  Receiver receiver;
  // The bytes of the webhook that Onward makes of the benchmark's event.
  const std::string body = fmt::format(
      R"({{"id":"evt_0123456789ab_1","event":"automation.webhook.send",)"
      R"("timestamp":"2026-01-01T00:00:00Z","idClient":1,"data":{{"type":"member","id":"c12345",)"
      R"("email":"person12345@bench.example.org","firstname":"Person","lastname":null,)"
      R"("nothing":"{}"}}}})",
      mark(1'000'000, now_ns()));
  measure_curl(receiver.port(), plan.connections, body, kWarmUp / 2);
  limits.curl = measure_curl(receiver.port(), plan.connections, body, plan.seconds);
  LoadPlan load;
  load.port = receiver.port();
  load.connections = plan.connections;
  load.seconds = plan.seconds;
  load.write_event = [](std::string& out, std::uint64_t number, std::int64_t sent_ns) {
    append_event(out, "measured", 100'000, number, sent_ns);
  };
  limits.load_generator = static_cast<double>(run_load(load).accepted_in_time) / plan.seconds;

  const auto add = [&](const char* name, const std::string& text, double value, const char* unit) {
    report.limits.push_back({name, text, value, unit, {}, {}});
  };
  add("fsync_p50_us", "a small fsync, p50", limits.sync.p50_us, "us");
  add("fsync_p99_us", "a small fsync, p99", limits.sync.p99_us, "us");
  add("sqlite_20_per_s", "SQLite alone, 20 events a commit", limits.sqlite_small, "/s");
  add("sqlite_1000_per_s", "SQLite alone, 1,000 events a commit", limits.sqlite_large, "/s");
  add("curl_per_s", fmt::format("libcurl multi alone, {} in flight", plan.connections), limits.curl,
      "/s");
  add("load_generator_per_s", "the load generator alone", limits.load_generator, "/s");
  return limits;
}

void measure_product(const Plan& plan, const Limits& limits, Report& report) {
  Product{plan, limits, report}.measure();
}
}  // namespace onward::bench
