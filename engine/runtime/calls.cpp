// More of the engine: what people and their tools ask of it, between two batches.
#include "engine/runtime/engine.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/store/unreadable.h"

namespace onward {
namespace {
/// Inputs of a dry run that are looked up, or taken, between two batches.
constexpr std::size_t kRehearsedAtOnce = 500;
constexpr std::size_t kActivationWarningsMax = 100;
}  // namespace

Activity Engine::activity_of(std::string what, const std::string& scenario, const std::string& who,
                             std::string text) const {
  return {.at = clock_.now(),
          .what = std::move(what),
          .scenario = scenario,
          .who = who.empty() ? "engine" : who,
          .text = std::move(text)};
}

Status Engine::note(Activity activity) {
  return commit_rows({.at = clock_.now(),
                      .last_seq = last_seq_,
                      .last_contact = last_contact_,
                      .activity = {std::move(activity)}});
}

Status Engine::commit_change(BookChange change, std::vector<AdminRecord> admin) {
  if (change.scenarios.empty() && change.versions.empty() && admin.empty()) return {};
  Commit commit{.at = clock_.now(),
                .last_seq = last_seq_,
                .last_contact = last_contact_,
                .admin = std::move(admin),
                .activity = std::move(change.activity)};
  for (const ScenarioRecord& record : change.scenarios) {
    const CatalogScenario* known = catalog_.find(record.key);
    const Scenario* current = !change.versions.empty() ? change.built.get()
                              : known == nullptr       ? nullptr
                                                       : known->version(record.newest);
    if (current == nullptr) continue;
    for (AdminRecord& row :
         passes_.on_change(book_.find(record.key), record, *current, last_contact_, clock_.now()))
      commit.admin.push_back(std::move(row));
  }
  // Moved there and back: a text may have 4 MiB, and a record the names of 10,000 nodes.
  commit.scenarios = std::move(change.scenarios);
  commit.versions = std::move(change.versions);
  if (Status done = commit_rows(commit); !done) return done;
  passes_.adopt(commit.admin);
  change.scenarios = std::move(commit.scenarios);
  change.versions = std::move(commit.versions);
  book_.adopt(std::move(change));
  rebuild_catalog();
  for (const AdminRecord& row : commit.admin) follow_switch(row);
  return {};
}

tl::unexpected<Error> Engine::changing(const std::string& id) {
  return fail(
      ErrorKind::Busy, "busy",
      fmt::format("what \"{}\" is checked against keeps changing; try again in a moment", id));
}

Result<ApplyAnswer> Engine::apply(const std::string& id, const std::string& text,
                                  const MigrationRequest& migration, const std::string& who) {
  auto made = book_.author(id, text);
  if (!made) return tl::make_unexpected(std::move(made.error()));
  std::optional<Moves> moves;
  if (migration.wanted && !made->refused) {
    auto found = book_.moves(*made, migration, census(id));
    if (!found) return tl::make_unexpected(std::move(found.error()));
    moves = std::move(*found);
  }
  auto answer = apply(*made, moves ? &*moves : nullptr, who);
  if (!answer) return tl::make_unexpected(std::move(answer.error()));
  if (!*answer) return changing(id);
  return std::move(**answer);
}

Status Engine::commit_part_of_text(TextPart part) {
  Commit commit{.at = clock_.now(), .last_seq = last_seq_, .last_contact = last_contact_};
  commit.text_parts.push_back(std::move(part));
  return commit_rows(commit);
}

Result<bool> Engine::store_text_part(const Authored& made, TextKey text, std::uint16_t number) {
  const std::size_t from = number * kTextPart;
  if (Status written = commit_part_of_text(
          {.text = text, .number = number, .bytes = made.packed.substr(from, kTextPart)});
      !written)
    return tl::make_unexpected(std::move(written.error()));
  return from + kTextPart < made.packed.size();
}

/// The parts of a long text, last one first.
class Engine::DropText final : public BackgroundJob {
 public:
  DropText(Engine& engine, TextKey text, std::size_t bytes)
      : engine_{engine}, text_{text}, left_{(bytes + kTextPart - 1) / kTextPart} {}
  std::string name() const override { return "drop_text/" + std::to_string(text_.value); }
  Result<JobStep> step(std::size_t /*rows*/) override {
    JobStep step;
    if (left_ > 0) {
      step.changes.emplace(engine_.new_batch());
      step.changes->rows().text_parts.push_back(
          {.text = text_, .number = static_cast<std::uint16_t>(left_ - 1), .removed = true});
    }
    step.ended = left_ <= 1;
    return step;
  }
  void committed() override { left_ -= std::min<std::size_t>(left_, 1); }

 private:
  Engine& engine_;
  const TextKey text_;
  std::size_t left_;
};

void Engine::drop_text(TextKey text, std::size_t bytes) {
  jobs_.add(std::make_unique<DropText>(*this, text, bytes));
}

Result<std::optional<ApplyAnswer>> Engine::apply(Authored& made, const Moves* moves,
                                                 const std::string& who) {
  using Answer = std::optional<ApplyAnswer>;
  const std::string id = made.id;
  if (scenario_passes_.contains(pass_name(ScenarioPass::Kind::Migrate, id)))
    return fail(ErrorKind::Conflict, "migrating",
                fmt::format("runs of \"{}\" are still going over to its newest version; apply "
                            "again when they have",
                            id));
  if (!book_.is_current(made)) return Answer{};
  std::optional<ScenarioPass> pass;
  if (moves != nullptr && !made.refused) {
    auto planned = plan_migration(made, *moves);
    if (!planned) return tl::make_unexpected(std::move(planned.error()));
    if (!*planned) return Answer{};
    pass = std::move(**planned);
    pass->who = who;
    if (!pass->to) pass.reset();  // nobody is under way elsewhere
  }
  auto applied = book_.apply(std::move(made), clock_.now());
  if (!applied) return tl::make_unexpected(std::move(applied.error()));
  if (applied->answer.refused) return Answer{std::move(applied->answer)};
  ApplyAnswer answer = std::move(applied->answer);
  answer.migrating = pass.has_value();
  if (answer.changed)
    applied->change.activity.push_back(
        activity_of("scenario.applied", id, who,
                    fmt::format("version {}", applied->change.versions.front().version)));
  std::vector<AdminRecord> admin = first_switches(id, applied->change);
  if (pass) admin.push_back(record_of(*pass));
  if (Status done = commit_change(std::move(applied->change), std::move(admin)); !done)
    return tl::make_unexpected(done.error());
  if (pass) scenario_passes_[pass->name()] = std::move(*pass);
  // It is applied, whatever comes of its times: a fault there is the store's, and ends the engine.
  if (Status done = take_transitions(); !done) fault_ = done.error();
  auto info = book_.info(id);
  if (!info) return tl::make_unexpected(std::move(info.error()));
  answer.scenario = std::move(*info);
  if (answer.changed)
    log({"scenario.applied",
         {{"scenario", id},
          {"version", count_value(answer.scenario.version)},
          {"by", who.empty() ? "engine" : who}}});
  return Answer{std::move(answer)};
}

Result<ScenarioInfo> Engine::duplicate(const std::string& id, const std::string& new_id,
                                       const std::string& who) {
  auto made = book_.author_copy(id, new_id);
  if (!made) return tl::make_unexpected(std::move(made.error()));
  auto answer = duplicate(*made, who);
  if (!answer) return tl::make_unexpected(std::move(answer.error()));
  if (!*answer) return changing(id);
  return std::move(**answer);
}

Result<std::optional<ScenarioInfo>> Engine::duplicate(Authored& made, const std::string& who) {
  using Answer = std::optional<ScenarioInfo>;
  if (!book_.is_current(made)) return Answer{};
  const std::string id = made.copy_of, new_id = made.id;
  auto applied = book_.apply(std::move(made), clock_.now());
  if (!applied) return tl::make_unexpected(std::move(applied.error()));
  if (applied->answer.refused) {
    const std::vector<Diagnostic>& found = applied->answer.diagnostics;
    const auto first = std::ranges::find(found, Severity::Error, &Diagnostic::severity);
    return fail(ErrorKind::Conflict, "not_valid_any_more",
                fmt::format("scenario \"{}\" was accepted earlier, but its text would be refused "
                            "now: {}. Apply a corrected file under the new id",
                            id, first == found.end() ? "" : first->message));
  }
  const Activity activity =
      activity_of("scenario.duplicated", new_id, who, fmt::format("from \"{}\"", id));
  applied->change.activity.push_back(activity);
  std::vector<AdminRecord> switches = first_switches(new_id, applied->change);
  if (Status done = commit_change(std::move(applied->change), std::move(switches)); !done)
    return tl::make_unexpected(done.error());
  log_changes({activity});
  auto copy = info(new_id);
  if (!copy) return tl::make_unexpected(std::move(copy.error()));
  return Answer{std::move(*copy)};
}

namespace {
Result<ScenarioInfo> changed(const Engine& engine, const std::string& id, const Status& done) {
  if (!done) return tl::make_unexpected(done.error());
  return engine.info(id);
}

/// Bytes of addresses that a line of the log repeats.
constexpr std::size_t kLoggedAddressBytes = 400;

/// "test mode for jane@example.org, joe@example.org and 3 more"
std::string test_mode_text(const std::optional<std::vector<std::string>>& emails) {
  if (!emails || emails->empty()) return {};
  std::string text;
  std::size_t named = 0;
  for (const std::string& email : *emails) {
    if (named > 0 && text.size() + email.size() > kLoggedAddressBytes) break;
    if (named++ > 0) text += ", ";
    text += clipped(email, kLoggedAddressBytes);
  }
  if (named < emails->size()) text += fmt::format(" and {} more", emails->size() - named);
  return "test mode for " + text;
}
}  // namespace

Result<ScenarioInfo> Engine::activate(const std::string& id,
                                      const std::optional<std::vector<std::string>>& test_emails,
                                      const std::string& who) {
  if (Status ready = check_secrets_of(id); !ready) return tl::make_unexpected(ready.error());
  auto change = book_.activate(id, test_emails, clock_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  const bool waits =
      !change->scenarios.empty() && change->scenarios.front().state == ScenarioState::Scheduled;
  change->activity.push_back(activity_of(waits ? "scenario.scheduled" : "scenario.activated", id,
                                         who, test_mode_text(test_emails)));
  const Status done = commit_change(*change);
  if (done) log_changes(change->activity);
  auto info = changed(*this, id, done);
  if (info) info->warnings = refusals_of(id);
  return info;
}

/// The nodes of the newest version whose requests this server's policy refuses.
std::vector<std::string> Engine::refusals_of(const std::string& id) const {
  std::vector<std::string> found;
  const ScenarioRecord* record = book_.find(id);
  const CatalogScenario* home = record == nullptr ? nullptr : catalog_.find(record->key);
  const Scenario* newest = home == nullptr ? nullptr : home->version(record->newest);
  if (newest == nullptr) return found;
  for (const ScenarioNode& node : newest->nodes) {
    const DeliveryPolicy* policy = node.node->delivery_policy();
    if (policy == nullptr || found.size() == kActivationWarningsMax) continue;
    if (const std::string why = refused_origin(policy->origin); !why.empty())
      found.push_back(
          fmt::format("node \"{}\": this server will not call its URL: {}. Until that "
                      "is allowed its requests stay pending",
                      node.id, why));
  }
  return found;
}

Result<ScenarioInfo> Engine::hold(const std::string& id, const std::string& who) {
  auto change = book_.hold(id);
  if (!change) return tl::make_unexpected(std::move(change.error()));
  change->activity.push_back(activity_of("scenario.held", id, who));
  const Status done = commit_change(*change);
  if (done) log_changes(change->activity);
  return changed(*this, id, done);
}

Result<ScenarioInfo> Engine::archive(const std::string& id, bool with_pending,
                                     const std::string& who) {
  auto change = book_.archive(id, clock_.now());
  if (!change) return tl::make_unexpected(std::move(change.error()));
  change->activity.push_back(
      activity_of("scenario.archived", id, who, with_pending ? "pending requests cancelled" : ""));
  std::vector<AdminRecord> admin;
  if (with_pending) admin.push_back(first_cancel_row(id, who));
  if (const Status done = commit_change(*change, std::move(admin)); !done)
    return changed(*this, id, done);
  log_changes(change->activity);
  if (!with_pending) return info(id);
  return changed(*this, id, begin_cancel(id, who));
}

Result<ScenarioInfo> Engine::remove_draft(const std::string& id, const std::string& who) {
  auto change = book_.remove_draft(id);
  if (!change) return tl::make_unexpected(std::move(change.error()));
  auto info = book_.info(id);
  change->activity.push_back(activity_of("scenario.deleted", id, who));
  if (Status done = commit_change(*change); !done) return tl::make_unexpected(done.error());
  log_changes(change->activity);
  return info;
}

Result<ScenarioStats> Engine::stats(const std::string& id, Version version) const {
  const VersionName name =
      version == 0 ? book_.unread(id).value_or(VersionName{}) : VersionName{id, version};
  return book_.stats(id, version, stats_basis(id), name.version == 0 ? nullptr : book_.load(name));
}

StatsBasis Engine::stats_basis(const std::string& id) const {
  StatsBasis basis{.as_of = clock_.now()};
  const ScenarioRecord* record = book_.find(id);
  if (record == nullptr) return basis;
  basis.counters = counters_of(counters_, record->key);
  for (const auto& [place, node] : switches_)
    if (place.first == record->key && node.paused) basis.paused.insert(place.second);
  return basis;
}

Result<std::optional<ContactKey>> Engine::find_contact(const ContactName& name) {
  const IdentityQuery query{.id = name.id, .email = name.email};
  const auto matches = store_->identify({&query, 1});
  if (!matches) return tl::make_unexpected(matches.error());
  const IdentityMatch& match = matches->front();
  std::optional<ContactKey> found = match.by_id;
  if (name.id.empty() && !match.by_email.empty()) found = match.by_email.front().contact;
  if (!found) return found;
  const LoadQuery whole{.contact = *found};
  const auto states = store_->load({&whole, 1});
  if (!states) return tl::make_unexpected(states.error());
  const auto& state = states->front();
  if (state && goes_by(state->contact, name.id, name.email)) return found;
  return tl::make_unexpected(damaged_name_error());
}

Result<ContactAnswer> Engine::contact(const ContactName& name) {
  const auto key = find_contact(name);
  if (!key) return tl::make_unexpected(key.error());
  if (*key) {
    const LoadQuery query{.contact = **key};
    auto states = store_->load({&query, 1});
    if (!states) return tl::make_unexpected(states.error());
    if (auto& state = states->front())
      return ContactAnswer{.contact = std::move(state->contact),
                           .engagement = std::move(state->engagement)};
  }
  return fail(
      ErrorKind::NotFound, "unknown_contact",
      fmt::format("there is no contact {}", name.id.empty() ? "with the address " + name.email
                                                            : "with the id \"" + name.id + "\""));
}

// ---- declared fields ----

void Engine::take_fields(CustomFields fields) {
  fields_ = std::make_shared<const CustomFields>(std::move(fields));
  book_.know_fields(fields_);
  ++generation_;
}

Result<bool> Engine::declare_field(const CustomField& field, const std::string& who) {
  const bool fresh = fields_->find(field.name) == nullptr;
  if (fresh && fields_->all().size() >= kCustomFieldsMax)
    return fail(ErrorKind::Conflict, "too_many",
                fmt::format("at most {} custom fields can be declared", kCustomFieldsMax));
  if (Status done = commit_admin(
          {{.kind = AdminKind::Field, .name = field.name, .content = to_json(to_value(field))}},
          {activity_of("field.declared", {}, who,
                       fmt::format("custom.{}, {}", field.name, to_string(field.type)))});
      !done)
    return tl::make_unexpected(done.error());
  std::vector<CustomField> all = fields_->all();
  all.push_back(field);
  take_fields(CustomFields{std::move(all)});
  return fresh;
}

Result<bool> Engine::remove_field(const std::string& name, const std::string& who) {
  if (fields_->find(name) == nullptr)
    return fail(ErrorKind::NotFound, "unknown_field",
                fmt::format("there is no declared field \"{}\"", clipped(name)));
  if (Status done =
          commit_admin({{.kind = AdminKind::Field, .name = name, .removed = true}},
                       {activity_of("field.removed", {}, who, fmt::format("custom.{}", name))});
      !done)
    return tl::make_unexpected(done.error());
  std::vector<CustomField> all = fields_->all();
  std::erase_if(all, [&](const CustomField& field) { return field.name == name; });
  take_fields(CustomFields{std::move(all)});
  return true;
}

/// The dry run of an import: nothing of it is kept, so it has no row.
class Engine::Rehearsal final : public BackgroundJob {
 public:
  Rehearsal(Engine& engine, std::uint64_t number, std::vector<Input> inputs,
            Done<Result<std::vector<WorkAnswer>>> done, LoadShare admission)
      : number_{number},
        inputs_{std::move(inputs)},
        answers_(inputs_.size()),
        batch_{engine.new_batch()},
        done_{std::move(done)},
        admission_{std::move(admission)} {
    work_.reserve(inputs_.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      work_.push_back({.input = &inputs_[i], .answer = &answers_[i]});
    batch_.note_names(work_);
  }
  std::string name() const override { return "rehearsal/" + std::to_string(number_); }
  Result<JobStep> step(std::size_t rows) override;
  void committed() override {
    if (taken_ == work_.size() && done_) std::exchange(done_, nullptr)(std::move(answers_));
  }
  void fail(const Error& error) override {
    if (done_) std::exchange(done_, nullptr)(tl::make_unexpected(error));
  }

 private:
  const std::uint64_t number_;
  const std::vector<Input> inputs_;
  std::vector<WorkAnswer> answers_;
  std::vector<Work> work_;
  Batch batch_;  ///< Never committed.
  std::size_t taken_ = 0;
  Done<Result<std::vector<WorkAnswer>>> done_;
  const LoadShare admission_;
};

/// The names of a part are looked up, or the inputs of a part are taken. A failure ends the
/// rehearsal, which is answered so; only a store that fails is the engine's affair.
Result<JobStep> Engine::Rehearsal::step(std::size_t rows) {
  const std::size_t most = std::min(rows, kRehearsedAtOnce);
  const auto refused = [this](const Error& error) -> Result<JobStep> {
    if (error.kind == ErrorKind::Io) return tl::make_unexpected(error);
    fail(error);
    return JobStep{.ended = true};
  };
  const auto more = batch_.look_up(most);
  if (!more) return refused(more.error());
  if (*more) return JobStep{};
  const auto part = std::span{work_}.subspan(taken_, std::min(most, work_.size() - taken_));
  // A contact that cannot be read is the answer to its own inputs alone: `take` reads it once more.
  const auto stops = [](const Status& done) {
    return !done && done.error().code != kUnreadableRow;
  };
  if (Status done = batch_.load(part); stops(done)) return refused(done.error());
  for (const Work& item : part) {
    const Status done = batch_.take(item);
    if (stops(done)) return refused(done.error());
    if (!done) *item.answer = {.event = answer_of(done.error())};
  }
  taken_ += part.size();
  return JobStep{.ended = taken_ == work_.size()};
}

void Engine::rehearse(std::vector<Input> inputs, Done<Result<std::vector<WorkAnswer>>> done) {
  jobs_.add(std::make_unique<Rehearsal>(*this, ++last_rehearsal_, std::move(inputs),
                                        std::move(done), take_admission()));
}
}  // namespace onward
