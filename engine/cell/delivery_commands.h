#pragma once
// What people do to deliveries: retry and cancel them, pause and resume the sending of nodes or of
// the whole server.
#include <cstdint>
#include <string>
#include <vector>

#include "engine/cell/answers.h"
#include "engine/cell/catalog_builder.h"
#include "engine/cell/commit_writer.h"
#include "engine/cell/context.h"
#include "engine/cell/control_writer.h"
#include "engine/cell/input_writer.h"
#include "engine/cell/load.h"
#include "engine/cell/outbox.h"
#include "engine/control/filters.h"
#include "engine/jobs/job_queue.h"

namespace onward {
/// Called between two transactions of the cell. `who` is the name of the token behind a change;
/// empty: the engine itself.
class DeliveryCommands {
 public:
  /// All must outlive it.
  struct Parts {
    CellContext& cell;
    CommitWriter& writer;
    CatalogBuilder& builder;
    Outbox& outbox;
    InputWriter& inputs;
    ControlWriter& control;
    JobQueue& jobs;
  };
  explicit DeliveryCommands(const Parts& parts) : parts_{parts}, cell_{parts.cell} {}

  /// Retries or cancels one delivery, or the batch that it belongs to.
  Result<ByHandAnswer> by_hand(ByHand act, DeliveryKey delivery, const std::string& who = {});
  /// The same to all that match, as a background job, which a restart continues; `done` is called
  /// at its end, unless the cell ends before. `admission` is held until then.
  void by_hand(ByHand act, const DeliveryQuery& which, bool dry_run, const std::string& who,
               Done<Result<ByHandAnswer>> done, LoadShare admission = {});
  /// Pauses or resumes the deliveries of a node, whatever its version.
  Result<SwitchAnswer> switch_node(const std::string& scenario, const std::string& node, bool pause,
                                   const std::string& who = {});
  /// A restored copy sends from now on. False: it did before.
  Result<bool> resume_sending(const std::string& who = {});
  /// The policy was changed: what it had refused and allows now is due at once.
  void recheck_blocked();

  /// At a start: jobs that were interrupted continue.
  void restore(const std::vector<AdminRecord>& rows);
  /// At a start: a restored copy sends nothing.
  void restore_sending(const std::vector<AdminRecord>& rows);

 private:
  Parts parts_;
  CellContext& cell_;
  std::uint64_t last_bulk_ = 0;  // number of such a job
};
}  // namespace onward
