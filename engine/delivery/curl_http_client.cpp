#include "engine/delivery/curl_http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "engine/core/base/active_time.h"
#include "engine/delivery/multi_loop.h"
#include "engine/delivery/transfer.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

/// Idle handles that are kept; each is some 6 KB.
constexpr std::size_t kIdleMax = 512;

/// Transfers on one multi loop, and those that wait for their names.
class CurlHttpClient final : public HttpClient {
 public:
  explicit CurlHttpClient(const CurlOptions& options)
      : running_{std::make_shared<Running>(options.clock)},
        guard_{options.guard},
        options_{.guard = &guard_,
                 .sockets = &sockets_,
                 .alarms = &alarms_,
                 .clock = [this] { return now(); },
                 .note = options.note,
                 .user_agent =
                     options.user_agent.empty() ? "Onward/" ONWARD_VERSION : options.user_agent,
                 .ca_file = options.ca_file,
                 .https_only = options.https_only},
        loop_{options.connections_max},
        note_{options.note},
        resolver_{waking(options.names)} {
    sockets_.on_close([this](int socket) { loop_.forget(socket); });
    if (note_ != nullptr)
      loop_.around_work([this](CURL* handle) { touch(handle); }, [this] { note_->end(); });
  }

  ~CurlHttpClient() override {
    for (const auto& [handle, transfer] : active_) loop_.remove(handle);
  }

  void start(HttpRequest request) override {
    look();
    std::unique_ptr<Transfer> transfer = take_idle();
    HttpReply reply;
    if (!transfer->prepare(std::move(request), reply)) {
      ready_.push_back(std::move(reply));
      give_back(std::move(transfer));
      return;
    }
    CURL* handle = transfer->handle();
    Transfer& kept = *active_.emplace(handle, std::move(transfer)).first->second;
    if (kept.name().empty()) return add(handle);
    if (Resolver::Found found = resolver_.find(kept.name())) return go_to(handle, std::move(found));
    waiting_[kept.name()].push_back(handle);
    const HttpRequest& limits = kept.request();
    alarms_.set(handle, kept.begun() + std::min({resolver_.patience(kept.name()),
                                                 limits.connect_timeout, limits.timeout}));
  }

  void poll(Duration longest, std::vector<HttpReply>& done) override {
    look();
    take_names();
    collect(loop_.run());
    if (!active_.empty()) longest = std::min(longest, ActiveTime::kLookEvery);
    collect(loop_.wait(ready_.empty() ? std::min(longest, until_alarm()) : 0ms));
    take_alarms(look());
    if (active_.empty()) time_.rest();
    std::move(ready_.begin(), ready_.end(), std::back_inserter(done));
    ready_.clear();
  }

  std::size_t in_flight() const override { return active_.size() + ready_.size(); }
  void wake() override { loop_.wake(); }
  NameFigures names() const override { return resolver_.figures(); }

 private:
  using Time = Transfer::Clock::time_point;

  /// The clock for limits. Shared with look-ups, which may outlive the client.
  struct Running {
    explicit Running(std::function<Time()> given) : clock{std::move(given)} {}
    Time now() const { return clock() - Time::duration{lost.load(std::memory_order_relaxed)}; }
    const std::function<Time()> clock;
    std::atomic<Time::duration::rep> lost = 0;  ///< While this process was stopped.
  };

  Time now() const { return running_->now(); }
  /// The same, after a look at whether this process was stopped.
  Time look() {
    const Time active = time_.look(running_->clock());
    running_->lost.store(time_.lost().count(), std::memory_order_relaxed);
    return active;
  }

  ResolverOptions waking(ResolverOptions options) {
    options.answered = [this] { wake(); };
    if (!options.clock) options.clock = [running = running_] { return running->now(); };
    return options;
  }

  std::unique_ptr<Transfer> take_idle() {
    if (idle_.empty()) return std::make_unique<Transfer>(options_);
    std::unique_ptr<Transfer> transfer = std::move(idle_.back());
    idle_.pop_back();
    return transfer;
  }

  void give_back(std::unique_ptr<Transfer> transfer) {
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(transfer));
  }

  /// Its socket is ready. libcurl may read what has come also when it works on a handle for other
  /// reasons; a transfer says so by itself (`TransferOptions::note`).
  void touch(CURL* handle) {
    if (const auto known = active_.find(handle); known != active_.end())
      note_->begin(known->second->request().delivery);
  }

  /// Hands it to libcurl.
  void add(CURL* handle) {
    if (!loop_.add(handle)) return end(handle, CURLE_FAILED_INIT);
    alarms_.set(handle, Transfer::of(handle)->limit());
  }

  /// Its name has been looked up.
  void go_to(CURL* handle, Resolver::Found found) {
    HttpReply reply;
    if (Transfer::of(handle)->go_to(std::move(found), reply)) return add(handle);
    take(handle, std::move(reply));
  }

  void take(CURL* handle, HttpReply reply) {
    alarms_.clear(handle);
    ready_.push_back(std::move(reply));
    give_back(std::move(active_.extract(handle).mapped()));
  }

  Duration until_alarm() const {
    constexpr Duration kLongest = std::chrono::hours{1};
    if (!alarms_.next()) return kLongest;
    const auto left = *alarms_.next() - now();
    return std::clamp(std::chrono::ceil<Duration>(left), Duration{}, kLongest);
  }

  void take_names() {
    for (auto& [name, found] : resolver_.take()) {
      auto node = waiting_.extract(name);
      if (!node) continue;
      for (CURL* handle : node.mapped()) {
        alarms_.clear(handle);
        go_to(handle, found);
      }
    }
  }

  /// What came before `now` is read before it counts as late: the process may have been stopped, or
  /// busy.
  void take_alarms(Time now) {
    if (!alarms_.next() || *alarms_.next() > now) return;
    collect(loop_.read_ready());
    take_names();
    for (CURL* handle : alarms_.take(now)) alarm(handle, now);
  }

  /// A look-up lasts too long, or a limit has passed.
  void alarm(CURL* handle, Time now) {
    Transfer& transfer = *Transfer::of(handle);
    const auto at = waiting_.find(transfer.name());
    if (at != waiting_.end() && std::erase(at->second, handle) > 0) {
      if (at->second.empty()) waiting_.erase(at);
      return go_to(handle, resolver_.give_up(transfer.name(), now - transfer.begun()));
    }
    if (transfer.is_over(now)) return end(handle, CURLE_OPERATION_TIMEDOUT);
    alarms_.set(handle, transfer.limit());
  }

  void collect(bool fine) {
    if (!fine) return rebuild();
    while (const CURLMsg* message = loop_.next_message()) {
      // The message is gone with its handle.
      if (message->msg == CURLMSG_DONE) end(message->easy_handle, message->data.result);
    }
  }

  void end(CURL* handle, CURLcode code) {
    Transfer& transfer = *Transfer::of(handle);
    const Noted noted{note_, transfer.request().delivery};
    loop_.remove(handle);
    alarms_.clear(handle);
    if (transfer.address() && transfer.unreached(code))
      resolver_.demote(transfer.name(), *transfer.address());
    if (transfer.again(code) && loop_.add(handle)) return alarms_.set(handle, transfer.limit());
    take(handle, transfer.finish(code));
  }

  /// libcurl has lost its way (it lacks memory, as a rule): nothing in flight is known to have
  /// failed by the receiver's fault.
  void rebuild() {
    waiting_.clear();
    while (!active_.empty()) end(active_.begin()->first, CURLE_FAILED_INIT);
    loop_.reopen();
  }

  const std::shared_ptr<Running> running_;
  ActiveTime time_;
  AddressGuard guard_;
  OpenSockets sockets_;
  Alarms<CURL*> alarms_;
  TransferOptions options_;
  MultiLoop loop_;
  WorkNote* const note_;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> active_;
  std::vector<std::unique_ptr<Transfer>> idle_;
  std::unordered_map<std::string, std::vector<CURL*>> waiting_;  ///< For their names.
  std::vector<HttpReply> ready_;
  Resolver resolver_;
};
}  // namespace

std::unique_ptr<HttpClient> make_curl_client(const CurlOptions& options) {
  return std::make_unique<CurlHttpClient>(options);
}

Result<HttpAnswer> http_call(const Request& request, Duration timeout, const HttpWay& way) {
  init_curl();
  constexpr std::size_t kAnswerMax = 256 * 1024 * 1024;
  const TransferOptions options{.user_agent = "Onward/" ONWARD_VERSION,
                                .ca_file = way.ca_file,
                                .body_read_max = kAnswerMax,
                                .body_keep_max = kAnswerMax};
  Transfer transfer{options};
  HttpRequest attempt;
  attempt.request = std::shared_ptr<const Request>{std::shared_ptr<void>{}, &request};
  attempt.connect_timeout = attempt.timeout = timeout;
  attempt.want_body = true;

  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> to{
      way.address.empty() ? nullptr : curl_slist_append(nullptr, ("::" + way.address).c_str()),
      &curl_slist_free_all};
  HttpReply reply;
  if (transfer.prepare(std::move(attempt), reply)) {
    if (to) curl_easy_setopt(transfer.handle(), CURLOPT_CONNECT_TO, to.get());
    // A segment ".." is a name here; later versions of libcurl take out "%2E%2E" as well.
    curl_easy_setopt(transfer.handle(), CURLOPT_PATH_AS_IS, 1L);
    reply = transfer.finish(curl_easy_perform(transfer.handle()));
  }
  if (reply.status == 0) return fail(ErrorKind::Unavailable, reply.code, reply.error);
  if (reply.body_truncated) {
    return fail(ErrorKind::Unavailable, "truncated", "the answer was cut off");
  }
  return HttpAnswer{reply.status, transfer.content_type(), std::move(reply.body)};
}
}  // namespace onward
