#pragma once
// What else a user would pick for the same work, started as children of this process: each takes
// the benchmark's events over HTTP and posts its webhooks.
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace onward::bench {
/// Where the programs are.
struct Programs {
  std::string onward = "build/onward";
  std::string others;  ///< A copy of tools/bench/others after `npm install`.
  std::string node = "node";
  std::string redis = "redis-server";
};

/// One of those compared, at work. It ends with the object.
class Contender {
 public:
  virtual ~Contender() = default;
  virtual std::uint16_t port() const = 0;
  virtual std::string token() const { return {}; }
  /// Of all its processes, resident.
  virtual double memory_mb() const = 0;
};

struct ContenderKind {
  std::string_view name;  ///< In the JSON.
  std::string_view text;  ///< In the table.
  /// Starts it with a fresh `folder`; its webhooks go to `receiver`, a port of 127.0.0.1. Returns
  /// when it takes events; gives up where it does not.
  std::unique_ptr<Contender> (*start)(const Programs& programs, const std::string& folder,
                                      std::uint16_t receiver);
};
const std::vector<ContenderKind>& contenders();
}  // namespace onward::bench
