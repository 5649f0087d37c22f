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

  Result<std::vector<IdentityMatch>> identify(std::span<const IdentityQuery> queries) override {
    reads("identify");
    if (faults_->unreadable == "identify")
      return fail(ErrorKind::Io, "store_io", "a page is damaged");
    return store_->identify(queries);
  }
  Result<std::vector<std::optional<ContactState>>> load(
      std::span<const LoadQuery> queries) override {
    reads("load");
    return store_->load(queries);
  }
  Result<std::vector<std::optional<LoadedDelivery>>> deliveries(
      std::span<const DeliveryKey> keys) override {
    reads("deliveries");
    return store_->deliveries(keys);
  }
  Result<std::unique_ptr<ReadModel>> open_reader() override;

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
  bool is_synced() const override { return !faults_->unsyncable && store_->is_synced(); }

 private:
  void reads(std::string_view call) const {
    if (faults_->on_read) faults_->on_read(call);
  }
  Status room() const {
    if (faults_->full) return fail(ErrorKind::Unavailable, "disk_full", "no room left");
    if (!faults_->unwritable.empty())
      return fail(ErrorKind::Unavailable, faults_->unwritable, "not now");
    return {};
  }

  std::shared_ptr<const Faults> faults_;
};

/// Tells of each read before it passes it on.
class FaultyReader final : public ReadModel {
 public:
  FaultyReader(std::unique_ptr<ReadModel> reader, std::shared_ptr<const Faults> faults)
      : reader_{std::move(reader)}, faults_{std::move(faults)} {}

  Result<IdentityMatch> identify(const IdentityQuery& query) override {
    reads("reader.identify");
    return reader_->identify(query);
  }
  Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey key) override {
    reads("reader.contact");
    return reader_->contact(key);
  }
  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    reads("reader.version_text");
    return reader_->version_text(scenario, version);
  }
  Result<RunList> runs(ContactKey contact, std::size_t limit, std::string_view cursor) override {
    reads("reader.runs");
    return reader_->runs(contact, limit, cursor);
  }
  Result<DeliveryList> deliveries(ScenarioKey scenario, NodeNumber node,
                                  std::optional<DeliveryState> state, std::size_t limit,
                                  std::string_view cursor) override {
    reads("reader.deliveries");
    return reader_->deliveries(scenario, node, state, limit, cursor);
  }
  Result<std::optional<DeliveryDetail>> delivery(DeliveryKey key) override {
    reads("reader.delivery");
    return reader_->delivery(key);
  }
  Result<ActivityList> activity(std::string_view scenario, std::size_t limit,
                                std::string_view cursor) override {
    reads("reader.activity");
    return reader_->activity(scenario, limit, cursor);
  }
  Result<RunList> live_runs(const RunFilter& filter, std::size_t limit,
                            std::string_view cursor) override {
    reads("reader.live_runs");
    return reader_->live_runs(filter, limit, cursor);
  }
  Result<std::vector<LedgerRow>> ledger(ContactKey contact) override {
    reads("reader.ledger");
    return reader_->ledger(contact);
  }
  Result<ContactList> contacts(ContactKey after, std::size_t limit) override {
    reads("reader.contacts");
    return reader_->contacts(after, limit);
  }

 private:
  void reads(std::string_view call) const {
    if (faults_->on_read) faults_->on_read(call);
  }

  std::unique_ptr<ReadModel> reader_;
  std::shared_ptr<const Faults> faults_;
};

Result<std::unique_ptr<ReadModel>> FaultyStore::open_reader() {
  auto reader = store_->open_reader();
  if (!reader) return reader;
  return std::make_unique<FaultyReader>(std::move(*reader), faults_);
}
}  // namespace

std::unique_ptr<Store> make_faulty_store(std::unique_ptr<Store> store,
                                         std::shared_ptr<const Faults> faults) {
  return std::make_unique<FaultyStore>(std::move(store), std::move(faults));
}
}  // namespace onward
