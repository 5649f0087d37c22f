#include "engine/cell/quarantine.h"

#include <string>
#include <utility>

namespace onward {
namespace {
/// Inputs taken one by one after a crash.
constexpr std::size_t kSingleSteps = 1'000;
}  // namespace

Quarantine::Quarantine(CellContext& cell, CommitWriter& writer, ResultBacklog& backlog)
    : cell_{cell},
      writer_{writer},
      backlog_{backlog},
      single_steps_{file() != nullptr && file()->died_at_work() ? kSingleSteps : 0} {}

/// Tells of what the last end left behind, and sets aside what has become poison. Deliveries end
/// here; inputs when they come again.
Status Quarantine::load_suspects() {
  if (file() == nullptr) return {};
  for (const Suspect& suspect : file()->suspects()) {
    const bool poison = suspect.crashes >= WorkingFile::kCrashesMax;
    if (suspect.fresh)
      cell_.log({poison ? "poison.set_aside" : "crash.at_work",
                 {{"what", describe(suspect, cell_.epochs)},
                  {"crashes", count_value(suspect.crashes)},
                  {"of", count_value(WorkingFile::kCrashesMax)}},
                 poison ? LogLevel::Error : LogLevel::Warning});
    if (!poison) continue;
    if (Status done = quarantine(suspect); !done) return done;
  }
  return {};
}

Status Quarantine::quarantine(const Suspect& suspect) {
  if (suspect.item.kind == WorkKind::Delivery) {
    const DeliveryKey key{suspect.item.key.high};
    const auto loaded = cell_.store->deliveries({&key, 1});
    if (!loaded) return tl::make_unexpected(loaded.error());
    const auto& found = loaded->front();
    if (found && found->delivery.pending())
      backlog_.add(failure_of(found->delivery));
    else
      file()->forget(suspect.item);
  }
  if (!suspect.fresh) return {};
  const bool of_scenario = suspect.item.kind == WorkKind::Scenario;
  Status done = writer_.note(cell_.activity("poison.set_aside", of_scenario ? suspect.label : "",
                                            {}, poison_message(describe(suspect, cell_.epochs))));
  // A disk that is full is told of where it matters.
  return !done && done.error().kind == ErrorKind::Unavailable ? Status{} : done;
}

/// Fails the delivery for good, for people to retry.
AttemptResult Quarantine::failure_of(const Delivery& delivery) const {
  return {.delivery = delivery.key,
          .number = delivery.attempts + 1,
          .started = cell_.now(),
          .code = std::string{kPoison},
          .error = poison_message("it"),
          .permanent = true};
}

Status Quarantine::reject(Batch& batch, const Work& work) const {
  const WorkItem item = work_item(*work.input);
  if (work.answer != nullptr)
    *work.answer = {
        .event = {.kind = EventAnswer::Kind::Rejected,
                  .code = std::string{kPoison},
                  .message = poison_message(describe(
                      {.item = item, .label = std::string{label_of(*work.input)}}, cell_.epochs))}};
  return batch.take_aside(*work.input, kPoison);
}

/// What is set aside in the store from now on may be tried again by hand. Inputs stay refused.
void Quarantine::release(std::span<const WorkItem> rejected) {
  for (const WorkItem& item : rejected)
    if (item.kind == WorkKind::Timer || item.kind == WorkKind::Delivery) file()->forget(item);
}
}  // namespace onward
