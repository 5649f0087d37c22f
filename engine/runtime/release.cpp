// What leaves the engine once it is on the disk.
#include <utility>

#include "engine/runtime/engine.h"

namespace onward {
void let_go(Release release, DeliverySink& sink) {
  for (Job& job : release.answered) {
    if (auto* events = std::get_if<EventsJob>(&job)) {
      std::vector<EventAnswer> answers;
      answers.reserve(events->answers.size());
      for (WorkAnswer& answer : events->answers) answers.push_back(std::move(answer.event));
      events->done(std::move(answers));
    } else if (auto* import = std::get_if<ImportJob>(&job)) {
      import->done(std::move(import->answers));
    } else {
      auto& contact = std::get<ContactJob>(job);
      contact.done(std::move(contact.answer));
    }
  }
  if (!release.recorded.empty()) sink.recorded(std::move(release.recorded));
  if (!release.withdrawn.empty()) sink.withdraw(std::move(release.withdrawn));
  if (!release.tasks.empty()) sink.submit(std::move(release.tasks));
  if (!release.expedited.empty()) sink.expedite(std::move(release.expedited));
}

Error stopped_by(const Error& error) {
  return {ErrorKind::Unavailable, "engine_stopped", "the engine has stopped: " + error.message};
}

void refuse(std::span<Job> jobs, const Error& error) {
  const Error stopped = stopped_by(error);
  const EventAnswer lost{
      .kind = EventAnswer::Kind::Unavailable, .code = stopped.code, .message = stopped.message};
  const auto answer = [](auto& done, auto what) {
    if (done) std::exchange(done, nullptr)(std::move(what));
  };
  for (Job& job : jobs) {
    if (auto* events = std::get_if<EventsJob>(&job))
      answer(events->done, std::vector<EventAnswer>(events->inputs.size(), lost));
    else if (auto* contact = std::get_if<ContactJob>(&job))
      answer(contact->done, Result<WorkAnswer>{tl::make_unexpected(stopped)});
    else if (auto* import = std::get_if<ImportJob>(&job))
      answer(import->done,
             std::vector<WorkAnswer>(import->inputs.size(), WorkAnswer{.event = lost}));
    else
      answer(std::get<CallJob>(job).refused, stopped);
  }
}
}  // namespace onward
