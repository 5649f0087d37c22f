#pragma once
// The admin token that a data folder begins with.
#include <filesystem>
#include <optional>
#include <string>

#include "engine/core/base/result.h"
#include "engine/host/runtime.h"

namespace onward {
/// The first token is in DATA/token, its hash in the store: `prepare` writes the file, and then
/// `issue` the hash. The file is durable first, so that after a crash or a power failure between
/// the two the next start finds either no token, or the file whose hash it stores.
class FirstToken {
 public:
  /// Does nothing where the store has tokens: the operator keeps others, or removed the file.
  Status prepare(const std::filesystem::path& file, bool store_has_tokens);
  /// For a start that is refused after `prepare` made a token.
  void remove_made();
  /// Stores the hash. The runtime must have started.
  Status issue(Runtime& runtime) const;

 private:
  std::optional<std::string> token_;
  std::filesystem::path made_;
};
}  // namespace onward
