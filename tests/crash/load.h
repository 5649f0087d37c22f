#pragma once
// A client that posts events, each with an id, and sends what was not answered again: it never
// gives up, and never sends another body under the same id.
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/crash/oracle.h"

namespace onward::crash {
Result<HttpAnswer> call(const std::filesystem::path& data, const std::string& url,
                        std::string method, const std::string& path, std::string body = {},
                        std::string type = "application/json");

class Load {
 public:
  explicit Load(std::filesystem::path data) : data_{std::move(data)} {}

  /// Posts from several connections until the server is gone or each has made `posts`.
  void start(const std::string& url, int posts);
  void join();
  /// Posts whatever is left. Whether all is acknowledged.
  bool finish(const std::string& url);
  /// What was acknowledged, by number.
  const std::map<int, Event>& acknowledged() const { return acknowledged_; }
  /// Answers that were neither a yes nor "later".
  const std::vector<std::string>& surprises() const { return surprises_; }

 private:
  std::vector<int> next_post();
  /// False: no use to go on.
  bool post(const std::string& url, const std::vector<int>& events);

  std::filesystem::path data_;
  std::mutex mutex_;
  int next_ = 1, posts_ = 0;
  std::vector<std::vector<int>> unanswered_;
  std::map<int, Event> acknowledged_;
  std::map<int, Nanos> posted_;  ///< For the first time.
  std::vector<std::string> surprises_;
  std::vector<std::thread> threads_;
};
}  // namespace onward::crash
