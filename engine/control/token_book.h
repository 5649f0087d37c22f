#pragma once
// Who may come in: the tokens that were issued, by name. Pure: time is an argument.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/store/control_rows.h"

namespace onward {
inline constexpr std::size_t kTokensMax = 100;

/// Immutable: a change makes a new one, so that readers on any thread keep theirs.
class TokenBook {
 public:
  explicit TokenBook(std::vector<TokenRecord> stored = {}) : tokens_{std::move(stored)} {}

  const std::vector<TokenRecord>& all() const { return tokens_; }  ///< As they were issued.
  /// By SHA-256 in hex, expired ones too. How long it takes tells nothing of the hashes.
  const TokenRecord* find(std::string_view sha256) const;

  /// Why `token` cannot be issued: its name, its end, or too many of them.
  Status may_add(const TokenRecord& token, Instant now) const;
  TokenBook with(TokenRecord token) const;
  /// The row that takes it away. Conflict for the last admin's token that does not expire: nobody
  /// could issue another one.
  Result<TokenRecord> removal(std::string_view name) const;
  TokenBook without(std::string_view name) const;

 private:
  std::vector<TokenRecord> tokens_;
};
}  // namespace onward
