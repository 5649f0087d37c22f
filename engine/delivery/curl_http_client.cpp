#include "engine/delivery/curl_http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

#include "engine/delivery/transfer.h"

namespace onward {
namespace {
/// Idle handles that are kept; each is some 6 KB.
constexpr std::size_t kIdleMax = 512;

/// Drives libcurl's multi interface with curl_multi_poll: as quick as any other way up to some
/// hundreds in flight. Another way would change `poll` alone.
class CurlHttpClient final : public HttpClient {
 public:
  explicit CurlHttpClient(const CurlOptions& options)
      : guard_{options.guard},
        connections_max_{static_cast<long>(options.connections_max)},
        options_{.guard = &guard_,
                 .sockets = &sockets_,
                 .user_agent =
                     options.user_agent.empty() ? "Onward/" ONWARD_VERSION : options.user_agent,
                 .ca_file = options.ca_file,
                 .https_only = options.https_only} {
    init_curl();
    open_multi();
  }

  ~CurlHttpClient() override {
    for (const auto& [handle, transfer] : active_) curl_multi_remove_handle(multi_, handle);
    active_.clear();
    idle_.clear();
    curl_multi_cleanup(multi_);
  }

  void start(HttpRequest request) override {
    std::unique_ptr<Transfer> transfer = take_idle();
    HttpReply reply;
    if (!transfer->prepare(std::move(request), reply)) {
      ready_.push_back(std::move(reply));
      give_back(std::move(transfer));
      return;
    }
    CURL* handle = transfer->handle();
    active_.emplace(handle, std::move(transfer));
    if (curl_multi_add_handle(multi_, handle) != CURLM_OK) end(handle, CURLE_FAILED_INIT);
  }

  void poll(Duration longest, std::vector<HttpReply>& done) override {
    perform();
    if (ready_.empty() && longest > Duration::zero()) {
      constexpr Duration kLongest = std::chrono::hours{1};
      const int wait = static_cast<int>(std::min(longest, kLongest).count());
      if (curl_multi_poll(multi_, nullptr, 0, wait, nullptr) != CURLM_OK) rebuild();
      perform();
    }
    std::move(ready_.begin(), ready_.end(), std::back_inserter(done));
    ready_.clear();
  }

  std::size_t in_flight() const override { return active_.size() + ready_.size(); }
  void wake() override {
    const std::lock_guard lock{multi_swap_};
    curl_multi_wakeup(multi_);
  }

 private:
  void open_multi() {
    multi_ = curl_multi_init();
    if (!multi_) throw std::bad_alloc{};
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections_max_);
    curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
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

  void perform() {
    int running = 0;
    if (curl_multi_perform(multi_, &running) != CURLM_OK) return rebuild();
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      // The message is gone with its handle.
      if (message->msg == CURLMSG_DONE) end(message->easy_handle, message->data.result);
    }
  }

  void end(CURL* handle, CURLcode code) {
    curl_multi_remove_handle(multi_, handle);
    if (Transfer::of(handle)->again() && curl_multi_add_handle(multi_, handle) == CURLM_OK) return;
    auto node = active_.extract(handle);
    std::unique_ptr<Transfer> transfer = std::move(node.mapped());
    ready_.push_back(transfer->finish(code));
    give_back(std::move(transfer));
  }

  /// libcurl has lost its way (it lacks memory, as a rule): nothing in flight is known to have
  /// failed by the receiver's fault.
  void rebuild() {
    while (!active_.empty()) end(active_.begin()->first, CURLE_FAILED_INIT);
    const std::lock_guard lock{multi_swap_};
    curl_multi_cleanup(multi_);
    open_multi();
  }

  AddressGuard guard_;
  long connections_max_;
  OpenSockets sockets_;
  TransferOptions options_;
  std::mutex multi_swap_;  ///< Held while `multi_` is replaced, and while another thread uses it.
  CURLM* multi_ = nullptr;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> active_;
  std::vector<std::unique_ptr<Transfer>> idle_;
  std::vector<HttpReply> ready_;
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
    reply = transfer.finish(curl_easy_perform(transfer.handle()));
  }
  if (reply.status == 0) return fail(ErrorKind::Unavailable, reply.code, reply.error);
  if (reply.body_truncated) {
    return fail(ErrorKind::Unavailable, "truncated", "the answer was cut off");
  }
  return HttpAnswer{reply.status, transfer.content_type(), std::move(reply.body)};
}
}  // namespace onward
