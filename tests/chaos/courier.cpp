#include "tests/chaos/courier.h"

#include <algorithm>
#include <utility>

namespace onward::chaos {
namespace {
constexpr Duration kIdle = std::chrono::hours{1};
}  // namespace

/// Requests in flight end when their time has come.
class WorldClient final : public HttpClient {
 public:
  WorldClient(const WorldClock& clock, const Receivers& receivers, AttemptWatch& watch)
      : clock_{clock}, receivers_{receivers}, watch_{watch} {}

  void start(HttpRequest request) override {
    moved_ = true;
    const std::uint64_t nth = watch_.leaves(request);
    Verdicted verdict = receivers_.answer(request, webhook_id_of(request), nth);
    watch_.decided(request, verdict);
    verdict.reply.token = request.token;
    // Receivers repeat what they were sent.
    if (request.want_body && verdict.reply.status != 0)
      for (const auto& [name, value] :
           request.headers_replaced ? request.headers : request.request->headers)
        verdict.reply.body += name + ": " + value + "\n";
    const Instant at = clock_.steady() + verdict.reply.took;
    flights_.emplace(at, std::move(verdict.reply));
  }
  void poll(Duration longest, std::vector<HttpReply>& done) override {
    wish_ = longest;
    while (!flights_.empty() && flights_.begin()->first <= clock_.steady()) {
      moved_ = true;
      done.push_back(std::move(flights_.begin()->second));
      flights_.erase(flights_.begin());
    }
  }
  std::size_t in_flight() const override { return flights_.size(); }
  void wake() override {}

  bool take_moved() { return std::exchange(moved_, false); }
  Duration wish() const { return wish_; }
  std::optional<Instant> next_end() const {
    return flights_.empty() ? std::nullopt : std::optional{flights_.begin()->first};
  }

 private:
  const WorldClock& clock_;
  const Receivers& receivers_;
  AttemptWatch& watch_;
  std::multimap<Instant, HttpReply> flights_;
  Duration wish_ = kIdle;
  bool moved_ = false;
};

Courier::Courier(const WorldClock& clock, const Receivers& receivers, AttemptWatch& watch,
                 const SecretSource* secrets)
    : clock_{clock}, watch_{watch} {
  auto client = std::make_unique<WorldClient>(clock, receivers, watch);
  client_ = client.get();
  deliverer_ = std::make_unique<Deliverer>(
      std::move(client), DelivererOptions{.report =
                                              [this](std::vector<AttemptResult> results) {
                                                if (dead_) return;
                                                for (AttemptResult& result : results) {
                                                  held_.erase(result.delivery);
                                                  watch_.reported(result);
                                                  results_.push_back(std::move(result));
                                                }
                                              },
                                          .clock = [&clock] { return clock.now(); },
                                          .secrets = secrets});
}

Courier::~Courier() { dead_ = true; }

void Courier::submit(std::vector<DeliveryTask> tasks) {
  for (const DeliveryTask& task : tasks) held_.insert(task.delivery);
  deliverer_->submit(std::move(tasks));
}

void Courier::withdraw(std::vector<DeliveryKey> deliveries) {
  for (const DeliveryKey key : deliveries) {
    held_.erase(key);
    watch_.withdrawn(key);
  }
  deliverer_->withdraw(std::move(deliveries));
}

void Courier::step() {
  do {
    deliverer_->step(kIdle);
  } while (client_->take_moved());
}

std::optional<Instant> Courier::next() const {
  if (!results_.empty()) return clock_.steady();
  std::optional<Instant> next = client_->next_end();
  if (client_->wish() < kIdle || deliverer_->figures().waiting > 0) {
    const Instant wish = clock_.steady() + std::max(client_->wish(), Duration{1});
    if (!next || wish < *next) next = wish;
  }
  return next;
}
}  // namespace onward::chaos
