#pragma once
// What is being worked on, in a small mapped file: never synced, so a note costs a few stores, and
// kept by the system when the process dies. If somebody cuts the file, notes go into memory that no
// later start reads, and work continues. A note that is found at the next start names what the
// process died on; what it died on three times is poison, and is set aside.
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/core/base/result.h"
#include "engine/guard/bus_errors.h"
#include "engine/guard/work_note.h"

namespace onward {
/// The code of what is set aside, since the server crashed on it again and again.
inline constexpr std::string_view kPoison = "poison";

/// Stored by number: append only.
enum class WorkKind : std::uint8_t {
  None,
  Several,   ///< Some of many inputs or results: which one is not known.
  Event,     ///< Key: of source, id and body.
  Patch,     ///< Key: of the contact's name and what is changed.
  Timer,     ///< Key: contact, and kind and subject.
  Command,   ///< Key: contact, and command and run.
  Delivery,  ///< Key: its number.
  Scenario,  ///< Key: of a scenario's text.
  Job,       ///< Key: of a background job's name, and how far it came.
};
constexpr WorkKind kLastWorkKind = WorkKind::Job;
std::string_view to_string(WorkKind kind);

/// One thing that can be worked on, and be met again after a restart.
struct WorkItem {
  WorkKind kind = WorkKind::None;
  Hash128 key;
  bool operator==(const WorkItem&) const = default;
};

/// What a process died on.
struct Suspect {
  WorkItem item;
  std::string label;  ///< As it was noted, cut short.
  std::uint32_t crashes = 0;
  bool fresh = false;  ///< The last end of the process added one.
};

/// One process at a time may have the file open: take the data folder's lock first.
class WorkingFile {
 public:
  static constexpr std::uint32_t kCrashesMax = 3;
  static constexpr std::size_t kSuspectsMax = 64;
  static constexpr std::size_t kLabelMax = 63;

  /// Reads what the last end left behind. `build` names the program: what another one died on is
  /// forgotten, since this one may be mended. A file that is none of ours is begun anew.
  static Result<std::unique_ptr<WorkingFile>> open(const std::filesystem::path& file,
                                                   std::string_view build);
  ~WorkingFile();
  WorkingFile(const WorkingFile&) = delete;
  WorkingFile& operator=(const WorkingFile&) = delete;

  // The engine thread's, or of whoever opens the engine.
  void begin(const WorkItem& item, std::string_view label = {});
  void end();
  // The same for texts of scenarios, in a slot of their own: the author thread's, or of whoever
  // opens the engine.
  void begin_text(const WorkItem& item, std::string_view label = {});
  void end_text();
  // Any thread.
  /// Oldest first.
  std::vector<Suspect> suspects() const;
  bool is_poison(const WorkItem& item) const {
    return any_suspect_.load(std::memory_order_relaxed) && crashes_of(item) >= kCrashesMax;
  }
  /// It was worked on without harm, or set aside for good.
  void forget(const WorkItem& item) {
    if (any_suspect_.load(std::memory_order_relaxed)) erase(item);
  }
  /// The process died among inputs, so that it should take them one by one until it has passed
  /// what it died on.
  bool died_at_work() const { return died_at_work_; }
  /// No suspect is called `label` any more: a contact of that id was erased.
  void forget_label(std::string_view label);
  /// Somebody cut the file, so that nothing is noted any more.
  bool lost() const { return mapping_.lost(); }
  /// An end without a crash: only what is poison already stays known.
  void clean_stop();

  /// The deliver thread's.
  WorkNote& deliver_note();

 private:
  struct Layout;
  class DeliverNote;
  explicit WorkingFile(Layout* layout);
  void take_notes();
  void add_crash(const WorkItem& item, std::string_view label);
  std::uint32_t crashes_of(const WorkItem& item) const;
  void erase(const WorkItem& item);
  void write_suspects();

  LossyMapping mapping_;
  Layout* layout_;  // mapped; its suspects guarded by mutex_, its slots each by their thread
  std::unique_ptr<DeliverNote> deliver_note_;
  mutable std::mutex mutex_;
  std::vector<Suspect> suspects_;         // guarded by mutex_
  std::atomic<bool> any_suspect_{false};  // whether suspects_ has any
  bool died_at_work_ = false;
};

WorkItem work_item_of_text(std::string_view scenario_text);
/// A sentence for whoever asked for it.
std::string poison_message(std::string_view what);

/// The text of a scenario is noted while it is read and built.
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
