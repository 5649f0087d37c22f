// What the edges ask of the runtime: each call goes to the engine thread or to the reader.
#include <algorithm>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "engine/runtime/guarded.h"
#include "engine/runtime/runtime_impl.h"
#include "engine/runtime/webhook_test.h"
#include "engine/runtime/weight.h"
#include "engine/secrets/bytes.h"

namespace onward {
// ---- events and contacts ----

namespace {
JobWeight weight_of_all(const std::vector<Input>& inputs) {
  JobWeight weight{.events = std::max<std::size_t>(inputs.size(), 1)};
  for (const Input& input : inputs) weight.bytes += weight_of(input);
  return weight;
}
}  // namespace

Status Runtime::events(std::vector<EventInput> events, Done<std::vector<EventAnswer>> done) {
  EventsJob job{.done = std::move(done)};
  job.inputs.reserve(events.size());
  // Senders may have the right time while a clock that was moved is not followed yet.
  const Instant now = impl_->clock.now();
  for (EventInput& event : events) {
    if (event.event.at > now + kAheadMax) event.event.at = now;
    job.inputs.emplace_back(std::move(event));
  }
  const JobWeight weight = weight_of_all(job.inputs);
  return impl_->push(std::move(job), weight);
}

namespace {
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

ContactAnswer answer_of(WorkAnswer answer) {
  return answer.state ? std::move(*answer.state) : ContactAnswer{};
}
}  // namespace

Status Runtime::patch_contact(ContactRef who, ContactPatch patch, bool create,
                              Done<Result<ContactAnswer>> done) {
  ContactJob job{.input = PatchInput{.who = std::move(who), .patch = std::move(patch)},
                 .create = create};
  job.done = [done = std::move(done)](Result<WorkAnswer> answer) {
    if (!answer) return done(tl::make_unexpected(std::move(answer.error())));
    if (!answer->found)
      return done(fail(ErrorKind::NotFound, "unknown_contact", "there is no such contact"));
    if (auto refusal = refusal_of(answer->event)) return done(tl::make_unexpected(*refusal));
    done(answer_of(std::move(*answer)));
  };
  const JobWeight weight{.events = 1, .bytes = weight_of(job.input)};
  return impl_->push(std::move(job), weight);
}

namespace {
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

/// Answers once the log has it too; at once where nothing was changed (the log keeps so many lines,
/// and nobody who may only import shall push the others out with the same contacts over and over),
/// and where the engine takes nothing any more.
void Runtime::Impl::answer_import(std::vector<ImportAnswer> answers, const std::string& who,
                                  const Done<Result<std::vector<ImportAnswer>>>& done) {
  using Kind = ImportAnswer::Kind;
  const auto count = [&](Kind kind) {
    return std::ranges::count(answers, kind, &ImportAnswer::kind);
  };
  if (count(Kind::Created) + count(Kind::Updated) == 0) return done(std::move(answers));
  std::string text =
      fmt::format("{} created, {} updated, {} unchanged, {} refused", count(Kind::Created),
                  count(Kind::Updated), count(Kind::Unchanged), count(Kind::Refused));
  const auto shared = std::make_shared<std::vector<ImportAnswer>>(std::move(answers));
  // The contacts are committed, so the answer is the same where the log cannot have it.
  const auto answer = [shared, done](const Error&) { done(std::move(*shared)); };
  const Status taken = call(
      [who, text = std::move(text), shared, done](Engine& of) -> Status {
        Status noted = of.note(of.activity_of("contacts.imported", {}, who, text));
        done(std::move(*shared));
        return noted;
      },
      answer);
  if (!taken) answer(taken.error());
}

Status Runtime::import_contacts(std::vector<ContactInput> contacts, ImportMode mode,
                                Done<Result<std::vector<ImportAnswer>>> done, std::string who) {
  done = impl_->published(std::move(done));
  std::vector<Input> inputs;
  inputs.reserve(contacts.size());
  for (ContactInput& contact : contacts)
    inputs.emplace_back(PatchInput{
        .who = std::move(contact.who), .patch = std::move(contact.patch), .quiet = !mode.trigger});
  const JobWeight weight = weight_of_all(inputs);
  if (!mode.dry_run)
    return impl_->push(ImportJob{.inputs = std::move(inputs),
                                 .done =
                                     [impl = impl_.get(), done = std::move(done),
                                      who = std::move(who)](std::vector<WorkAnswer> answers) {
                                       impl->answer_import(import_answers_of(std::move(answers)),
                                                           who, done);
                                     }},
                       weight);
  CallJob job{.call = [inputs = std::move(inputs), done](Engine& engine) mutable -> Status {
                engine.rehearse(std::move(inputs), [done](Result<std::vector<WorkAnswer>> answers) {
                  if (answers)
                    done(import_answers_of(std::move(*answers)));
                  else
                    done(tl::make_unexpected(std::move(answers.error())));
                });
                return {};
              },
              .refused = refusing(done)};
  return impl_->push(std::move(job), weight);
}

Status Runtime::forget_contact(ContactName who, Done<Result<bool>> done, std::string by) {
  auto refused = refusing(done);
  const auto act = [this, who = std::move(who), done = std::move(done),
                    by = std::move(by)](Engine& engine) -> Status {
    const auto now = impl_->published(done);
    auto key = engine.guarded("engine.call", [&] { return engine.find_contact(who); });
    if (!key) {
      now(tl::make_unexpected(key.error()));
      return tl::make_unexpected(key.error());
    }
    if (!*key) {
      now(fail(ErrorKind::NotFound, "unknown_contact", "there is no such contact"));
      return {};
    }
    std::vector<Job> jobs;
    jobs.emplace_back(ContactJob{.input = CommandInput{.contact = **key, .command = Forget{}},
                                 .done = [done](Result<WorkAnswer> answer) {
                                   if (!answer)
                                     return done(tl::make_unexpected(std::move(answer.error())));
                                   if (auto refusal = refusal_of(answer->event))
                                     return done(tl::make_unexpected(*refusal));
                                   done(answer->found);
                                 }});
    bool forgotten = false;
    if (Status taken = engine.take_now(std::move(jobs), &forgotten); !taken) return taken;
    if (!forgotten) return {};
    if (const auto& working = impl_->options.working; working && !who.id.empty())
      working->forget_label(who.id);
    // The number alone: the log must not remember whom nobody else does.
    return engine.note(engine.activity_of("contact.forgotten", {}, by,
                                          fmt::format("contact number {}", (*key)->value)));
  };
  return impl_->call(act, std::move(refused));
}

Status Runtime::contact(ContactName who, Done<Result<ContactAnswer>> done) {
  done = impl_->published(std::move(done));
  return impl_->call(
      [who = std::move(who), done](Engine& engine) -> Status {
        done(engine.guarded("engine.call", [&] { return engine.contact(who); }));
        return {};
      },
      refusing(done));
}

// ---- scenarios ----

/// Engine thread. The reader thread fetches the text of `version` and answers.
template <class Found>
void Runtime::Impl::add_text(Engine& of, Result<Found> found, Version version,
                             const Done<Result<Found>>& done) {
  if (!found) return done(std::move(found));
  const ScenarioKey scenario = of.book().find(found->id)->key;
  reader->ask([&log = options.log, found = std::move(*found), scenario, version,
               done](StoreReader& from) mutable {
    done(guarded("reader.query", log, [&]() -> Result<Found> {
      auto text = text_of_version(from, scenario, version);
      if (!text) return tl::make_unexpected(std::move(text.error()));
      found.text = std::move(*text);
      return std::move(found);
    }));
  });
}

Status Runtime::purge(std::string id, Done<Result<ScenarioInfo>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call_after(id, std::move(done),
                           [id, who = std::move(who)](Engine& of) { return of.purge(id, who); });
}

Status Runtime::version_text(std::string id, Version version, Done<Result<VersionText>> done) {
  done = impl_->published(std::move(done));
  return impl_->call(
      [impl = impl_.get(), id = std::move(id), version, done](Engine& of) -> Status {
        auto found = of.guarded("engine.call", [&] { return of.book().version(id, version); });
        impl->add_text(of, std::move(found), version, done);
        return {};
      },
      refusing(done));
}

Status Runtime::activate(std::string id, std::optional<std::vector<std::string>> test_emails,
                         Done<Result<ScenarioInfo>> done, std::string who) {
  done = impl_->published(std::move(done));
  std::size_t bytes = 0;
  if (test_emails)
    for (const std::string& email : *test_emails) bytes += sizeof(email) + email.size();
  return impl_->call_after(
      id, std::move(done),
      [id, emails = std::move(test_emails), who = std::move(who)](Engine& of) {
        return of.activate(id, emails, who);
      },
      bytes);
}

Status Runtime::hold(std::string id, Done<Result<ScenarioInfo>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call_after(id, std::move(done),
                           [id, who = std::move(who)](Engine& of) { return of.hold(id, who); });
}

Status Runtime::archive(std::string id, bool cancel_pending, Done<Result<ScenarioInfo>> done,
                        std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call_after(id, std::move(done),
                           [id, cancel_pending, who = std::move(who)](Engine& of) {
                             return of.archive(id, cancel_pending, who);
                           });
}

Status Runtime::remove_draft(std::string id, Done<Result<ScenarioInfo>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call_after(id, std::move(done), [id, who = std::move(who)](Engine& of) {
    return of.remove_draft(id, who);
  });
}

// ---- by hand ----

Status Runtime::switch_node(std::string scenario, std::string node, bool pause,
                            Done<Result<SwitchAnswer>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(
      impl_->showing(), std::move(done),
      [scenario = std::move(scenario), node = std::move(node), pause,
       who = std::move(who)](Engine& of) { return of.switch_node(scenario, node, pause, who); }));
}

Status Runtime::by_hand(ByHand act, DeliveryKey delivery, Done<Result<ByHandAnswer>> done,
                        std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(
      asking(impl_->showing(), std::move(done), [act, delivery, who = std::move(who)](Engine& of) {
        return of.by_hand(act, delivery, who);
      }));
}

Status Runtime::by_hand(ByHand act, DeliveryQuery which, bool dry_run,
                        Done<Result<ByHandAnswer>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(
      [act, which = std::move(which), dry_run, done, who = std::move(who)](Engine& of) -> Status {
        of.by_hand(act, which, dry_run, who, done);
        return {};
      },
      refusing(done));
}

/// The reader finds them, the engine resumes them.
struct Runtime::Impl::Resuming {
  RunQuery which;
  RunKey one;
  std::string cursor, who;
  std::size_t count = 0;
  Done<Result<std::size_t>> done;
};
namespace {
constexpr std::size_t kRunsAtOnce = 500;
}  // namespace

/// The next page; the engine answers each command, and the last answer asks for the page after it.
void Runtime::Impl::resume_some(const std::shared_ptr<Resuming>& work) {
  const auto refuse = [work](const Error& error) { work->done(tl::make_unexpected(error)); };
  const auto found = [this, work, refuse](StoreReader& from, const Directory& names) {
    const auto find = [&]() -> Result<StoreReader::RunList> {
      auto filter = filter_of(names, work->which);
      if (!filter) return tl::make_unexpected(filter.error());
      filter->state = RunState::Parked;
      filter->run = work->one;
      return from.live_runs(*filter, kRunsAtOnce, work->cursor);
    };
    auto list = guarded("reader.query", options.log, find);
    if (!list) return refuse(list.error());
    work->cursor = list->next;
    if (Status taken = call([this, work, runs = std::move(list->runs)](
                                Engine& of) -> Status { return resume_page(of, work, runs); },
                            refuse);
        !taken)
      refuse(taken.error());
  };
  if (Status taken = read(found); !taken) refuse(taken.error());
}

Status Runtime::Impl::resume_page(Engine& of, const std::shared_ptr<Resuming>& work,
                                  const std::vector<Run>& runs) {
  if (runs.empty()) return resume_next(of, work);
  std::vector<Job> resumed;
  resumed.reserve(runs.size());
  for (const Run& run : runs)
    resumed.emplace_back(ContactJob{
        .input = CommandInput{.contact = run.contact, .command = ResumeRun{run.key}},
        .done = [this, work, last = &run == &runs.back()](Result<WorkAnswer> answer) {
          const bool taken =
              answer && answer->found && answer->event.kind == EventAnswer::Kind::Accepted;
          if (taken) ++work->count;
          if (!last) return;
          const auto refuse = refusing(work->done);
          if (Status next =
                  call([this, work](Engine& engine) { return resume_next(engine, work); }, refuse);
              !next)
            refuse(next.error());
        }});
  return of.take_now(std::move(resumed));
}

Status Runtime::Impl::resume_next(Engine& of, const std::shared_ptr<Resuming>& work) {
  if (!work->cursor.empty() && !(work->one && work->count > 0)) {
    resume_some(work);
    return {};
  }
  if (work->count > 0)
    if (Status noted = of.note(
            {.at = of.now(),
             .what = "runs.resumed",
             .scenario = work->which.scenario,
             .node = work->which.node,
             .who = work->who.empty() ? "engine" : work->who,
             .text = work->one ? format_run(work->one) : std::to_string(work->count) + " runs"});
        !noted && noted.error().kind == ErrorKind::Io)
      return noted;
  work->done(work->count);
  return {};
}

Status Runtime::resume_run(RunKey run, Done<Result<bool>> done, std::string who) {
  done = impl_->published(std::move(done));
  auto work = std::make_shared<Impl::Resuming>(
      Impl::Resuming{.one = run,
                     .who = std::move(who),
                     .done = [done = std::move(done)](Result<std::size_t> count) {
                       if (!count) return done(tl::make_unexpected(std::move(count.error())));
                       done(*count > 0);
                     }});
  impl_->resume_some(work);
  return {};
}

Status Runtime::resume_runs(RunQuery which, Done<Result<std::size_t>> done, std::string who) {
  done = impl_->published(std::move(done));
  auto work = std::make_shared<Impl::Resuming>(
      Impl::Resuming{.which = std::move(which), .who = std::move(who), .done = std::move(done)});
  impl_->resume_some(work);
  return {};
}

Status Runtime::scenario(std::string id, Done<Result<ScenarioInfo>> done) {
  done = impl_->published(std::move(done));
  return impl_->call(
      [impl = impl_.get(), id = std::move(id), done](Engine& of) -> Status {
        auto info = of.guarded("engine.call", [&] { return of.info(id); });
        const Version newest = info ? info->version : 0;
        impl->add_text(of, std::move(info), newest, done);
        return {};
      },
      refusing(done));
}

Status Runtime::scenarios(Done<Result<std::vector<ScenarioInfo>>> done) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done), [](Engine& of) {
    return Result<std::vector<ScenarioInfo>>{of.scenarios()};
  }));
}

// ---- lists ----

namespace {
/// The query that answers `done` with what `act` finds.
template <class T, class Act>
std::function<void(StoreReader&, const Directory&)> finding(const LogSink& log,
                                                            Done<Result<T>> done, Act act) {
  return [&log, done = std::move(done), act = std::move(act)](StoreReader& from,
                                                              const Directory& names) {
    done(guarded("reader.query", log, [&] { return act(from, names); }));
  };
}
}  // namespace

Status Runtime::runs(ContactName who, std::size_t limit, std::string cursor,
                     Done<Result<RunPage>> done) {
  done = impl_->published(std::move(done));
  return impl_->read(finding(impl_->options.log, done,
                             [who = std::move(who), limit, cursor = std::move(cursor)](
                                 StoreReader& from, const Directory& names) {
                               return query_runs(from, names, who, limit, cursor);
                             }));
}

Status Runtime::live_runs(RunQuery which, std::size_t limit, std::string cursor,
                          Done<Result<RunPage>> done) {
  done = impl_->published(std::move(done));
  return impl_->read(finding(impl_->options.log, done,
                             [which = std::move(which), limit, cursor = std::move(cursor)](
                                 StoreReader& from, const Directory& names) {
                               return query_live_runs(from, names, which, limit, cursor);
                             }));
}

Status Runtime::deliveries(DeliveryQuery which, std::size_t limit, std::string cursor,
                           Done<Result<DeliveryPage>> done) {
  done = impl_->published(std::move(done));
  return impl_->read(finding(impl_->options.log, done,
                             [which = std::move(which), limit, cursor = std::move(cursor)](
                                 StoreReader& from, const Directory& names) {
                               return query_deliveries(from, names, which, limit, cursor);
                             }));
}

Status Runtime::logs(std::string scenario, std::optional<Instant> since, std::size_t limit,
                     std::string cursor, Done<Result<LogPage>> done) {
  done = impl_->published(std::move(done));
  return impl_->read(finding(
      impl_->options.log, done,
      [recent = impl_->recent, scenario = std::move(scenario), since, limit,
       cursor = std::move(cursor)](StoreReader& from, const Directory& names) -> Result<LogPage> {
        if (!scenario.empty() && !names.by_id.contains(scenario))
          return fail(ErrorKind::NotFound, "unknown_scenario",
                      "there is no scenario \"" + scenario + "\"");
        return query_logs(from, *recent, scenario, since, limit, cursor);
      }));
}

Status Runtime::delivery(DeliveryKey key, Done<Result<DeliveryView>> done) {
  done = impl_->published(std::move(done));
  return impl_->read(
      finding(impl_->options.log, done, [key](StoreReader& from, const Directory& names) {
        return query_delivery(from, names, key);
      }));
}

Status Runtime::contacts(std::string group, std::size_t limit, std::string cursor,
                         Done<Result<ContactPage>> done) {
  done = impl_->published(std::move(done));
  return impl_->read(finding(impl_->options.log, done,
                             [group = std::move(group), limit, cursor = std::move(cursor)](
                                 StoreReader& from, const Directory&) {
                               return query_contacts(from, group, limit, cursor);
                             }));
}

// ---- figures and tokens ----

RuntimeFigures Runtime::figures() const {
  RuntimeFigures shown;
  shown.delivery = impl_->deliverer->figures();
  if (impl_->options.log_dropped) shown.log_lines_dropped = impl_->options.log_dropped();
  const std::lock_guard lock{impl_->mutex};
  const EngineFigures& from = impl_->figures;
  shown.events_accepted = from.events_accepted;
  shown.events_duplicate = from.events_duplicate;
  shown.events_rejected = from.events_rejected;
  shown.contacts_full = from.contacts_full;
  shown.attempts_accepted = from.attempts_accepted;
  shown.attempts_refused = from.attempts_refused;
  shown.attempts_local = from.attempts_local;
  shown.attempts_after_unknown = from.attempts_after_unknown;
  shown.commits = from.commits;
  shown.inputs = from.inputs;
  shown.commit_micros_total = from.commit_micros_total;
  shown.pending = static_cast<std::size_t>(std::max<std::int64_t>(from.pending, 0));
  shown.oldest_due = impl_->oldest_due;
  shown.queued = impl_->intake->count;
  shown.queued_max = impl_->options.intake_max;
  shown.queued_bytes = impl_->intake->bytes;
  shown.queued_bytes_max = impl_->options.intake_bytes_max;
  shown.bytes_on_disk = impl_->bytes_on_disk;
  shown.log_bytes = impl_->log_bytes;
  shown.held_since = impl_->held_since;
  return shown;
}

const Epochs& Runtime::epochs() const { return impl_->epochs; }

std::optional<TokenRecord> Runtime::find_token(std::string_view sha256) const {
  const std::lock_guard lock{impl_->mutex};
  const TokenRecord* found = impl_->tokens->find(sha256);
  return found ? std::optional{*found} : std::nullopt;
}

std::vector<TokenRecord> Runtime::tokens() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->tokens->all();
}

Status Runtime::issue_token(TokenRecord token, Done<Result<TokenRecord>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [token = std::move(token), who = std::move(who)](Engine& of) mutable {
                              return of.issue_token(std::move(token), who);
                            }));
}

Status Runtime::revoke_token(std::string name, Done<Result<TokenRecord>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [name = std::move(name), who = std::move(who)](Engine& of) {
                              return of.revoke_token(name, who);
                            }));
}

std::shared_ptr<const CustomFields> Runtime::custom_fields() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->fields;
}

Status Runtime::declare_field(CustomField field, Done<Result<bool>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [field = std::move(field), who = std::move(who)](Engine& of) {
                              return of.declare_field(field, who);
                            }));
}

Status Runtime::remove_field(std::string name, Done<Result<bool>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [name = std::move(name), who = std::move(who)](Engine& of) {
                              return of.remove_field(name, who);
                            }));
}

// ---- sending ----

std::optional<Instant> Runtime::held_since() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->held_since;
}

Status Runtime::resume_sending(Done<Result<bool>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [who = std::move(who)](Engine& of) { return of.resume_sending(who); }));
}

Status Runtime::recheck_blocked() {
  return impl_->call_anyway({.call = [](Engine& of) -> Status {
    of.recheck_blocked();
    return {};
  }});
}

// ---- the clock ----

const MonitoredClock& Runtime::clock() const { return impl_->clock; }

Status Runtime::accept_clock(Done<Result<bool>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(
      asking(impl_->showing(), std::move(done),
             [clock = &impl_->clock, who = std::move(who)](Engine& of) -> Result<bool> {
               if (!clock->accept()) return false;
               return of.note_clock(who);
             }));
}

// ---- secrets ----

Status Runtime::secrets(SecretKind kind, Done<Result<std::vector<SecretInfo>>> done) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done), [kind](Engine& of) {
    return Result<std::vector<SecretInfo>>{of.list_secrets(kind)};
  }));
}

Status Runtime::set_secret(SecretKind kind, std::string name, SecretChange change,
                           Done<Result<SecretAnswer>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [kind, name = std::move(name), change = std::move(change),
                             who = std::move(who)](Engine& of) mutable {
                              auto answer = of.set_secret(kind, name, change, who);
                              wipe(change.value);
                              return answer;
                            }));
}

Status Runtime::remove_secret(SecretKind kind, std::string name, bool force,
                              Done<Result<SecretAnswer>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [kind, name = std::move(name), force, who = std::move(who)](
                                Engine& of) { return of.remove_secret(kind, name, force, who); }));
}

Status Runtime::rekey(Done<Result<RekeyAnswer>> done, std::string who) {
  done = impl_->published(std::move(done));
  return impl_->call(asking(impl_->showing(), std::move(done),
                            [who = std::move(who)](Engine& of) { return of.rekey(who); }));
}

Status Runtime::test_webhook(std::string scenario, std::string node,
                             Done<Result<WebhookTestAnswer>> done, std::string who) {
  done = impl_->published(std::move(done));
  const auto refused = refusing(done);
  const auto act = [this, scenario, node = std::move(node), done = std::move(done),
                    who = std::move(who)](Engine& engine,
                                          const std::shared_ptr<const Scenario>& newest) -> Status {
    auto task =
        engine.guarded("engine.call", [&] { return engine.webhook_test(scenario, node, newest); });
    if (!task) {
      done(tl::make_unexpected(std::move(task.error())));
      return {};
    }
    Activity activity = engine.activity_of("node.tested", scenario, who, task->webhook_id);
    activity.node = node;
    if (Status noted = engine.note(std::move(activity)); !noted) {
      done(tl::make_unexpected(noted.error()));
      return noted;
    }
    const Status taken = impl_->deliverer->probe(*task, [task = *task, done](AttemptResult result) {
      done(judge_webhook_test(task, std::move(result)));
    });
    if (!taken) done(tl::make_unexpected(taken.error()));
    return {};
  };
  const auto call = [impl = impl_.get(), scenario, act, refused](Engine& engine) -> Status {
    const auto unread = engine.book().unread(scenario);
    if (!unread) return act(engine, nullptr);
    // Of an archived scenario: its newest version is not in memory.
    impl->authors->queue().ask_anyway({}, [impl, name = *unread, act,
                                           refused](const Result<AuthorQueue::Turn>& turn) {
      if (!turn) return refused(turn.error());
      auto read = impl->look_up(name);
      CallJob job{.call = [act, read = std::move(read)](Engine& again) { return act(again, read); },
                  .refused = refused};
      if (Status taken = impl->call_anyway(std::move(job)); !taken) refused(taken.error());
    });
    return {};
  };
  return impl_->call(call, refused);
}
}  // namespace onward
