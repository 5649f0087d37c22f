#include "engine/cell/ready.h"

#include <utility>

namespace onward {
std::size_t Ready::inputs() const {
  std::size_t inputs = 0;
  for (const Task& task : effects_.answered) inputs += inputs_of(task);
  return inputs;
}

Status Publisher::publish(std::span<Ready> ready, const Synced& synced_now) {
  Status synced = store_.sync();
  if (synced_now) synced_now(synced);
  for (Ready& one : ready) {
    if (synced)
      let_out(std::move(one.effects_), sink_);
    else
      refuse(one.effects_.answered, synced.error());
  }
  return synced;
}

void Publisher::let_out(Effects effects, DeliverySink& sink) {
  for (Task& task : effects.answered) {
    if (auto* events = std::get_if<EventsTask>(&task)) {
      std::vector<EventAnswer> answers;
      answers.reserve(events->answers.size());
      for (WorkAnswer& answer : events->answers) answers.push_back(std::move(answer.event));
      events->done(std::move(answers));
    } else if (auto* import = std::get_if<ImportTask>(&task)) {
      import->done(std::move(import->answers));
    } else {
      auto& contact = std::get<ContactTask>(task);
      contact.done(std::move(contact.answer));
    }
  }
  if (!effects.recorded.empty()) sink.recorded(std::move(effects.recorded));
  if (!effects.withdrawn.empty()) sink.withdraw(std::move(effects.withdrawn));
  if (!effects.tasks.empty()) sink.submit(std::move(effects.tasks));
  if (!effects.expedited.empty()) sink.expedite(std::move(effects.expedited));
}
}  // namespace onward
