#pragma once
// Posts and imports of many inputs: a commit of them a turn, so that they delay no other task for
// long.
#include <cstddef>
#include <deque>
#include <vector>

#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/input_writer.h"
#include "engine/cell/quarantine.h"
#include "engine/cell/task.h"

namespace onward {
class BulkQueue {
 public:
  /// Inputs of a task above which it is one of many.
  static constexpr std::size_t kInputsMin = 100;

  /// All must outlive it.
  BulkQueue(CellContext& cell, const CommitWriter& writer, InputWriter& inputs,
            const Quarantine& quarantine)
      : cell_{cell}, writer_{writer}, inputs_{inputs}, quarantine_{quarantine} {}

  /// Takes those of many inputs out of `tasks`, to the end of the queue.
  void take_from(std::vector<Task>& tasks);
  /// One commit of inputs of the tasks, the first of them first; each task is answered when all of
  /// its inputs are taken. While nothing can be written all of them are refused.
  Status step();
  void refuse_all(const Error& error);
  bool empty() const { return waiting_.empty(); }

 private:
  /// A task, and how many of its inputs have been taken.
  struct Waiting {
    Task task;
    std::size_t taken = 0;
  };

  CellContext& cell_;
  const CommitWriter& writer_;
  InputWriter& inputs_;
  const Quarantine& quarantine_;
  std::deque<Waiting> waiting_;
  std::size_t step_inputs_ = 1;  // of the next commit
};
}  // namespace onward
