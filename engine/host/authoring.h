#pragma once
// Calls that need texts of scenarios to be read, which may take seconds: the author thread reads
// them against the book as it was shown last, and the cell decides.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/cell/answers.h"
#include "engine/control/scenario_info.h"
#include "engine/core/base/reply.h"
#include "engine/core/source/diagnostic.h"
#include "engine/delivery/deliverer.h"
#include "engine/host/author_thread.h"
#include "engine/host/calls.h"

namespace onward {
/// The text of a scenario, and what becomes of runs that are on older versions. An empty `who` is
/// the engine itself; else it is the name of the token behind the change, for the log.
struct ApplyRequest {
  std::string id, text;
  MigrationRequest migration = {};
  std::string who = {};
};

/// Any thread, unless a function says otherwise; see Calls for when and where replies are given.
/// `apply`, `plan` and `duplicate` of one scenario are done in their order, and in that of
/// Calls::post_after.
class Authoring {
 public:
  /// All must outlive it.
  struct Parts {
    Calls& calls;
    LaneQueue& queue;
    ReleaseThread& publisher;
    ShownState& shown;
    ReaderThread& reader;
    AuthorQueue& author;
    Deliverer& deliverer;
    const Clock& clock;
    const LogSink& log;
  };
  explicit Authoring(const Parts& parts) : parts_{parts} {}

  void apply(Reply<ApplyAnswer> reply, ApplyRequest request);
  /// What is wrong with a file, held to what the server knows: as a new version of `id`, or, where
  /// `id` is empty, as a scenario of its own. Changes nothing.
  void validate(Reply<std::vector<Diagnostic>> reply, std::string id, std::string text);
  /// Changes nothing.
  void plan(Reply<ScenarioPlan> reply, ApplyRequest request);
  void duplicate(Reply<ScenarioInfo> reply, std::string id, std::string new_id, std::string who);
  void versions(Reply<ScenarioVersions> reply, std::string id);
  /// With its text.
  void scenario(Reply<ScenarioInfo> reply, std::string id);
  void version(Reply<VersionText> reply, std::string id, Version version);
  /// `version` 0: all together.
  void stats(Reply<ScenarioStats> reply, std::string id, Version version);
  /// Sends test data as the node of the newest version would; nothing is kept but that it was done.
  /// Busy where eight such tests are under way.
  void test_webhook(Reply<WebhookTestAnswer> reply, std::string id, std::string node,
                    std::string who);

  /// Engine thread: reads versions that the cell needs again.
  void read_wanted(Cell& cell);

 private:
  using Turn = AuthorQueue::Turn;
  struct Applying;
  struct Planning;
  struct Checking;
  struct Copying;
  struct Sizing;
  template <class Work>
  using CommitText = Status (Authoring::*)(Cell&, const std::shared_ptr<Work>&, Turn);

  /// In the queue of the author thread. No scenario: no other work is waited for.
  struct Place {
    std::string scenario;
    std::size_t bytes = 0;  ///< Of the text.
  };
  template <class T, class Work>
  void begin(Reply<T> reply, const std::shared_ptr<Work>& work, Place place,
             void (Authoring::*next)(const std::shared_ptr<Work>&, Turn));
  template <class Work>
  void again(const std::shared_ptr<Work>& work, Turn turn,
             void (Authoring::*next)(const std::shared_ptr<Work>&, Turn));
  template <class Work>
  std::optional<Status> store_long_text(Cell& cell, const std::shared_ptr<Work>& work, Turn turn,
                                        CommitText<Work> commit);
  template <class Work>
  Status store_parts(Cell& cell, const std::shared_ptr<Work>& work, Turn turn,
                     CommitText<Work> commit, TextKey text, std::uint16_t number);
  void begin_apply(const std::shared_ptr<Applying>& work, Turn turn);
  void author_apply(const std::shared_ptr<Applying>& work, Turn turn);
  Status commit_apply(Cell& cell, const std::shared_ptr<Applying>& work, Turn turn);
  void begin_plan(const std::shared_ptr<Planning>& work, Turn turn);
  void author_plan(const std::shared_ptr<Planning>& work, Turn turn);
  void author_check(const std::shared_ptr<Checking>& work, Turn turn);
  void author_copy(const std::shared_ptr<Copying>& work, Turn turn);
  Status commit_copy(Cell& cell, const std::shared_ptr<Copying>& work, Turn turn);
  void count_nodes(const std::shared_ptr<Sizing>& work);
  template <class Found>
  void add_text(Cell& cell, Result<Found> found, Version version, const Done<Result<Found>>& done);
  std::shared_ptr<const Scenario> look_up(const VersionName& name);

  const Parts parts_;
  // The author thread's own: versions that were looked at lately and are not in the catalog.
  std::map<std::pair<ScenarioKey, Version>, std::shared_ptr<const Scenario>> looked_up_;
};
}  // namespace onward
