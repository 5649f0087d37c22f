#include "engine/cell/work_item.h"

#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "engine/cell/batch_lookups.h"
#include "engine/core/base/value.h"
#include "engine/jobs/job.h"

namespace onward {
namespace {
/// Kinds of timers and commands stand above what they are about: run numbers and trigger subjects
/// stay far below.
constexpr int kKindShift = 60;
constexpr std::uint64_t kSubject = (std::uint64_t{1} << kKindShift) - 1;
constexpr std::string_view kCommands[] = {"forget", "end", "resume", "move", "arm", "park"};

Hash128 mixed(Hash128 a, Hash128 b) { return {.high = a.high ^ b.high, .low = a.low ^ b.low}; }

Hash128 key_of(const EventInput& event) {
  return mixed(seen_key(event.source, event.id), event.fingerprint);
}

/// Texts tell patches apart well enough; other values count by their presence.
Hash128 key_of(const PatchInput& input) {
  std::string bytes = input.who.id ? input.who.id->text : std::string{};
  bytes += '\0';
  bytes += input.who.email;
  const auto add = [&](std::string_view name, const Value& value) {
    bytes += '\0';
    bytes += name;
    bytes += '=';
    if (const std::string* text = value.text()) bytes += *text;
  };
  for (const auto& [field, value] : input.patch.fields) add(info_of(field).name, value);
  for (const auto& [name, value] : input.patch.custom) add(name, value);
  return hash128(bytes);
}

std::uint64_t subject_of(const Command& command) {
  return std::visit(
      [](const auto& one) -> std::uint64_t {
        using T = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<T, Forget>)
          return 0;
        else if constexpr (std::is_same_v<T, ArmTrigger>)
          return trigger_subject(one.scenario, one.node);
        else
          return one.run.value;
      },
      command);
}

Hash128 keyed(ContactKey contact, std::uint64_t kind, std::uint64_t subject) {
  return {.high = contact.value, .low = kind << kKindShift ^ (subject & kSubject)};
}
}  // namespace

std::string_view label_of(const Input& input) {
  if (const auto* event = std::get_if<EventInput>(&input)) return event->id;
  const auto* patch = std::get_if<PatchInput>(&input);
  return patch != nullptr && patch->who.id ? std::string_view{patch->who.id->text}
                                           : std::string_view{};
}

WorkItem work_item(const Input& input) {
  if (const auto* event = std::get_if<EventInput>(&input))
    return {.kind = WorkKind::Event, .key = key_of(*event)};
  if (const auto* patch = std::get_if<PatchInput>(&input))
    return {.kind = WorkKind::Patch, .key = key_of(*patch)};
  if (const auto* timer = std::get_if<TimerInput>(&input))
    return {.kind = WorkKind::Timer,
            .key = keyed(timer->contact, static_cast<std::uint64_t>(timer->timer.kind),
                         timer->timer.subject)};
  const auto& command = std::get<CommandInput>(input);
  return {.kind = WorkKind::Command,
          .key = keyed(command.contact, command.command.index(), subject_of(command.command))};
}

WorkItem work_item(DeliveryKey delivery) {
  return {.kind = WorkKind::Delivery, .key = {.high = delivery.value}};
}

WorkItem work_item(const Job& job) {
  return {.kind = WorkKind::Job,
          .key = hash128(job.name() + '\0' + job.cursor().value_or(std::string{}))};
}

RunKey run_of(const WorkItem& item) {
  const std::uint64_t kind = item.key.low >> kKindShift;
  const bool of_run =
      item.kind == WorkKind::Timer && (kind == static_cast<std::uint64_t>(TimerKind::Wait) ||
                                       kind == static_cast<std::uint64_t>(TimerKind::RunRecheck));
  return {of_run ? item.key.low & kSubject : 0};
}

std::string describe(const Suspect& suspect, const Epochs& epochs) {
  const WorkItem& item = suspect.item;
  const std::uint64_t kind = item.key.low >> kKindShift;
  switch (item.kind) {
    case WorkKind::None:
    case WorkKind::Several:
      break;
    case WorkKind::Event:
      return suspect.label.empty() ? "an event without an id"
                                   : fmt::format("event \"{}\"", suspect.label);
    case WorkKind::Patch:
      return suspect.label.empty() ? "a change of a contact"
                                   : fmt::format("a change of contact \"{}\"", suspect.label);
    case WorkKind::Timer:
      if (const RunKey run = run_of(item)) return fmt::format("a timer of {}", format_run(run));
      return fmt::format("a trigger's timer of contact number {}", item.key.high);
    case WorkKind::Command:
      return fmt::format("the command \"{}\" for contact number {}",
                         kind < std::size(kCommands) ? kCommands[kind] : "?", item.key.high);
    case WorkKind::Delivery:
      return fmt::format("delivery {}", format_delivery(epochs, {item.key.high}));
    case WorkKind::Scenario:
      return fmt::format("the text of scenario \"{}\"", suspect.label);
    case WorkKind::Job:
      return fmt::format("a step of the job \"{}\"", suspect.label);
  }
  return "nothing";
}

// ---- marks ----

WorkWatch::WorkWatch(WorkingFile* file, std::size_t pieces) : file_{file}, alone_{pieces == 1} {
  if (file_ != nullptr && pieces > 1) file_->begin({.kind = WorkKind::Several});
}

WorkWatch::~WorkWatch() {
  if (file_ == nullptr) return;
  close();
  file_->end();
}

void WorkWatch::close() {
  if (item_.kind != WorkKind::None) file_->forget(item_);
  item_ = {};
}

bool WorkWatch::begin(const WorkItem& item, std::string_view label) {
  if (file_->is_poison(item)) return false;
  item_ = item;
  file_->begin(item, label);
  return true;
}

bool WorkWatch::begin(const Input& input) {
  return file_ == nullptr || begin(work_item(input), label_of(input));
}

bool WorkWatch::begin(DeliveryKey delivery) {
  return file_ == nullptr || begin(work_item(delivery), {});
}

bool WorkWatch::begin(const Job& job) {
  return file_ == nullptr || begin(work_item(job), job.name());
}

void WorkWatch::end() {
  if (file_ == nullptr || alone_) return;
  close();
  file_->begin({.kind = WorkKind::Several});
}
}  // namespace onward
