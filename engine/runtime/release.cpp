// What leaves the engine once it is on the disk.
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
  if (!release.withdrawn.empty()) sink.withdraw(std::move(release.withdrawn));
  if (!release.tasks.empty()) sink.submit(std::move(release.tasks));
  if (!release.expedited.empty()) sink.expedite(std::move(release.expedited));
}

void refuse(std::span<Job> jobs, const Error& error) {
  const EventAnswer lost{.kind = EventAnswer::Kind::Unavailable,
                         .code = "engine_stopped",
                         .message = "the engine has stopped: " + error.message};
  for (Job& job : jobs) {
    if (auto* events = std::get_if<EventsJob>(&job))
      events->done(std::vector<EventAnswer>(events->inputs.size(), lost));
    else if (auto* contact = std::get_if<ContactJob>(&job))
      contact->done(fail(ErrorKind::Unavailable, lost.code, lost.message));
    else if (auto* import = std::get_if<ImportJob>(&job))
      import->done(std::vector<WorkAnswer>(import->inputs.size(), WorkAnswer{.event = lost}));
  }
}
}  // namespace onward
