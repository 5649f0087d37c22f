#pragma once
// Both stores, for what must survive a restart.
#include <filesystem>
#include <functional>
#include <memory>

#include "engine/store/store.h"
#include "tests/support/stage.h"

namespace onward {
/// A stage that can be started again, on the memory store or on SQLite, which is closed and opened.
class LastingStage {
 public:
  LastingStage(std::string_view scenario, bool sqlite, RuntimeOptions options = {});
  ~LastingStage();
  LastingStage(const LastingStage&) = delete;
  LastingStage& operator=(const LastingStage&) = delete;

  void restart();
  /// Of SQLite's files; empty: there are none.
  const std::filesystem::path& folder() const { return folder_; }
  Stage& operator*() { return *stage_; }
  Stage* operator->() { return stage_.get(); }

 private:
  std::filesystem::path folder_;  // empty: memory
  std::unique_ptr<Stage> stage_;
};
}  // namespace onward
