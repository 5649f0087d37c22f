#pragma once
// What people and their tools do to scenarios.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/cell/background_job.h"
#include "engine/cell/catalog_builder.h"
#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/control_writer.h"
#include "engine/cell/job_runner.h"
#include "engine/cell/outbox.h"
#include "engine/cell/scenario_pass.h"
#include "engine/cell/scenario_views.h"
#include "engine/control/authored.h"
#include "engine/control/scenario_book.h"
#include "engine/control/scenario_plan.h"
#include "engine/jobs/job_queue.h"

namespace onward {
/// Called between two transactions of the cell. `who` is the name of the token behind a change;
/// empty: the engine itself. An error has changed nothing, unless it is Io: that ends the cell.
class ScenarioCommands {
 public:
  /// All must outlive it.
  struct Parts {
    CellContext& cell;
    CommitWriter& writer;
    CatalogBuilder& builder;
    Outbox& outbox;
    NodePauses& pauses;
    ControlWriter& control;
    JobQueue& jobs;
    JobRunner& runner;
    const ScenarioViews& views;
  };
  explicit ScenarioCommands(const Parts& parts) : parts_{parts}, cell_{parts.cell} {}

  // These two read texts of scenarios, which may take seconds: for cells without threads.
  Result<ApplyAnswer> apply(const std::string& id, const std::string& text,
                            const MigrationRequest& migration = {}, const std::string& who = {});
  Result<ScenarioInfo> duplicate(const std::string& id, const std::string& new_id,
                                 const std::string& who = {});

  // The same, with what the texts say read elsewhere, on a copy of the book.
  /// `made` is taken where it is current; else nothing: it must be made again, with its `moves`.
  /// `moves` may be null: then no run is moved.
  Result<std::optional<ApplyAnswer>> apply(Authored& made, const Moves* moves,
                                           const std::string& who);
  Result<std::optional<ScenarioInfo>> duplicate(Authored& made, const std::string& who);

  /// Whether the text of `made` is to be stored ahead: it is too long for the commit of its
  /// version.
  static bool is_long(const Authored& made) { return !made.packed.empty() && !made.apart; }
  TextKey next_text() { return cell_.numbers.next_text(); }
  /// Stores the part `number` of the packed text of `made`; whether there are more. Until a version
  /// names `text`, nothing has changed.
  Result<bool> store_text_part(const Authored& made, TextKey text, std::uint16_t number);
  /// Of a packed text of `bytes` that no version came to name.
  void drop_text(TextKey text, std::size_t bytes);

  Result<ScenarioInfo> activate(const std::string& id,
                                const std::optional<std::vector<std::string>>& test_emails,
                                const std::string& who = {});
  Result<ScenarioInfo> hold(const std::string& id, const std::string& who = {});
  Result<ScenarioInfo> archive(const std::string& id, bool cancel_pending,
                               const std::string& who = {});
  Result<ScenarioInfo> remove_draft(const std::string& id, const std::string& who = {});
  /// Begins it; a job does the rest.
  Result<ScenarioInfo> purge(const std::string& id, const std::string& who = {});

  /// Starts and ends scenarios whose time has come. The error is fatal.
  Status take_transitions();
  /// At a start: jobs that a stop or a crash interrupted continue.
  void restore(const std::vector<AdminRecord>& rows);
  /// A fault of the store that a command met after it was committed: it ends the cell.
  const std::optional<Error>& fault() const { return fault_; }

  /// The refusal of what could not be made often enough.
  static tl::unexpected<Error> changing(const std::string& id);

 private:
  Result<ScenarioInfo> commit(const std::string& id, BookChange change,
                              std::vector<AdminRecord> rows = {});
  Status check_secrets_of(const std::string& id) const;
  std::vector<std::string> refusals_of(const std::string& id) const;
  Result<std::optional<ScenarioPass>> plan_migration(const Authored& made,
                                                     const Moves& moves) const;
  Result<std::optional<ApplyAnswer>> commit_applied(const std::string& id, ApplyAnswer answer,
                                                    BookChange change,
                                                    std::optional<ScenarioPass> pass,
                                                    const std::string& who);

  Parts parts_;
  CellContext& cell_;
  std::optional<Error> fault_;
};

/// Writes what was changed to the log, without the texts: those may name people.
void log_changes(const CellContext& cell, const std::vector<Activity>& changes);
}  // namespace onward
