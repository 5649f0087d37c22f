#pragma once
// What other threads see of a cell: the engine thread shows it after each turn.
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/cell/cell.h"
#include "engine/query/queries.h"
#include "engine/secrets/secret_source.h"

namespace onward {
/// Any thread, unless a function says otherwise.
class ShownState {
 public:
  /// `options` must outlive it.
  explicit ShownState(const RuntimeOptions& options) : options_{options} {}

  /// Engine thread: shows what the last turn changed. What only the state before it knew is
  /// returned where it is large, else null: it is to be destroyed elsewhere, since it may be a
  /// scenario of 10,000 nodes.
  std::shared_ptr<const void> show(Cell& cell);

  // Never null after the first `show`; immutable.
  std::shared_ptr<const ScenarioBook> book() const;
  std::shared_ptr<const Directory> directory() const;
  std::shared_ptr<const CustomFields> fields() const;
  std::shared_ptr<const TokenBook> tokens() const;
  /// By SHA-256 in hex: expired ones too.
  std::optional<TokenRecord> find_token(std::string_view sha256) const;
  /// Since when nothing is sent; nullopt: requests leave.
  std::optional<Instant> held_since() const;
  struct Figures {
    EngineFigures engine;
    // These may lag behind by a second, but for held_since.
    std::uint64_t bytes_on_disk = 0, log_bytes = 0;
    std::optional<Instant> oldest_due, held_since;
  };
  Figures figures() const;
  /// For the deliverer, which it must outlive.
  SecretBox& secrets() { return secrets_; }

 private:
  void watch_log(std::uint64_t bytes);
  void watch_working_file();

  const RuntimeOptions& options_;
  SecretBox secrets_;

  mutable std::mutex mutex_;
  std::shared_ptr<const ScenarioBook> book_;  // guarded by mutex_, as all below
  std::shared_ptr<const Directory> directory_;
  std::shared_ptr<const CustomFields> fields_;
  std::shared_ptr<const TokenBook> tokens_;
  Figures figures_;

  // The engine thread's own.
  std::uint64_t generation_ = 0;  // of the directory
  std::shared_ptr<const SecretValues> shown_secrets_;
  bool working_lost_ = false;       // and logged
  std::uint64_t logged_bytes_ = 0;  // of the write-ahead log, when it was logged last
  std::chrono::steady_clock::time_point last_look_{};
};
}  // namespace onward
