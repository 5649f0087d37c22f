#include "tests/crash/oracle.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace onward::crash {
namespace {
/// The server's clock may be slewed against the one of the record.
constexpr Nanos kClockSlack = 5'000'000;

class Judge {
 public:
  Judge(const Record& record, const Allowed& allowed) : record_{record}, allowed_{allowed} {
    for (const Arrival& arrival : record.arrivals) by_id_[arrival.webhook_id].push_back(&arrival);
    for (auto& [id, arrivals] : by_id_)
      std::stable_sort(arrivals.begin(), arrivals.end(),
                       [](const Arrival* a, const Arrival* b) { return a->arrived < b->arrived; });
    verdict_.figures.requests = record.arrivals.size();
  }

  Verdict judge() {
    for (const auto& [id, arrivals] : by_id_) {
      check_bytes(id, arrivals);
      check_repeats(id, arrivals);
    }
    check_how_many();
    check_events();
    check_counts();
    return std::move(verdict_);
  }

 private:
  using Arrivals = std::vector<const Arrival*>;

  void find(const char* what, std::string text) {
    verdict_.findings.push_back({what, std::move(text)});
  }

  void check_bytes(const std::string& id, const Arrivals& arrivals) {
    for (const Arrival* arrival : arrivals)
      if (arrival->body != arrivals.front()->body)
        return find("body_differs", id + " came with two bodies");
  }

  /// After a yes there is nothing more to send, unless the server died before it could know.
  void check_repeats(const std::string& id, const Arrivals& arrivals) {
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
      const Arrival& one = *arrivals[i];
      if (one.answered == 0) ++verdict_.figures.unanswered;
      if (!one.accepted() || i + 1 == arrivals.size()) continue;
      ++verdict_.figures.repeats;
      if (one.life == arrivals[i + 1]->life || one.life >= record_.kills.size()) {
        find("needless_repeat", id + " was accepted and came again from the same server");
        continue;
      }
      ++repeats_[one.life];
      const Kill& kill = record_.kills[one.life];
      const Nanos known_for = kill.at - one.answered;
      if (known_for > verdict_.figures.longest) {
        verdict_.figures.longest = known_for;
        verdict_.figures.longest_at = kill.point;
      }
      if (known_for > allowed_.known_for)
        find("needless_repeat", fmt::format("{} came again, accepted {:.1f} ms before the kill {}",
                                            id, static_cast<double>(known_for) / 1e6, kill.point));
    }
  }

  void check_how_many() {
    for (const auto& [life, count] : repeats_) {
      verdict_.figures.most_repeats = std::max(verdict_.figures.most_repeats, count);
      if (count > allowed_.repeats)
        find("many_repeats", fmt::format("{} requests came again, accepted before the kill {}",
                                         count, record_.kills[life].point));
    }
  }

  void check_wait(int number, const Arrival& arrival) {
    const auto event = record_.events.find(number);
    if (event == record_.events.end()) return;
    const Nanos waited = arrival.arrived - event->second.posted;
    if (waited + kClockSlack < event->second.waits)
      find("early", fmt::format("the request of event {} came {:.1f} ms after it was posted",
                                number, static_cast<double>(waited) / 1e6));
  }

  void check_events() {
    std::map<int, std::set<std::string>> ids;
    std::set<int> accepted;
    for (const Arrival& arrival : record_.arrivals) {
      std::vector<int> events{arrival.event};
      events.insert(events.end(), arrival.others.begin(), arrival.others.end());
      for (const int event : events) {
        ids[event].insert(arrival.webhook_id);
        if (arrival.accepted()) accepted.insert(event);
        check_wait(event, arrival);
      }
      if (events.size() > kBatchMax ||
          std::set(events.begin(), events.end()).size() < events.size())
        find("large_batch", fmt::format("{} has {} events, or one of them twice",
                                        arrival.webhook_id, events.size()));
    }
    for (const auto& [number, event] : record_.events)
      if (!accepted.contains(number))
        find("lost_event",
             fmt::format("event {} was acknowledged and its request never accepted", number));
    for (const auto& [number, found] : ids) {
      if (!record_.events.contains(number))
        find("unknown_event", fmt::format("a request of event {}, which nobody sent", number));
      if (found.size() > 1)
        find("second_id", fmt::format("event {} came under {} ids", number, found.size()));
    }
  }

  void equal(const std::string& name, std::int64_t told, std::size_t recounted) {
    if (told != static_cast<std::int64_t>(recounted))
      find("counter", fmt::format("{}: told {}, recounted {}", name, told, recounted));
  }

  void check_counts() {
    std::map<std::string, std::size_t> events;
    std::map<std::string, std::set<int>> contacts;
    for (const auto& [number, event] : record_.events) {
      ++events[event.node];
      contacts[event.node].insert(event.contact);
    }
    equal("entered", record_.entered, record_.events.size());
    equal("done", record_.done, record_.events.size());
    equal("inside", record_.inside, 0);
    for (const auto& [node, counts] : record_.counts) {
      equal(node + " visits", counts.visits, events[node]);
      equal(node + " unique contacts", counts.unique, contacts[node].size());
      equal(node + " requests", counts.requests, events[node]);
      equal(node + " accepted", counts.accepted, events[node]);
      equal(node + " pending, failed and cancelled",
            counts.pending + counts.failed + counts.cancelled, 0);
    }
    for (const auto& [node, visits] : record_.waits) equal(node + " waits", visits, events[node]);
    equal("moved", record_.moved, events["moved"]);
    if (record_.set_aside * 3 > record_.kills.size())
      find("needless_poison", fmt::format("{} deliveries are set aside after {} kills",
                                          record_.set_aside, record_.kills.size()));
    if (!record_.unaccepted.empty()) find("not_accepted", record_.unaccepted);
  }

  const Record& record_;
  Allowed allowed_;
  std::map<std::string, Arrivals> by_id_;
  std::map<std::size_t, std::size_t> repeats_;  ///< By the life whose end forgot the yes.
  Verdict verdict_;
};
}  // namespace

Verdict judge(const Record& record, const Allowed& allowed) {
  return Judge{record, allowed}.judge();
}
}  // namespace onward::crash
