#pragma once
// A store that fails on demand, as disks do.
#include <memory>
#include <string>

#include "engine/store/store.h"

namespace onward {
struct Faults {
  std::string refuse_contact_id;  ///< A commit with this contact breaks a constraint.
  bool full = false;              ///< No room left on the disk.
  std::string unwritable;         ///< Writing is refused for now, with this code.
  bool broken = false;            ///< Writing fails.
  bool unsyncable = false;        ///< So does its fsync.
};
std::unique_ptr<Store> make_faulty_store(std::unique_ptr<Store> store,
                                         std::shared_ptr<const Faults> faults);
}  // namespace onward
