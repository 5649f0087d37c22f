#pragma once
// The whole front on a real engine: routes, access, engine and deliverer threads, a memory store,
// and receivers that are told what to answer. No sockets. Every answer is held to the description
// of the API: one that it does not promise is a failure of the test.
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/intake_check.h"
#include "engine/api/router.h"
#include "engine/core/base/log_record.h"
#include "engine/core/base/value.h"
#include "engine/core/scenario/node.h"
#include "engine/host/runtime.h"
#include "engine/store/store.h"
#include "tests/api/contract.h"

namespace onward {
class FakeHttpClient;

struct Told {
  int status = 0;
  std::string body;
  Value json;
  std::vector<std::pair<std::string, std::string>> headers;
  const Value& at(std::string_view path) const;
};

class Front {
 public:
  /// `start` false: the engine is open and takes nothing yet.
  explicit Front(bool start = true);
  /// On parts of the test's own. `kinds` outlive it.
  Front(std::unique_ptr<Store> store, const NodeKinds& kinds, LogSink log, bool start = true);
  ~Front();

  struct Ask {
    std::string method, path, query, body;
    std::string content_type = "application/json";
    std::string token = "admin";
    std::string accept;
  };
  Told ask(const Ask& what) const;
  Told get(const std::string& path, const std::string& query = {}) const;
  Told post(const std::string& path, const std::string& body = {}) const;
  Told put(const std::string& path, const std::string& body) const;

  /// Asks for the numbers until `scenario` has nothing pending, and tells them.
  Told settled(const std::string& scenario) const;

  const Api& api() const { return *api_; }
  /// The same on the same engine, with secrets for the adapters.
  Api another(const IntakeSecrets& secrets) const;
  void receivers_answer(int status) { *status_ = status; }
  /// The requests that left, as receivers get them: URL and headers, a line each.
  std::vector<std::string> sent() const;

 private:
  LogSink log_;
  std::shared_ptr<std::atomic<int>> status_ = std::make_shared<std::atomic<int>>(200);
  FakeHttpClient* client_ = nullptr;  // the runtime's
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<Contract> contract_;
};
}  // namespace onward
