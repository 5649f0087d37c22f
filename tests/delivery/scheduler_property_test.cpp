// Whatever happens: no task is lost, none is doubled, and no limit is broken.
#include <rapidcheck.h>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "engine/delivery/scheduler.h"
#include "tests/delivery/tasks.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// One random life of a scheduler, and what must hold at each moment of it.
class Life {
 public:
  Life() : scheduler_{{.first = 4, .most = 32, .total = 40, .unhealthy_share = 0.25}} {}

  void act() {
    switch (*rc::gen::inRange(0, 8)) {
      case 0:
      case 1:
        add();
        break;
      case 2:
      case 3:
        start();
        break;
      case 4:
      case 5:
      case 6:
        finish();
        break;
      case 7:
        now_ += Duration{*rc::gen::inRange(0, 5000)};
        break;
    }
    if (*rc::gen::inRange(0, 40) == 0) take_back();
    if (*rc::gen::inRange(0, 10) == 0) drop();
    if (*rc::gen::inRange(0, 10) == 0) expedite();
    check();
  }

  /// Everything waiting comes to its end once receivers are well and time passes.
  void drain() {
    for (int round = 0; scheduler_.waiting() + scheduler_.in_flight() > 0; ++round) {
      RC_ASSERT(round < 10'000);
      start();
      while (!flying_.empty()) end_one({});
      now_ += 10s;
      check();
    }
    RC_ASSERT(waiting_.empty());
  }

 private:
  void add() {
    const int count = *rc::gen::inRange(1, 30);
    const auto origin = static_cast<std::uint64_t>(*rc::gen::inRange(0, 4));
    const auto node = static_cast<std::uint64_t>(*rc::gen::inRange(0, 3));
    for (int i = 0; i < count; ++i) {
      scheduler_.add(task(++number_, {.origin = "http://o" + std::to_string(origin) + ":80",
                                      .node = origin * 3 + node,
                                      .last = *rc::gen::inRange(0, 6) == 0,
                                      .version = static_cast<Version>(*rc::gen::inRange(1, 3))}));
      waiting_.insert(number_);
    }
  }

  void start() {
    for (DeliveryTask& one : scheduler_.start(now_)) {
      RC_ASSERT(waiting_.erase(one.delivery.value) == 1);
      RC_ASSERT(expedited_.erase(one.delivery.value) == 0 || one.last);
      const auto key = one.delivery.value;
      flying_.emplace(key, std::pair{std::move(one), now_});
    }
    RC_ASSERT(!scheduler_.next_change() || *scheduler_.next_change() > now_);
  }

  void finish() {
    const auto origin = "http://o" + std::to_string(*rc::gen::inRange(0, 4)) + ":80";
    Verdict verdict{.kind = static_cast<Verdict::Kind>(*rc::gen::inRange(0, 5))};
    if (*rc::gen::inRange(0, 4) == 0) verdict.retry_after = Duration{*rc::gen::inRange(0, 90'000)};
    for (int i = *rc::gen::inRange(1, 20); i > 0 && !flying_.empty(); --i) end_one(verdict);
  }

  void end_one(const Verdict& verdict) {
    const auto [task, started] = flying_.begin()->second;
    flying_.erase(flying_.begin());
    scheduler_.finished(task, verdict, now_ - started, now_);
  }

  void take_back() {
    const auto origin = static_cast<std::uint64_t>(*rc::gen::inRange(0, 4));
    for (const DeliveryTask& one :
         scheduler_.take_back(task(0, {.node = origin * 3 + 1}).endpoint)) {
      RC_ASSERT(waiting_.erase(one.delivery.value) == 1);
      expedited_.erase(one.delivery.value);
    }
  }

  /// Some of all deliveries there ever were: waiting, in flight, ended, never added.
  std::vector<DeliveryKey> some() const {
    std::vector<DeliveryKey> keys;
    for (int i = *rc::gen::inRange(0, 20); i > 0; --i)
      keys.push_back({*rc::gen::inRange<std::uint64_t>(1, number_ + 3)});
    return keys;
  }

  void drop() {
    const std::vector<DeliveryKey> keys = some();
    scheduler_.drop(keys);
    for (const DeliveryKey key : keys) {
      waiting_.erase(key.value);
      expedited_.erase(key.value);
    }
  }

  void expedite() {
    const std::vector<DeliveryKey> keys = some();
    scheduler_.expedite(keys);
    for (const DeliveryKey key : keys)
      if (waiting_.contains(key.value)) expedited_.insert(key.value);
  }

  void check() const {
    RC_ASSERT(scheduler_.waiting() == waiting_.size());
    RC_ASSERT(scheduler_.in_flight() == flying_.size());
    RC_ASSERT(flying_.size() <= 40);
    std::size_t in_flight = 0, waiting = 0;
    for (const auto& origin : scheduler_.origins()) {
      in_flight += origin.in_flight;
      waiting += origin.waiting;
      RC_ASSERT(origin.limit >= 1 && origin.limit <= 32);
    }
    RC_ASSERT(in_flight == flying_.size());
    RC_ASSERT(waiting == waiting_.size());
  }

  Scheduler scheduler_;
  Instant now_{1'800'000'000'000ms};
  std::uint64_t number_ = 0;
  std::set<std::uint64_t> waiting_;
  std::set<std::uint64_t> expedited_;  // of those that wait
  std::map<std::uint64_t, std::pair<DeliveryTask, Instant>> flying_;
};
}  // namespace

TEST_CASE("no task is ever lost or doubled, and every one starts in the end",
          "[delivery][scheduler][property]") {
  CHECK(rc::check([] {
    Life life;
    for (int step = *rc::gen::inRange(0, 300); step > 0; --step) life.act();
    life.drain();
  }));
}
}  // namespace onward
