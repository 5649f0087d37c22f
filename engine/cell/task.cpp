#include "engine/cell/task.h"

#include <span>
#include <utility>

namespace onward {
std::size_t inputs_of(const Task& task) {
  if (const auto* events = std::get_if<EventsTask>(&task)) return events->inputs.size();
  if (const auto* import = std::get_if<ImportTask>(&task)) return import->inputs.size();
  return std::holds_alternative<ContactTask>(task) ? 1 : 0;
}

Error stopped_by(const Error& error) {
  return {ErrorKind::Unavailable, "engine_stopped", "the engine has stopped: " + error.message};
}

void refuse(std::span<Task> tasks, const Error& error) {
  const Error stopped = stopped_by(error);
  const EventAnswer lost{
      .kind = EventAnswer::Kind::Unavailable, .code = stopped.code, .message = stopped.message};
  const auto answer = [](auto& done, auto what) {
    if (done) std::exchange(done, nullptr)(std::move(what));
  };
  for (Task& task : tasks) {
    if (auto* events = std::get_if<EventsTask>(&task))
      answer(events->done, std::vector<EventAnswer>(events->inputs.size(), lost));
    else if (auto* contact = std::get_if<ContactTask>(&task))
      answer(contact->done, Result<WorkAnswer>{tl::make_unexpected(stopped)});
    else if (auto* import = std::get_if<ImportTask>(&task))
      answer(import->done,
             std::vector<WorkAnswer>(import->inputs.size(), WorkAnswer{.event = lost}));
    else
      answer(std::get<CallTask>(task).refused, stopped);
  }
}

EventAnswer answer_of(const Error& error) {
  const bool ours = error.kind == ErrorKind::Unavailable || error.kind == ErrorKind::Io ||
                    error.kind == ErrorKind::Internal;
  return {.kind = ours ? EventAnswer::Kind::Unavailable : EventAnswer::Kind::Rejected,
          .code = error.code,
          .message = error.message,
          .incident = error.incident};
}
}  // namespace onward
