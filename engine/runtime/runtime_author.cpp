// What the edges ask of the runtime that takes texts of scenarios to be read: the author thread
// reads them against the book as it was shown last, and the engine thread decides.
#include <utility>

#include "engine/runtime/guarded.h"
#include "engine/runtime/runtime_impl.h"

namespace onward {
namespace {
/// How often a text is read again since what it was checked against has changed.
constexpr int kTriesMax = 5;
/// Texts whose nodes are counted in one turn.
constexpr std::size_t kCountedAtOnce = 8;
constexpr std::size_t kLookedUpMax = 8;

using Turn = AuthorQueue::Turn;

/// `work->done` is told where `turn` is none.
template <class Work>
bool has_turn(const std::shared_ptr<Work>& work, const Result<Turn>& turn) {
  if (!turn) work->done(tl::make_unexpected(turn.error()));
  return turn.has_value();
}
}  // namespace

/// The engine's part of `work`, which was admitted when it was asked for.
template <class Work>
void Runtime::Impl::go_on(const std::shared_ptr<Work>& work, std::function<Status(Engine&)> act) {
  if (Status taken = call_anyway({.call = std::move(act), .refused = refusing(work->done)}); !taken)
    work->done(tl::make_unexpected(std::move(taken.error())));
}

/// Engine thread. Where the text of `work->made` is long it is stored first, so that the commit of
/// its version does not keep others waiting: how its first part went; `commit` is called when all
/// are stored.
template <class Work>
std::optional<Status> Runtime::Impl::store_long_text(Engine& of, const std::shared_ptr<Work>& work,
                                                     Turn turn, CommitText<Work> commit) {
  if (!Engine::is_long(*work->made)) return std::nullopt;
  return store_parts(of, work, std::move(turn), commit, of.next_text(), 0);
}

/// Engine thread. The next part waits until this one is on the disk, so that no event's fsync has
/// more than one to write.
template <class Work>
Status Runtime::Impl::store_parts(Engine& of, const std::shared_ptr<Work>& work, Turn turn,
                                  CommitText<Work> commit, TextKey text, std::uint16_t number) {
  const auto more = of.store_text_part(*work->made, text, number);
  Status status = answered(more);
  if (!more) {
    if (number > 0) of.drop_text(text, number * kTextPart);
    work->done(tl::make_unexpected(more.error()));
    return status;
  }
  if (!*more) work->made->apart = work->apart = text;
  releases->when_durable([this, work, turn = std::move(turn), commit, text, more = *more,
                          next = static_cast<std::uint16_t>(number + 1)](const Status& synced) {
    if (!synced) return work->done(tl::make_unexpected(stopped_by(synced.error())));
    go_on(work, [this, work, turn, commit, text, more, next](Engine& again) {
      return more ? store_parts(again, work, turn, commit, text, next)
                  : (this->*commit)(again, work, turn);
    });
  });
  return status;
}

std::shared_ptr<const ScenarioBook> Runtime::Impl::shown_book() const {
  const std::lock_guard lock{mutex};
  return book;
}

Status Runtime::Impl::ask_author(std::string scenario, std::size_t bytes, AuthorQueue::Task task) {
  {
    const std::lock_guard lock{mutex};
    if (!started || closing || ended) return not_running();
  }
  return authors->queue().ask(std::move(scenario), bytes, std::move(task));
}

// ---- apply ----

struct Runtime::Impl::Applying {
  std::string id, text, who;
  MigrationRequest migration;
  Done<Result<ApplyAnswer>> done;
  RunCensus census;  // where the runs were, if some are to be moved
  std::shared_ptr<Authored> made;
  std::optional<Moves> moves;
  int tries = 0;
  TextKey apart = {};  // where its text is stored already
};

Status Runtime::apply(std::string id, std::string text, Done<Result<ApplyAnswer>> done,
                      MigrationRequest migration, std::string who) {
  done = impl_->published(std::move(done));
  const std::size_t bytes = text.size();
  auto work = std::make_shared<Impl::Applying>(Impl::Applying{.id = id,
                                                              .text = std::move(text),
                                                              .who = std::move(who),
                                                              .migration = std::move(migration),
                                                              .done = std::move(done)});
  return impl_->ask_author(std::move(id), bytes, [impl = impl_.get(), work](Result<Turn> turn) {
    if (has_turn(work, turn)) impl->begin_apply(work, std::move(*turn));
  });
}

/// Author thread.
void Runtime::Impl::begin_apply(const std::shared_ptr<Applying>& work, Turn turn) {
  if (!work->migration.wanted) return author_apply(work, std::move(turn));
  go_on(work, [this, work, turn](Engine& of) -> Status {
    work->census = of.census(work->id);
    authors->queue().again(turn, [this, work](Result<Turn> again) {
      if (has_turn(work, again)) author_apply(work, std::move(*again));
    });
    return {};
  });
}

/// Author thread.
void Runtime::Impl::author_apply(const std::shared_ptr<Applying>& work, Turn turn) {
  const auto from = shown_book();
  auto made = guarded("author.read", options.log,
                      [&] { return from->author(work->id, std::move(work->text)); });
  if (!made) return work->done(tl::make_unexpected(std::move(made.error())));
  if (made->refused)
    return work->done(ApplyAnswer{.diagnostics = std::move(made->diagnostics), .refused = true});
  if (work->migration.wanted) {
    auto moves = guarded("author.read", options.log,
                         [&] { return from->moves(*made, work->migration, work->census); });
    if (!moves) return work->done(tl::make_unexpected(std::move(moves.error())));
    work->moves = std::move(*moves);
  }
  work->made = std::make_shared<Authored>(std::move(*made));
  work->made->apart = work->apart;
  go_on(work,
        [this, work, turn = std::move(turn)](Engine& of) { return commit_apply(of, work, turn); });
}

/// Engine thread.
Status Runtime::Impl::commit_apply(Engine& of, const std::shared_ptr<Applying>& work, Turn turn) {
  if (const auto begun = store_long_text(of, work, turn, &Impl::commit_apply)) return *begun;
  const std::size_t bytes = work->made->packed.size();
  auto answer = of.apply(*work->made, work->moves ? &*work->moves : nullptr, work->who);
  const bool stale = answer && !*answer;
  if (stale && ++work->tries < kTriesMax) {
    work->text = std::move(work->made->text);
    refresh();
    authors->queue().again(std::move(turn), [this, work](Result<Turn> again) {
      if (has_turn(work, again)) begin_apply(work, std::move(*again));
    });
    return {};
  }
  if (stale) answer = Engine::changing(work->id);
  if (work->apart && !(answer && (*answer)->changed)) of.drop_text(work->apart, bytes);
  Status status = answered(answer);
  refresh();
  if (answer)
    work->done(std::move(**answer));
  else
    work->done(tl::make_unexpected(std::move(answer.error())));
  authors->queue().discard(std::move(work->made));
  return status;
}

// ---- plan ----

struct Runtime::Impl::Planning {
  std::string id, text;
  MigrationRequest migration;
  Done<Result<ScenarioPlan>> done;
  RunCensus census;
  std::shared_ptr<const ScenarioBook> book;  // of the same moment
};

Status Runtime::plan(std::string id, std::string text, MigrationRequest migration,
                     Done<Result<ScenarioPlan>> done) {
  done = impl_->published(std::move(done));
  const std::size_t bytes = text.size();
  auto work = std::make_shared<Impl::Planning>(Impl::Planning{.id = id,
                                                              .text = std::move(text),
                                                              .migration = std::move(migration),
                                                              .done = std::move(done)});
  const auto make = [work, impl = impl_.get()](Result<Turn> turn) {
    if (!has_turn(work, turn)) return;
    auto plan = guarded("author.plan", impl->options.log, [&] {
      return work->book->plan(work->id, work->text, work->migration, work->census,
                              impl->engine->now());
    });
    work->book.reset();
    work->done(std::move(plan));
  };
  return impl_->ask_author(
      std::move(id), bytes, [impl = impl_.get(), work, make](Result<Turn> turn) {
        if (!has_turn(work, turn)) return;
        impl->go_on(work, [impl, work, make, turn = *turn](Engine& of) -> Status {
          impl->refresh();
          work->census = of.census(work->id);
          work->book = impl->shown_book();
          impl->authors->queue().again(turn, make);
          return {};
        });
      });
}

Status Runtime::validate(std::string id, std::string text,
                         Done<Result<std::vector<Diagnostic>>> done) {
  done = impl_->published(std::move(done));
  const std::size_t bytes = text.size();
  return impl_->ask_author({}, bytes,
                           [impl = impl_.get(), id = std::move(id), text = std::move(text),
                            done = std::move(done)](Result<Turn> turn) {
                             if (!turn) return done(tl::make_unexpected(std::move(turn.error())));
                             done(guarded("author.read", impl->options.log,
                                          [&] { return impl->shown_book()->validate(id, text); }));
                           });
}

// ---- duplicate ----

struct Runtime::Impl::Copying {
  std::string id, new_id, who;
  Done<Result<ScenarioInfo>> done;
  std::shared_ptr<Authored> made;
  int tries = 0;
  TextKey apart = {};  // where its text is stored already
};

Status Runtime::duplicate(std::string id, std::string new_id, Done<Result<ScenarioInfo>> done,
                          std::string who) {
  done = impl_->published(std::move(done));
  auto work = std::make_shared<Impl::Copying>(Impl::Copying{
      .id = id, .new_id = std::move(new_id), .who = std::move(who), .done = std::move(done)});
  return impl_->ask_author(std::move(id), /*bytes=*/0,
                           [impl = impl_.get(), work](Result<Turn> turn) {
                             if (has_turn(work, turn)) impl->author_copy(work, std::move(*turn));
                           });
}

/// Author thread.
void Runtime::Impl::author_copy(const std::shared_ptr<Copying>& work, Turn turn) {
  auto made = guarded("author.read", options.log,
                      [&] { return shown_book()->author_copy(work->id, work->new_id); });
  if (!made) return work->done(tl::make_unexpected(std::move(made.error())));
  work->made = std::make_shared<Authored>(std::move(*made));
  go_on(work,
        [this, work, turn = std::move(turn)](Engine& of) { return commit_copy(of, work, turn); });
}

/// Engine thread.
Status Runtime::Impl::commit_copy(Engine& of, const std::shared_ptr<Copying>& work, Turn turn) {
  if (const auto begun = store_long_text(of, work, turn, &Impl::commit_copy)) return *begun;
  const std::size_t bytes = work->made->packed.size();
  auto answer = of.duplicate(*work->made, work->who);
  const bool stale = answer && !*answer;
  // Another version of the original may have another text.
  if (work->apart && (!answer || stale)) of.drop_text(std::exchange(work->apart, {}), bytes);
  if (stale && ++work->tries < kTriesMax) {
    refresh();
    authors->queue().again(std::move(turn), [this, work](Result<Turn> again) {
      if (has_turn(work, again)) author_copy(work, std::move(*again));
    });
    return {};
  }
  if (stale) answer = Engine::changing(work->id);
  Status status = answered(answer);
  refresh();
  if (answer)
    work->done(std::move(**answer));
  else
    work->done(tl::make_unexpected(std::move(answer.error())));
  authors->queue().discard(std::move(work->made));
  return status;
}

// ---- older versions ----

struct Runtime::Impl::Sizing {
  std::string id;
  Done<Result<ScenarioVersions>> done;
  std::vector<Version> left;
  std::map<Version, std::size_t> sizes;
  LoadShare admission = {};
};

Status Runtime::versions(std::string id, Done<Result<ScenarioVersions>> done) {
  done = impl_->published(std::move(done));
  auto work = std::make_shared<Impl::Sizing>(
      Impl::Sizing{.id = std::move(id), .done = std::move(done), .left = {}, .sizes = {}});
  const auto act = [impl = impl_.get(), work](Engine& of) -> Status {
    work->left = of.book().unsized(work->id);
    if (work->left.empty()) {
      work->done(of.versions(work->id, {}));
      return {};
    }
    work->admission = of.take_admission();
    impl->refresh();
    impl->count_nodes(work);
    return {};
  };
  return impl_->call(act, refusing(work->done));
}

/// A few at a time, so that nobody waits for a thousand versions.
void Runtime::Impl::count_nodes(const std::shared_ptr<Sizing>& work) {
  const auto some = [this, work](Result<Turn> turn) {
    if (!has_turn(work, turn)) return;
    const auto from = shown_book();
    for (std::size_t i = 0; i < kCountedAtOnce && !work->left.empty(); ++i) {
      const Version version = work->left.back();
      work->left.pop_back();
      work->sizes[version] = from->size_of({work->id, version});
    }
    if (!work->left.empty()) return count_nodes(work);
    CallJob job = asking<ScenarioVersions>(
        showing(), work->done, [work](Engine& of) { return of.versions(work->id, work->sizes); });
    if (Status taken = call_anyway(std::move(job)); !taken)
      work->done(tl::make_unexpected(std::move(taken.error())));
  };
  authors->queue().ask_anyway({}, some);
}

/// The engine thread copies the numbers; a scenario may have 10,000 nodes, so the rest is done
/// where nobody waits for it.
Status Runtime::stats(std::string id, Version version, Done<Result<ScenarioStats>> done) {
  done = impl_->published(std::move(done));
  const auto act = [impl = impl_.get(), name = VersionName{std::move(id), version},
                    done](Engine& of) -> Status {
    impl->refresh();
    const auto make = [name, done, book = impl->shown_book(), log = impl->options.log,
                       admission = std::make_shared<LoadShare>(of.take_admission()),
                       basis = std::make_shared<const StatsBasis>(of.stats_basis(name.scenario))](
                          std::shared_ptr<const Scenario> scenario) {
      done(guarded("stats", log, [&] {
        return book->stats(name.scenario, name.version, *basis, std::move(scenario));
      }));
    };
    const ScenarioBook& known = of.book();
    std::optional<VersionName> unread;
    if (name.version == 0)
      unread = known.unread(name.scenario);
    else if (known.built(name) == nullptr && !known.is_unreadable(name))
      unread = name;
    if (!unread) {
      impl->reader->ask([make](StoreReader&) { make(nullptr); });
      return {};
    }
    impl->authors->queue().ask_anyway({}, [impl, read = *unread, done, make](Result<Turn> turn) {
      if (!turn) return done(tl::make_unexpected(std::move(turn.error())));
      make(impl->look_up(read));
    });
    return {};
  };
  return impl_->call(act, refusing(done));
}

/// Author thread.
std::shared_ptr<const Scenario> Runtime::Impl::look_up(const VersionName& name) {
  const auto from = shown_book();
  const ScenarioRecord* record = from->find(name.scenario);
  if (record == nullptr) return nullptr;
  const std::pair key{record->key, name.version};
  if (const auto found = looked_up.find(key); found != looked_up.end()) return found->second;
  auto scenario = from->load(name);
  if (looked_up.size() >= kLookedUpMax) looked_up.clear();
  looked_up.emplace(key, scenario);
  return scenario;
}

/// Engine thread: versions that are needed again.
void Runtime::Impl::read_wanted() {
  for (VersionName& name : engine->take_wanted())
    authors->queue().ask_anyway({}, [this, name = std::move(name)](const Result<Turn>& turn) {
      if (!turn) return;  // the next start reads it
      auto scenario = shown_book()->load(name);
      (void)call_anyway({.call = [name, scenario = std::move(scenario)](Engine& of) -> Status {
        of.adopt_version(name, scenario);
        return {};
      }});
    });
}
}  // namespace onward
