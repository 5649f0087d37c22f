#pragma once
// Resumes parked runs, page by page: the reader finds them, the cell resumes them.
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/control/filters.h"
#include "engine/core/base/reply.h"
#include "engine/core/journey/run.h"
#include "engine/host/calls.h"

namespace onward {
/// Any thread; see Calls for when and where replies are given.
class RunResumption {
 public:
  /// Must outlive it.
  explicit RunResumption(Calls& calls) : calls_{calls} {}

  /// All parked runs that match; how many were resumed. `who` is the name of the token behind it,
  /// for the log.
  void resume(Reply<std::size_t> reply, RunQuery which, std::string who);
  /// One run: 1, or 0 where it is not parked (any more).
  void resume(Reply<std::size_t> reply, RunKey run, std::string who);

 private:
  struct Work;
  void begin(Reply<std::size_t> reply, Work work);
  void find_page(const std::shared_ptr<Work>& work);
  Status resume_page(Cell& cell, const std::shared_ptr<Work>& work, const std::vector<Run>& runs);
  Status go_on(Cell& cell, const std::shared_ptr<Work>& work);

  Calls& calls_;
};
}  // namespace onward
