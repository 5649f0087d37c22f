#pragma once
// What people set up, as the store keeps it: scenarios, their versions and texts, tokens, settings,
// and the log of who changed what.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/store/control_rows.h"

namespace onward {
/// Reads what is not kept in memory. Its own connection, its own thread. Cursors are opaque; "" is
/// the beginning and, in an answer, the end.
class ControlReader {
 public:
  virtual ~ControlReader() = default;
  /// The text of a version; nothing where there is none. Sees each commit at once.
  virtual Result<std::optional<std::string>> version_text(ScenarioKey scenario,
                                                          Version version) = 0;
  struct ActivityList {
    std::vector<std::pair<std::uint64_t, Activity>> rows;  ///< Newest first, with their numbers.
    std::string next;
  };
  /// `scenario`: an id, or empty for all.
  virtual Result<ActivityList> activity(std::string_view scenario, std::size_t limit,
                                        std::string_view cursor) = 0;
};

/// There is one, however many stores hold contacts. With SQLite it is the same store, and a change
/// of what people set up is part of a cell's commit (`Commit::control`), in one transaction.
class ControlStore {
 public:
  virtual ~ControlStore() = default;
  /// The newest state.
  virtual Result<ControlSnapshot> control() = 0;
  /// Any thread, any number; each reader belongs to one thread.
  virtual Result<std::unique_ptr<ControlReader>> open_control_reader() = 0;
};
}  // namespace onward
