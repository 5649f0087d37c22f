#include "engine/host/intake.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/cell/weight.h"

namespace onward {
namespace {
TaskWeight weight_of_all(const std::vector<Input>& inputs) {
  TaskWeight weight{.events = std::max<std::size_t>(inputs.size(), 1)};
  for (const Input& input : inputs) weight.bytes += weight_of(input);
  return weight;
}

/// Why a patch or a command was not taken; nothing where it was.
std::optional<Error> refusal_of(const EventAnswer& answer) {
  if (answer.kind != EventAnswer::Kind::Unavailable && answer.kind != EventAnswer::Kind::Rejected)
    return std::nullopt;
  const ErrorKind kind = !answer.incident.empty()      ? ErrorKind::Internal
                         : answer.code == kPoison      ? ErrorKind::Conflict
                         : answer.code == kContactFull ? ErrorKind::Invalid
                                                       : ErrorKind::Unavailable;
  return Error{kind, answer.code, answer.message, answer.incident};
}

tl::unexpected<Error> unknown_contact() {
  return fail(ErrorKind::NotFound, "unknown_contact", "there is no such contact");
}

ImportAnswer import_answer_of(WorkAnswer answer) {
  using Kind = ImportAnswer::Kind;
  ImportAnswer shown{.kind = Kind::Unchanged,
                     .code = std::move(answer.event.code),
                     .message = std::move(answer.event.message),
                     .warnings = std::move(answer.event.warnings)};
  // By an exception: another row may well be taken.
  if (answer.event.kind == EventAnswer::Kind::Unavailable && answer.event.incident.empty())
    shown.kind = Kind::Unavailable;
  else if (answer.event.kind != EventAnswer::Kind::Accepted)
    shown.kind = Kind::Refused;
  else if (answer.created)
    shown.kind = Kind::Created;
  else if (answer.changed)
    shown.kind = Kind::Updated;
  return shown;
}

std::vector<ImportAnswer> import_answers_of(std::vector<WorkAnswer> answers) {
  std::vector<ImportAnswer> shown;
  shown.reserve(answers.size());
  for (WorkAnswer& answer : answers) shown.push_back(import_answer_of(std::move(answer)));
  return shown;
}
}  // namespace

void Intake::push(Task task, TaskWeight weight, const std::function<void(const Error&)>& refused) {
  if (const Status taken = parts_.queue.push(std::move(task), weight); !taken)
    refused(taken.error());
}

void Intake::events(Reply<std::vector<EventAnswer>> reply, std::vector<EventInput> events) {
  const auto done = shared(std::move(reply));
  EventsTask task{.done = [done](std::vector<EventAnswer> answers) { done(std::move(answers)); }};
  task.inputs.reserve(events.size());
  // Senders may have the right time while a clock that was moved is not followed yet.
  const Instant now = parts_.clock.now();
  for (EventInput& event : events) {
    if (event.event.at > now + kAheadMax) event.event.at = now;
    task.inputs.emplace_back(std::move(event));
  }
  const TaskWeight weight = weight_of_all(task.inputs);
  push(std::move(task), weight, refusing(done));
}

void Intake::patch(Reply<ContactAnswer> reply, ContactRef who, ContactPatch patch, bool create) {
  const auto done = shared(std::move(reply));
  ContactTask task{.input = PatchInput{.who = std::move(who), .patch = std::move(patch)},
                   .create = create};
  task.done = [done](Result<WorkAnswer> answer) {
    if (!answer) return done(tl::make_unexpected(std::move(answer.error())));
    if (!answer->found) return done(unknown_contact());
    if (auto refusal = refusal_of(answer->event)) return done(tl::make_unexpected(*refusal));
    done(answer->state ? std::move(*answer->state) : ContactAnswer{});
  };
  const TaskWeight weight{.events = 1, .bytes = weight_of(task.input)};
  push(std::move(task), weight, refusing(done));
}

/// Answers once the log has it too; at once where nothing was changed (the log keeps so many lines,
/// and nobody who may only import shall push the others out with the same contacts over and over),
/// and where the engine takes nothing any more.
void Intake::answer_import(std::vector<ImportAnswer> answers, const std::string& by,
                           const Done<Result<std::vector<ImportAnswer>>>& done) {
  using Kind = ImportAnswer::Kind;
  const auto count = [&](Kind kind) {
    return std::ranges::count(answers, kind, &ImportAnswer::kind);
  };
  if (count(Kind::Created) + count(Kind::Updated) == 0) return done(std::move(answers));
  std::string text =
      fmt::format("{} created, {} updated, {} unchanged, {} refused", count(Kind::Created),
                  count(Kind::Updated), count(Kind::Unchanged), count(Kind::Refused));
  const auto held = std::make_shared<std::vector<ImportAnswer>>(std::move(answers));
  // The contacts are committed, so the answer is the same where the log cannot have it.
  const auto answer = [held, done](const Error&) { done(std::move(*held)); };
  const Status taken = parts_.queue.call(
      {.call = [by, text = std::move(text), held, done](Cell& cell) -> Status {
         Status noted = cell.note(cell.context().activity("contacts.imported", {}, by, text));
         done(std::move(*held));
         return noted;
       },
       .refused = answer});
  if (!taken) answer(taken.error());
}

void Intake::import(Reply<std::vector<ImportAnswer>> reply, std::vector<ContactInput> contacts,
                    ImportMode mode, const std::string& by) {
  std::vector<Input> inputs;
  inputs.reserve(contacts.size());
  for (ContactInput& contact : contacts)
    inputs.emplace_back(PatchInput{
        .who = std::move(contact.who), .patch = std::move(contact.patch), .quiet = !mode.trigger});
  const TaskWeight weight = weight_of_all(inputs);
  const auto answer = shared(std::move(reply));
  const auto done = parts_.calls.durable(answer);
  const auto refused = refusing(answer);
  if (!mode.dry_run)
    return push(ImportTask{.inputs = std::move(inputs),
                           .done =
                               [this, done, by](std::vector<WorkAnswer> answers) {
                                 answer_import(import_answers_of(std::move(answers)), by, done);
                               }},
                weight, refused);
  const auto rehearsed = [done](Result<std::vector<WorkAnswer>> answers) {
    if (!answers) return done(tl::make_unexpected(std::move(answers.error())));
    done(import_answers_of(std::move(*answers)));
  };
  push(CallTask{.call = [inputs = std::move(inputs), rehearsed](Cell& cell) mutable -> Status {
                  cell.contacts().rehearse(std::move(inputs), rehearsed, cell.take_admission());
                  return {};
                },
                .refused = refusing(done)},
       weight, refused);
}

void Intake::forget(Reply<bool> reply, ContactName who, const std::string& by) {
  const auto act = [this, who = std::move(who), by](Cell& cell,
                                                    const Done<Result<bool>>& done) -> Status {
    auto key = cell.guarded("engine.call", [&] { return cell.contacts().find_contact(who); });
    if (!key) {
      done(tl::make_unexpected(key.error()));
      return tl::make_unexpected(key.error());
    }
    if (!*key) {
      done(unknown_contact());
      return {};
    }
    std::vector<Task> tasks;
    tasks.emplace_back(ContactTask{.input = CommandInput{.contact = **key, .command = Forget{}},
                                   .done = [done](Result<WorkAnswer> answer) {
                                     if (!answer)
                                       return done(tl::make_unexpected(std::move(answer.error())));
                                     if (auto refusal = refusal_of(answer->event))
                                       return done(tl::make_unexpected(*refusal));
                                     done(answer->found);
                                   }});
    bool forgotten = false;
    if (Status taken = cell.take_now(std::move(tasks), &forgotten); !taken) return taken;
    if (!forgotten) return {};
    if (const auto& working = parts_.options.working; working && !who.id.empty())
      working->forget_label(who.id);
    // The number alone: the log must not remember whom nobody else does.
    return cell.note(cell.context().activity("contact.forgotten", {}, by,
                                             fmt::format("contact number {}", (*key)->value)));
  };
  parts_.calls.post(std::move(reply), act);
}
}  // namespace onward
