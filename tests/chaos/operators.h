#pragma once
// Operators and importers: what they set up, what they were told of it, and whether the engine
// keeps to that. An answer counts once it is durable; before that either state is right.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "engine/cell/cell.h"
#include "tests/chaos/receiver.h"
#include "tests/chaos/shadow.h"

namespace onward::chaos {
/// How each secret value of a world begins, so that one is found wherever it stands.
inline constexpr std::string_view kSecretMark = "sekret-";
/// The header in which scenarios send the secret.
inline constexpr std::string_view kSecretHeader = "X-Key";
inline constexpr std::string_view kSecretName = "key";
/// Imports write their number into one of these fields, in turn, so that one that is still being
/// taken and the next ones do not write to the same.
inline constexpr int kImportFields = 8;
std::string import_field(std::int64_t import);

class Operators {
 public:
  // Tokens, by name. A change begins, and is answered (`done`: it was made) or lost.
  std::string new_token();
  std::optional<std::string> any_token(std::uint64_t chance) const;  ///< One that was issued.
  void begin_token(const std::string& name, bool issue);
  void end_token(const std::string& name, bool done);
  static std::string hash_of(const std::string& name);

  // The secret: a value, or none.
  std::string new_value();
  void begin_secret(std::optional<std::string> value);
  void end_secret(const std::optional<std::string>& value, bool done);
  bool has_secret() const { return secret_ && possible_.empty(); }
  /// A request leaves: it must not hold a value that was replaced or removed.
  void leaves(const HttpRequest& request) const;

  // Imports.
  std::int64_t new_import() { return ++imports_; }
  void imported(std::int64_t import, ContactKey contact);

  /// Nothing is under way: what was answered holds, and what was not is as the engine says.
  void check(const Cell& engine, const Shadow& shadow);

  struct Figures {
    std::uint64_t tokens = 0, secrets = 0, rows = 0;
  } figures;

 private:
  struct Token {
    bool issued = false;  ///< As it was answered.
    bool unknown = false;
  };
  std::map<std::string, Token> tokens_;
  std::optional<std::string> secret_;
  std::set<std::optional<std::string>> possible_;  ///< Changes that were not answered.
  std::int64_t values_ = 0, imports_ = 0;
  std::map<std::pair<ContactKey, std::string>, std::int64_t> imported_;
};
}  // namespace onward::chaos
