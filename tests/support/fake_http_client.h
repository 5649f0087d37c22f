#pragma once
// A client that calls nobody: a test says what each request comes to.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/delivery/http_client.h"

namespace onward {
/// Answers at once what `answer` says, or holds requests until `release`. All calls from any
/// thread; `answer` is called with the lock held.
class FakeHttpClient final : public HttpClient {
 public:
  /// A status, or 0 and a code.
  struct Answer {
    int status = 200;
    std::string code;
    std::string retry_after;
    std::string body;
    bool local = false;
    Duration took{1};
    std::string location = {};
  };
  using Decide = std::function<Answer(const HttpRequest&)>;

  /// Everything is answered 200 without `decide`.
  explicit FakeHttpClient(Decide decide = {}) : decide_{std::move(decide)} {}

  void start(HttpRequest request) override {
    const std::lock_guard lock{mutex_};
    seen_.push_back(request);
    const std::uint64_t token = request.token;
    flying_.emplace(token, std::move(request));
    if (!held_) answer(token);
  }

  void poll(Duration longest, std::vector<HttpReply>& done) override {
    std::unique_lock lock{mutex_};
    happened_.wait_for(lock, std::min<Duration>(longest, std::chrono::hours{1}),
                       [this] { return !replies_.empty() || woken_; });
    woken_ = false;
    std::move(replies_.begin(), replies_.end(), std::back_inserter(done));
    replies_.clear();
  }

  std::size_t in_flight() const override {
    const std::lock_guard lock{mutex_};
    return flying_.size() + replies_.size();
  }

  void wake() override {
    const std::lock_guard lock{mutex_};
    woken_ = true;
    ++wakes_;
    happened_.notify_all();
  }

  /// From now on nothing is answered until `release`.
  void hold() {
    const std::lock_guard lock{mutex_};
    held_ = true;
  }
  /// Answers what is held, and from now on at once.
  void release() {
    const std::lock_guard lock{mutex_};
    held_ = false;
    while (!flying_.empty()) answer(flying_.begin()->first);
    happened_.notify_all();
  }
  void decide(Decide decide) {
    const std::lock_guard lock{mutex_};
    decide_ = std::move(decide);
  }

  /// Requests so far, in the order of their starts.
  std::vector<HttpRequest> seen() const {
    const std::lock_guard lock{mutex_};
    return seen_;
  }
  std::size_t wakes() const {
    const std::lock_guard lock{mutex_};
    return wakes_;
  }

 private:
  void answer(std::uint64_t token) {
    auto node = flying_.extract(token);
    const Answer answer = decide_ ? decide_(node.mapped()) : Answer{};
    HttpReply reply;
    reply.token = token;
    reply.status = answer.status;
    reply.code = answer.code;
    reply.error = answer.code;
    reply.retry_after = answer.retry_after;
    reply.location = answer.location;
    if (node.mapped().want_body) reply.body = answer.body;
    reply.body_cut = reply.body.size() >= 4096;  // As much as the client keeps.
    reply.local = answer.local;
    reply.took = answer.took;
    replies_.push_back(std::move(reply));
  }

  mutable std::mutex mutex_;
  std::condition_variable happened_;
  Decide decide_;
  bool held_ = false, woken_ = false;
  std::size_t wakes_ = 0;
  std::map<std::uint64_t, HttpRequest> flying_;
  std::vector<HttpReply> replies_;
  std::vector<HttpRequest> seen_;
};
}  // namespace onward
