#pragma once
// A store that fails on demand, as disks do.
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/store/store.h"

namespace onward {
struct Faults {
  std::string refuse_contact_id;  ///< A commit with this contact breaks a constraint.
  bool full = false;              ///< No room left on the disk.
  std::string unwritable;         ///< Writing is refused for now, with this code.
  bool broken = false;            ///< Writing fails.
  bool unsyncable = false;        ///< So does its fsync.
  std::string unreadable;         ///< The read of this name ("identify") answers Io.
  /// Called before each of these reads, with its name ("load"): may throw, as a fault of ours
  /// would. Of a reader the names are "reader.contact" and so on. May be empty.
  std::function<void(std::string_view call)> on_read = {};
};
std::unique_ptr<Store> make_faulty_store(std::unique_ptr<Store> store,
                                         std::shared_ptr<const Faults> faults);
}  // namespace onward
