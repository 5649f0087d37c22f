#pragma once
// What a crash may come from, by name: inputs, deliveries, background jobs and texts of scenarios
// as WorkingFile knows them.
#include <cstddef>
#include <string>
#include <string_view>

#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"
#include "engine/guard/working_file.h"

namespace onward {
class Job;

WorkItem work_item(const Input& input);
WorkItem work_item(DeliveryKey delivery);
/// The next step of `job`: after a crash it begins at the same place again.
WorkItem work_item(const Job& job);
/// What people call it: an id, where it has one.
std::string_view label_of(const Input& input);
/// The run that such a timer or command is about; 0 of others.
RunKey run_of(const WorkItem& item);
/// "event web/e-17", "the timer of run_…", "delivery evt_…".
std::string describe(const Suspect& suspect, const Epochs& epochs);

/// One piece of work of the engine thread: noted while this lives. What is taken alone stays noted
/// to the end of its commit; of several, each while it is taken.
class WorkWatch {
 public:
  /// `file` may be null.
  WorkWatch(WorkingFile* file, std::size_t pieces);
  ~WorkWatch();
  WorkWatch(const WorkWatch&) = delete;
  WorkWatch& operator=(const WorkWatch&) = delete;

  /// False: it is quarantined, and nothing is noted.
  bool begin(const Input& input);
  bool begin(DeliveryKey delivery);
  bool begin(const Job& job);
  /// It was harmless, as far as it went.
  void end();

 private:
  bool begin(const WorkItem& item, std::string_view label);
  void close();

  WorkingFile* file_;
  const bool alone_;
  WorkItem item_;
};
}  // namespace onward
