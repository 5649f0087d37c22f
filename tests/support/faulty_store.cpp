#include "tests/support/faulty_store.h"

#include <algorithm>
#include <utility>

#include "engine/store/passing_store.h"

namespace onward {
namespace {
class FaultyStore final : public PassingStore {
 public:
  FaultyStore(std::shared_ptr<Store> store, std::shared_ptr<const Faults> faults)
      : PassingStore{std::move(store)}, faults_{std::move(faults)} {}

  Status probe() override {
    if (Status taken = room(); !taken) return taken;
    return store_->probe();
  }

  Status commit(const Commit& commit) override {
    if (faults_->broken) return fail(ErrorKind::Io, "io", "the disk is gone");
    if (Status taken = room(); !taken) return taken;
    const bool refused = std::ranges::any_of(commit.contacts, [&](const Contact& contact) {
      return contact.id && contact.id->text == faults_->refuse_contact_id;
    });
    if (refused) return fail(ErrorKind::Conflict, "too_big", "a row is too big");
    return store_->commit(commit);
  }

  Status sync() override {
    if (faults_->unsyncable) return fail(ErrorKind::Io, "io", "the disk lost what it was given");
    return store_->sync();
  }

 private:
  Status room() const {
    if (faults_->full) return fail(ErrorKind::Unavailable, "disk_full", "no room left");
    if (!faults_->unwritable.empty())
      return fail(ErrorKind::Unavailable, faults_->unwritable, "not now");
    return {};
  }

  std::shared_ptr<const Faults> faults_;
};
}  // namespace

std::unique_ptr<Store> make_faulty_store(std::unique_ptr<Store> store,
                                         std::shared_ptr<const Faults> faults) {
  return std::make_unique<FaultyStore>(std::move(store), std::move(faults));
}
}  // namespace onward
