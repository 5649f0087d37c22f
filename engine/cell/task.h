#pragma once
// What a cell is asked to do: posts of events, changes of contacts, imports, and calls.
#include <cstddef>
#include <functional>
#include <span>
#include <variant>
#include <vector>

#include "engine/cell/answers.h"
#include "engine/cell/load.h"
#include "engine/cell/work.h"
#include "engine/core/base/result.h"
#include "engine/core/journey/advance.h"

namespace onward {
class Cell;

/// A post of events: answered as a whole, once all of it is committed.
struct EventsTask {
  std::vector<Input> inputs;
  std::vector<WorkAnswer> answers;
  Done<std::vector<EventAnswer>> done;
  LoadShare admission = {};
};
/// One patch or command whose caller asks what became of its contact.
struct ContactTask {
  Input input;
  WorkAnswer answer;
  bool create = false;
  Done<Result<WorkAnswer>> done;
  LoadShare admission = {};
};
/// Anything else, between two transactions. An error ends the cell: it is the store's.
struct CallTask {
  std::function<Status(Cell&)> call;  ///< Answers its caller, also where it ends in an error.
  /// Answers in its place where the cell ends before it; may be empty where nobody waits.
  std::function<void(const Error&)> refused = {};
  LoadShare admission = {};
};
/// Patches of many contacts: answered as a whole, once all of it is committed.
struct ImportTask {
  std::vector<Input> inputs;
  std::vector<WorkAnswer> answers;
  Done<std::vector<WorkAnswer>> done;
  LoadShare admission = {};
};
using Task = std::variant<EventsTask, ContactTask, CallTask, ImportTask>;

/// The answer to a caller that waits when `error` ends the cell.
Error stopped_by(const Error& error);
/// Answers tasks whose effects never became durable. Skips moved-from tasks: another answers them.
void refuse(std::span<Task> tasks, const Error& error);
/// The answer to an input that was not taken.
EventAnswer answer_of(const Error& error);
/// Inputs in a task.
std::size_t inputs_of(const Task& task);
}  // namespace onward
