#include "engine/host/authoring.h"

#include "engine/cell/webhook_test.h"
#include "engine/control/authored.h"
#include "engine/control/version_texts.h"
#include "engine/guard/guarded.h"

namespace onward {
namespace {
/// How often a text is read again since what it was checked against has changed.
constexpr int kTriesMax = 5;
/// Texts whose nodes are counted in one turn.
constexpr std::size_t kCountedAtOnce = 8;
constexpr std::size_t kLookedUpMax = 8;
}  // namespace

/// Asks for the first turn of `work`.
template <class T, class Work>
void Authoring::begin(Reply<T> reply, const std::shared_ptr<Work>& work, Place place,
                      void (Authoring::*next)(const std::shared_ptr<Work>&, Turn)) {
  const Done<Result<T>> answer = shared(std::move(reply));
  work->done = parts_.calls.durable(answer);
  Status taken = parts_.queue.check_open();
  if (taken)
    taken = parts_.author.ask(std::move(place.scenario), place.bytes,
                              [this, work, next](Result<Turn> turn) {
                                if (!turn)
                                  return work->done(tl::make_unexpected(std::move(turn.error())));
                                (this->*next)(work, std::move(*turn));
                              });
  if (!taken) answer(tl::make_unexpected(std::move(taken.error())));
}

/// Goes on with `work`, which has its turn, on the author thread.
template <class Work>
void Authoring::again(const std::shared_ptr<Work>& work, Turn turn,
                      void (Authoring::*next)(const std::shared_ptr<Work>&, Turn)) {
  parts_.author.again(std::move(turn), [this, work, next](Result<Turn> held) {
    if (!held) return work->done(tl::make_unexpected(std::move(held.error())));
    (this->*next)(work, std::move(*held));
  });
}

/// Engine thread. Where the text of `work->made` is long it is stored first, so that the commit of
/// its version does not keep others waiting: how its first part went; `commit` is called when all
/// are stored.
template <class Work>
std::optional<Status> Authoring::store_long_text(Cell& cell, const std::shared_ptr<Work>& work,
                                                 Turn turn, CommitText<Work> commit) {
  if (!ScenarioCommands::is_long(*work->made)) return std::nullopt;
  return store_parts(cell, work, std::move(turn), commit, cell.scenarios().next_text(), 0);
}

/// Engine thread. The next part waits until this one is on the disk, so that no event's fsync has
/// more than one to write.
template <class Work>
Status Authoring::store_parts(Cell& cell, const std::shared_ptr<Work>& work, Turn turn,
                              CommitText<Work> commit, TextKey text, std::uint16_t number) {
  const auto more = cell.scenarios().store_text_part(*work->made, text, number);
  Status status = fatal_part(more);
  if (!more) {
    if (number > 0) cell.scenarios().drop_text(text, number * kTextPart);
    work->done(tl::make_unexpected(more.error()));
    return status;
  }
  if (!*more) work->made->apart = work->apart = text;
  parts_.publisher.when_durable([this, work, turn = std::move(turn), commit, text, more = *more,
                                 next =
                                     static_cast<std::uint16_t>(number + 1)](const Status& synced) {
    if (!synced) return work->done(tl::make_unexpected(stopped_by(synced.error())));
    parts_.calls.ask_anyway(work->done, [this, work, turn, commit, text, more, next](Cell& later) {
      return more ? store_parts(later, work, turn, commit, text, next)
                  : (this->*commit)(later, work, turn);
    });
  });
  return status;
}

// ---- apply ----

struct Authoring::Applying {
  std::string id, text, who;
  MigrationRequest migration;
  Done<Result<ApplyAnswer>> done = {};
  RunCensus census = {};  // where the runs were, if some are to be moved
  std::shared_ptr<Authored> made = nullptr;
  std::optional<Moves> moves = std::nullopt;
  int tries = 0;
  TextKey apart = {};  // where its text is stored already
};

void Authoring::apply(Reply<ApplyAnswer> reply, ApplyRequest request) {
  const Place place{.scenario = request.id, .bytes = request.text.size()};
  begin(std::move(reply),
        std::make_shared<Applying>(Applying{.id = std::move(request.id),
                                            .text = std::move(request.text),
                                            .who = std::move(request.who),
                                            .migration = std::move(request.migration)}),
        place, &Authoring::begin_apply);
}

/// Author thread.
void Authoring::begin_apply(const std::shared_ptr<Applying>& work, Turn turn) {
  if (!work->migration.wanted) return author_apply(work, std::move(turn));
  parts_.calls.ask_anyway(work->done, [this, work, turn](Cell& cell) -> Status {
    work->census = cell.views().census(work->id);
    again(work, turn, &Authoring::author_apply);
    return {};
  });
}

/// Author thread.
void Authoring::author_apply(const std::shared_ptr<Applying>& work, Turn turn) {
  const auto from = parts_.shown.book();
  auto made = guarded("author.read", parts_.log,
                      [&] { return author_text(*from, work->id, std::move(work->text)); });
  if (!made) return work->done(tl::make_unexpected(std::move(made.error())));
  if (made->refused)
    return work->done(ApplyAnswer{.diagnostics = std::move(made->diagnostics), .refused = true});
  if (work->migration.wanted) {
    auto moves = guarded("author.read", parts_.log,
                         [&] { return moves_to(*from, *made, work->migration, work->census); });
    if (!moves) return work->done(tl::make_unexpected(std::move(moves.error())));
    work->moves = std::move(*moves);
  }
  work->made = std::make_shared<Authored>(std::move(*made));
  work->made->apart = work->apart;
  parts_.calls.ask_anyway(work->done, [this, work, turn = std::move(turn)](Cell& cell) {
    return commit_apply(cell, work, turn);
  });
}

/// Engine thread.
Status Authoring::commit_apply(Cell& cell, const std::shared_ptr<Applying>& work, Turn turn) {
  if (const auto begun = store_long_text(cell, work, turn, &Authoring::commit_apply)) return *begun;
  const std::size_t bytes = work->made->packed.size();
  auto answer =
      cell.scenarios().apply(*work->made, work->moves ? &*work->moves : nullptr, work->who);
  const bool stale = answer && !*answer;
  if (stale && ++work->tries < kTriesMax) {
    work->text = std::move(work->made->text);
    parts_.calls.show(cell);
    again(work, std::move(turn), &Authoring::begin_apply);
    return {};
  }
  if (stale) answer = ScenarioCommands::changing(work->id);
  if (work->apart && !(answer && (*answer)->changed))
    cell.scenarios().drop_text(work->apart, bytes);
  Status status = fatal_part(answer);
  parts_.calls.show(cell);
  if (answer)
    work->done(std::move(**answer));
  else
    work->done(tl::make_unexpected(std::move(answer.error())));
  parts_.author.discard(std::move(work->made));
  return status;
}

// ---- plan ----

struct Authoring::Planning {
  std::string id, text;
  MigrationRequest migration;
  Done<Result<ScenarioPlan>> done = {};
  RunCensus census = {};
  std::shared_ptr<const ScenarioBook> book = nullptr;  // of the same moment
};

void Authoring::plan(Reply<ScenarioPlan> reply, ApplyRequest request) {
  const Place place{.scenario = request.id, .bytes = request.text.size()};
  begin(std::move(reply),
        std::make_shared<Planning>(Planning{.id = std::move(request.id),
                                            .text = std::move(request.text),
                                            .migration = std::move(request.migration)}),
        place, &Authoring::begin_plan);
}

/// Author thread.
void Authoring::begin_plan(const std::shared_ptr<Planning>& work, Turn turn) {
  parts_.calls.ask_anyway(work->done, [this, work, turn = std::move(turn)](Cell& cell) -> Status {
    parts_.calls.show(cell);
    work->census = cell.views().census(work->id);
    work->book = parts_.shown.book();
    again(work, turn, &Authoring::author_plan);
    return {};
  });
}

/// Author thread.
void Authoring::author_plan(const std::shared_ptr<Planning>& work, Turn /*turn*/) {
  auto plan = guarded("author.plan", parts_.log, [&] {
    return plan_text(*work->book, work->id, work->text, work->migration, work->census,
                     parts_.clock.now());
  });
  work->book.reset();
  work->done(std::move(plan));
}

struct Authoring::Checking {
  std::string id, text;
  Done<Result<std::vector<Diagnostic>>> done = {};
};

void Authoring::validate(Reply<std::vector<Diagnostic>> reply, std::string id, std::string text) {
  const Place place{.scenario = {}, .bytes = text.size()};  // it waits for nobody's turn
  begin(std::move(reply),
        std::make_shared<Checking>(Checking{.id = std::move(id), .text = std::move(text)}), place,
        &Authoring::author_check);
}

/// Author thread.
void Authoring::author_check(const std::shared_ptr<Checking>& work, Turn /*turn*/) {
  work->done(guarded("author.read", parts_.log,
                     [&] { return validate_text(*parts_.shown.book(), work->id, work->text); }));
}

// ---- duplicate ----

struct Authoring::Copying {
  std::string id, new_id, who;
  Done<Result<ScenarioInfo>> done = {};
  std::shared_ptr<Authored> made = nullptr;
  int tries = 0;
  TextKey apart = {};  // where its text is stored already
};

void Authoring::duplicate(Reply<ScenarioInfo> reply, std::string id, std::string new_id,
                          std::string who) {
  const Place place{.scenario = id};
  begin(std::move(reply),
        std::make_shared<Copying>(
            Copying{.id = std::move(id), .new_id = std::move(new_id), .who = std::move(who)}),
        place, &Authoring::author_copy);
}

/// Author thread.
void Authoring::author_copy(const std::shared_ptr<Copying>& work, Turn turn) {
  auto made = guarded("author.read", parts_.log, [&] {
    return author_duplicate(*parts_.shown.book(), work->id, work->new_id);
  });
  if (!made) return work->done(tl::make_unexpected(std::move(made.error())));
  work->made = std::make_shared<Authored>(std::move(*made));
  parts_.calls.ask_anyway(work->done, [this, work, turn = std::move(turn)](Cell& cell) {
    return commit_copy(cell, work, turn);
  });
}

/// Engine thread.
Status Authoring::commit_copy(Cell& cell, const std::shared_ptr<Copying>& work, Turn turn) {
  if (const auto begun = store_long_text(cell, work, turn, &Authoring::commit_copy)) return *begun;
  const std::size_t bytes = work->made->packed.size();
  auto answer = cell.scenarios().duplicate(*work->made, work->who);
  const bool stale = answer && !*answer;
  // Another version of the original may have another text.
  if (work->apart && (!answer || stale))
    cell.scenarios().drop_text(std::exchange(work->apart, {}), bytes);
  if (stale && ++work->tries < kTriesMax) {
    parts_.calls.show(cell);
    again(work, std::move(turn), &Authoring::author_copy);
    return {};
  }
  if (stale) answer = ScenarioCommands::changing(work->id);
  Status status = fatal_part(answer);
  parts_.calls.show(cell);
  if (answer)
    work->done(std::move(**answer));
  else
    work->done(tl::make_unexpected(std::move(answer.error())));
  parts_.author.discard(std::move(work->made));
  return status;
}

// ---- what is read ----

/// Engine thread. The reader thread fetches the text of `version` and answers.
template <class Found>
void Authoring::add_text(Cell& cell, Result<Found> found, Version version,
                         const Done<Result<Found>>& done) {
  if (!found) return done(std::move(found));
  const ScenarioKey scenario = cell.control().scenarios.find(found->id)->key;
  parts_.reader.ask(
      [this, found = std::move(*found), scenario, version, done](ReadModel& from) mutable {
        done(guarded("reader.query", parts_.log, [&]() -> Result<Found> {
          auto text = text_of_version(from, scenario, version);
          if (!text) return tl::make_unexpected(std::move(text.error()));
          found.text = std::move(*text);
          return std::move(found);
        }));
      });
}

void Authoring::scenario(Reply<ScenarioInfo> reply, std::string id) {
  parts_.calls.post(std::move(reply), [this, id = std::move(id)](
                                          Cell& cell, const Done<Result<ScenarioInfo>>& done) {
    auto info = cell.guarded("engine.call", [&] { return cell.views().info(id); });
    const Version newest = info ? info->version : 0;
    add_text(cell, std::move(info), newest, done);
    return Status{};
  });
}

void Authoring::version(Reply<VersionText> reply, std::string id, Version version) {
  parts_.calls.post(std::move(reply), [this, id = std::move(id), version](
                                          Cell& cell, const Done<Result<VersionText>>& done) {
    auto found =
        cell.guarded("engine.call", [&] { return cell.control().scenarios.version(id, version); });
    add_text(cell, std::move(found), version, done);
    return Status{};
  });
}

struct Authoring::Sizing {
  std::string id;
  Done<Result<ScenarioVersions>> done;
  std::vector<Version> left;
  std::map<Version, std::size_t> sizes = {};
  LoadShare admission = {};
};

void Authoring::versions(Reply<ScenarioVersions> reply, std::string id) {
  parts_.calls.post(std::move(reply), [this, id = std::move(id)](
                                          Cell& cell, const Done<Result<ScenarioVersions>>& done) {
    auto unsized = cell.control().scenarios.unsized(id);
    if (unsized.empty()) {
      done(cell.views().versions(id, {}));
      return Status{};
    }
    parts_.calls.show(cell);
    count_nodes(std::make_shared<Sizing>(Sizing{
        .id = id, .done = done, .left = std::move(unsized), .admission = cell.take_admission()}));
    return Status{};
  });
}

/// A few at a time, so that nobody waits for a thousand versions.
void Authoring::count_nodes(const std::shared_ptr<Sizing>& work) {
  parts_.author.ask_anyway({}, [this, work](Result<Turn> turn) {
    if (!turn) return work->done(tl::make_unexpected(std::move(turn.error())));
    const auto from = parts_.shown.book();
    for (std::size_t i = 0; i < kCountedAtOnce && !work->left.empty(); ++i) {
      const Version version = work->left.back();
      work->left.pop_back();
      work->sizes[version] = from->size_of({work->id, version});
    }
    if (!work->left.empty()) return count_nodes(work);
    parts_.calls.ask_anyway(work->done, [this, work](Cell& cell) -> Status {
      auto found =
          cell.guarded("engine.call", [&] { return cell.views().versions(work->id, work->sizes); });
      const Status status = fatal_part(found);
      parts_.calls.show(cell);
      work->done(std::move(found));
      return status;
    });
  });
}

/// The engine thread copies the numbers; a scenario may have 10,000 nodes, so the rest is done
/// where nobody waits for it.
void Authoring::stats(Reply<ScenarioStats> reply, std::string id, Version version) {
  const auto act = [this, name = VersionName{std::move(id), version}](
                       Cell& cell, const Done<Result<ScenarioStats>>& done) -> Status {
    parts_.calls.show(cell);
    const auto make = [this, name, done, book = parts_.shown.book(),
                       admission = std::make_shared<LoadShare>(cell.take_admission()),
                       basis = std::make_shared<const StatsBasis>(cell.views().stats_basis(
                           name.scenario))](std::shared_ptr<const Scenario> scenario) {
      done(guarded("stats", parts_.log, [&] {
        return scenario_stats(*book, name.scenario, name.version, *basis, std::move(scenario));
      }));
    };
    const ScenarioBook& known = cell.control().scenarios;
    std::optional<VersionName> unread;
    if (name.version == 0)
      unread = known.unread(name.scenario);
    else if (known.built(name) == nullptr && !known.is_unreadable(name))
      unread = name;
    if (!unread) {
      parts_.reader.ask([make](ReadModel&) { make(nullptr); });
      return {};
    }
    parts_.author.ask_anyway({}, [this, read = *unread, done, make](Result<Turn> turn) {
      if (!turn) return done(tl::make_unexpected(std::move(turn.error())));
      make(look_up(read));
    });
    return {};
  };
  parts_.calls.post(std::move(reply), act);
}

/// Author thread.
std::shared_ptr<const Scenario> Authoring::look_up(const VersionName& name) {
  const auto from = parts_.shown.book();
  const ScenarioRecord* record = from->find(name.scenario);
  if (record == nullptr) return nullptr;
  const std::pair key{record->key, name.version};
  if (const auto found = looked_up_.find(key); found != looked_up_.end()) return found->second;
  auto scenario = from->load(name);
  if (looked_up_.size() >= kLookedUpMax) looked_up_.clear();
  looked_up_.emplace(key, scenario);
  return scenario;
}

void Authoring::test_webhook(Reply<WebhookTestAnswer> reply, std::string id, std::string node,
                             std::string who) {
  using Answered = Done<Result<WebhookTestAnswer>>;
  const auto test = [this, id, node = std::move(node), who = std::move(who)](
                        Cell& cell, const std::shared_ptr<const Scenario>& newest,
                        const Answered& done) -> Status {
    auto task =
        cell.guarded("engine.call", [&] { return cell.secrets().webhook_test(id, node, newest); });
    if (!task) {
      done(tl::make_unexpected(std::move(task.error())));
      return {};
    }
    Activity activity = cell.context().activity("node.tested", id, who, task->webhook_id);
    activity.node = node;
    if (Status noted = cell.note(std::move(activity)); !noted) {
      done(tl::make_unexpected(noted.error()));
      return noted;
    }
    Status taken = parts_.deliverer.probe(*task, [task = *task, done](AttemptResult result) {
      done(judge_webhook_test(task, std::move(result)));
    });
    if (!taken) done(tl::make_unexpected(std::move(taken.error())));
    return {};
  };
  parts_.calls.post(std::move(reply), [this, id, test](Cell& cell, const Answered& done) -> Status {
    const auto unread = cell.control().scenarios.unread(id);
    if (!unread) return test(cell, nullptr, done);
    // Of an archived scenario: its newest version is not in memory.
    parts_.author.ask_anyway({}, [this, name = *unread, test, done](Result<Turn> turn) {
      if (!turn) return done(tl::make_unexpected(std::move(turn.error())));
      parts_.calls.ask_anyway(done, [test, read = look_up(name), done](Cell& later) {
        return test(later, read, done);
      });
    });
    return {};
  });
}

void Authoring::read_wanted(Cell& cell) {
  for (VersionName& name : cell.versions().take_wanted())
    parts_.author.ask_anyway({}, [this, name = std::move(name)](const Result<Turn>& turn) {
      if (!turn) return;  // the next start reads it
      auto scenario = parts_.shown.book()->load(name);
      (void)parts_.queue.call_anyway({.call = [name, scenario = std::move(scenario)](Cell& later) {
        later.adopt_version(name, scenario);
        return Status{};
      }});
    });
}
}  // namespace onward
