#pragma once
// What people ask about contacts, and dry runs of imports.
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/cell/answers.h"
#include "engine/cell/context.h"
#include "engine/cell/load.h"
#include "engine/control/contact_answer.h"
#include "engine/jobs/job_queue.h"

namespace onward {
class ContactCommands {
 public:
  /// Both must outlive it.
  ContactCommands(CellContext& cell, JobQueue& jobs) : cell_{cell}, jobs_{jobs} {}

  Result<ContactAnswer> contact(const ContactName& name) const;
  Result<std::optional<ContactKey>> find_contact(const ContactName& name) const;
  /// What `inputs` would do, one after the other, if they were taken now; nothing is kept. Works
  /// through them as a background job; `done` is called at the end, and `admission` held until
  /// then.
  void rehearse(std::vector<Input> inputs, Done<Result<std::vector<WorkAnswer>>> done,
                LoadShare admission = {});

 private:
  CellContext& cell_;
  JobQueue& jobs_;
  std::uint64_t last_rehearsal_ = 0;
};
}  // namespace onward
