#pragma once
// Texts of versions, read from the store when they are needed.
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "engine/core/base/result.h"
#include "engine/store/control_store.h"

namespace onward {
/// A text may have 4 MiB and a scenario thousands of versions, so none is kept in memory. Shared by
/// all copies of a ScenarioBook; any thread, but not the engine thread while it serves others.
class VersionTexts {
 public:
  explicit VersionTexts(std::unique_ptr<ControlReader> reader) : reader_{std::move(reader)} {}
  Result<std::string> read(ScenarioKey scenario, Version version);
  /// How many were read.
  std::uint64_t reads() const;
  /// Closes the connection, before the store is closed; from then on nothing is read.
  void close();

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<ControlReader> reader_;  // guarded by mutex_, as all below
  std::uint64_t reads_ = 0;
};

/// The error of a version whose row or text is gone.
tl::unexpected<Error> text_missing();
/// What a reader found, or an error where there is no such text.
Result<std::string> text_of_version(ControlReader& reader, ScenarioKey scenario, Version version);
}  // namespace onward
