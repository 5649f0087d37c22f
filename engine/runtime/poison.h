#pragma once
// What a crash may come from, by name: inputs, deliveries, background jobs and texts of scenarios
// as WorkingFile knows them.
#include <string>
#include <string_view>

#include "engine/core/delivery/delivery.h"
#include "engine/core/journey/advance.h"
#include "engine/runtime/working_file.h"

namespace onward {
class BackgroundJob;

WorkItem work_item(const Input& input);
WorkItem work_item(DeliveryKey delivery);
/// The next step of `job`: after a crash it begins at the same place again.
WorkItem work_item(const BackgroundJob& job);
WorkItem work_item_of_text(std::string_view scenario_text);
/// The run that such a timer or command is about; 0 of others.
RunKey run_of(const WorkItem& item);
/// "event web/e-17", "the timer of run_…", "delivery evt_…".
std::string describe(const Suspect& suspect, const Epochs& epochs);
/// A sentence for whoever asked for it.
std::string poison_message(std::string_view what);

/// One piece of work of the engine thread: noted while this lives. What is taken alone stays noted
/// to the end of its commit; of several, each while it is taken.
class WorkWatch {
 public:
  /// `file` may be null.
  WorkWatch(WorkingFile* file, std::size_t pieces);
  ~WorkWatch();
  WorkWatch(const WorkWatch&) = delete;
  WorkWatch& operator=(const WorkWatch&) = delete;

  /// False: it is poison, and nothing is noted.
  bool begin(const Input& input);
  bool begin(DeliveryKey delivery);
  bool begin(const BackgroundJob& job);
  /// It was harmless, as far as it went.
  void end();

 private:
  bool begin(const WorkItem& item, std::string_view label);
  void close();

  WorkingFile* file_;
  const bool alone_;
  WorkItem item_;
};

/// The same for the text of a scenario, while it is read and built.
class WorkGuard {
 public:
  WorkGuard(WorkingFile* file, const WorkItem& item, std::string_view label);
  ~WorkGuard();
  WorkGuard(const WorkGuard&) = delete;
  WorkGuard& operator=(const WorkGuard&) = delete;
  bool is_poison() const { return poison_; }

 private:
  WorkingFile* file_;
  const WorkItem item_;
  const bool poison_;
};
}  // namespace onward
