#include "engine/runtime/poison.h"

#include <fmt/format.h>

#include "engine/core/base/value.h"
#include "engine/runtime/background_job.h"
#include "engine/runtime/batch.h"
#include "engine/runtime/engine.h"

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

std::string_view label_of(const Input& input) {
  if (const auto* event = std::get_if<EventInput>(&input)) return event->id;
  const auto* patch = std::get_if<PatchInput>(&input);
  return patch != nullptr && patch->who.id ? std::string_view{patch->who.id->text}
                                           : std::string_view{};
}
}  // namespace

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

WorkItem work_item(const BackgroundJob& job) {
  return {.kind = WorkKind::Job,
          .key = hash128(job.name() + '\0' + job.cursor().value_or(std::string{}))};
}

WorkItem work_item_of_text(std::string_view scenario_text) {
  return {.kind = WorkKind::Scenario, .key = hash128(scenario_text)};
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

std::string poison_message(std::string_view what) {
  return fmt::format("the server crashed {} times while it worked on {}, so it is set aside",
                     WorkingFile::kCrashesMax, what);
}

// ---- notes ----

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

bool WorkWatch::begin(const BackgroundJob& job) {
  return file_ == nullptr || begin(work_item(job), job.name());
}

void WorkWatch::end() {
  if (file_ == nullptr || alone_) return;
  close();
  file_->begin({.kind = WorkKind::Several});
}

WorkGuard::WorkGuard(WorkingFile* file, const WorkItem& item, std::string_view label)
    : file_{file}, item_{item}, poison_{file != nullptr && file->is_poison(item)} {
  if (file_ != nullptr && !poison_) file_->begin_text(item, label);
}

WorkGuard::~WorkGuard() {
  if (file_ == nullptr || poison_) return;
  file_->end_text();
  file_->forget(item_);
}

// ---- what the engine does with it ----

/// Tells of what the last end left behind, and sets aside what has become poison. Deliveries end
/// here; inputs when they come again.
Status Engine::meet_suspects() {
  WorkingFile* file = options_.working.get();
  if (file == nullptr) return {};
  for (const Suspect& suspect : file->suspects()) {
    const bool poison = suspect.crashes >= WorkingFile::kCrashesMax;
    if (suspect.fresh)
      log({poison ? "poison.set_aside" : "crash.at_work",
           {{"what", describe(suspect, epochs_)},
            {"crashes", count_value(suspect.crashes)},
            {"of", count_value(WorkingFile::kCrashesMax)}},
           poison ? LogLevel::Error : LogLevel::Warning});
    if (!poison) continue;
    if (Status done = set_aside(suspect); !done) return done;
  }
  return {};
}

Status Engine::set_aside(const Suspect& suspect) {
  if (suspect.item.kind == WorkKind::Delivery) {
    const DeliveryKey key{suspect.item.key.high};
    const auto loaded = store_->deliveries({&key, 1});
    if (!loaded) return tl::make_unexpected(loaded.error());
    const auto& found = loaded->front();
    if (found && found->delivery.pending())
      held_.push_back(poisoned(found->delivery));
    else
      options_.working->forget(suspect.item);
  }
  if (!suspect.fresh) return {};
  const bool of_scenario = suspect.item.kind == WorkKind::Scenario;
  Status done = note(activity_of("poison.set_aside", of_scenario ? suspect.label : "", {},
                                 poison_message(describe(suspect, epochs_))));
  // A disk that is full is told of where it matters.
  return !done && done.error().kind == ErrorKind::Unavailable ? Status{} : done;
}

/// Fails the delivery for good, for people to retry.
AttemptResult Engine::poisoned(const Delivery& delivery) const {
  return {.delivery = delivery.key,
          .number = delivery.attempts + 1,
          .started = clock_.now(),
          .code = std::string{kPoison},
          .error = poison_message("it"),
          .permanent = true};
}

Status Engine::take_aside(Batch& batch, const Work& work) const {
  const WorkItem item = work_item(*work.input);
  if (work.answer != nullptr)
    *work.answer = {
        .event = {.kind = EventAnswer::Kind::Rejected,
                  .code = std::string{kPoison},
                  .message = poison_message(describe(
                      {.item = item, .label = std::string{label_of(*work.input)}}, epochs_))}};
  return batch.take_aside(*work.input, kPoison);
}

/// What is set aside in the store from now on may be tried again by hand. Inputs stay refused.
void Engine::let_be(std::span<const WorkItem> aside) {
  for (const WorkItem& item : aside)
    if (item.kind == WorkKind::Timer || item.kind == WorkKind::Delivery)
      options_.working->forget(item);
}

Result<std::shared_ptr<const Request>> Engine::whole_noted(const Delivery& carrier) {
  WorkingFile* file = options_.working.get();
  if (file != nullptr) file->begin(work_item(carrier.key));
  auto whole = whole_request(carrier);
  if (file != nullptr) file->end();
  return whole;
}
}  // namespace onward
