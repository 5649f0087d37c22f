// A start on an older schema is interrupted: it leaves the old one or the new one, whole, with all
// that was there.
#include <sqlite3.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "engine/store/sqlite/migrations/migrations.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tests/store/conformance.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/first_schema.h"
#include "tests/support/power_loss.h"

namespace onward {
namespace {
constexpr std::uint64_t kContacts = 20;

/// One contact in the tables, the next in the journal.
void make_old_store(const std::filesystem::path& folder) {
  {
    const auto store = must(open_sqlite_store({.folder = folder, .durable = false}));
    for (std::uint64_t key = 1; key <= kContacts; ++key) {
      must(store->commit({.last_seq = key,
                          .last_contact = {key},
                          .contacts = {a_contact(key, "c" + std::to_string(key))},
                          .identities = {id_change("c" + std::to_string(key), key)}}));
      if (key == kContacts / 2) must(store->fold());
    }
  }
  back_to_first_schema(folder / "onward.db");
}

/// "" where `folder` has everything, under the old schema or the new one.
std::string wrong_with(const std::filesystem::path& folder) {
  const int schema = schema_of(folder / "onward.db");
  if (schema < 1 || schema > migrations().back().version) return "schema " + std::to_string(schema);
  const auto store = open_sqlite_store({.folder = folder, .durable = false});
  if (!store) return store.error().message;
  for (std::uint64_t key = 1; key <= kContacts; ++key) {
    const IdentityQuery query{.id = "c" + std::to_string(key)};
    const auto match = must((*store)->identify({&query, 1})).at(0);
    if (match.by_id != ContactKey{key}) return "no contact " + query.id;
  }
  if (const Status done =
          (*store)->commit({.last_seq = 99,
                            .control = {.admin = {{.name = "x", .content = "y"}},
                                        .activity = {{.what = "z", .scenario = "s"}}}});
      !done)
    return done.error().message;
  return {};
}

/// Starts that fail at each call of a sort; how many there were.
std::size_t fail_each(const std::filesystem::path& old, DiskFault fault) {
  for (fault.at = 1;; ++fault.at) {
    const TempFolder folder;
    std::filesystem::copy(old / "onward.db", folder.path() / "onward.db");
    std::size_t failures = 0;
    {
      FaultyDisk disk;
      disk.fail(fault);
      static_cast<void>(open_sqlite_store({.folder = folder.path()}));
      failures = disk.failures();
    }
    INFO(name_of(fault.call) << " number " << fault.at << " with code " << fault.code);
    REQUIRE(wrong_with(folder.path()) == "");
    if (failures == 0) return fault.at - 1;
  }
}
}  // namespace

TEST_CASE("a fault in the middle of a migration leaves the old schema or the new one",
          "[store][faults]") {
  const TempFolder old;
  make_old_store(old.path());
  CHECK(schema_of(old.path() / "onward.db") == 1);
  CHECK(fail_each(old.path(), {.call = DiskCall::Write, .code = SQLITE_IOERR_WRITE}) > 10);
  CHECK(fail_each(old.path(), {.call = DiskCall::Write, .code = SQLITE_FULL}) > 10);
  CHECK(fail_each(old.path(), {.call = DiskCall::Sync, .code = SQLITE_IOERR_FSYNC}) > 0);
  CHECK(fail_each(old.path(), {.call = DiskCall::Read, .code = SQLITE_IOERR_READ}) > 3);
  CHECK(fail_each(old.path(), {.call = DiskCall::SharedLock, .code = SQLITE_IOERR_SHMLOCK}) > 5);
}

TEST_CASE("a power failure in the middle of a migration leaves the old schema or the new one",
          "[store][power]") {
  const TempFolder old;
  make_old_store(old.path());
  std::vector<DiskEvent> events;
  {
    const TempFolder folder;
    std::filesystem::copy(old.path() / "onward.db", folder.path() / "onward.db");
    FaultyDisk disk;
    disk.remember();
    must(open_sqlite_store({.folder = folder.path()}));
    events = disk.events();
  }
  CHECK(events.size() > 20);
  PoweredDisk disk;
  std::mt19937 random{3};
  for (const DiskEvent& event : events) {
    disk.apply(event);
    for (const Loss loss : kLosses) {
      const TempFolder folder;
      for (const auto& [name, content] : disk.after(loss, random))
        std::ofstream{folder.path() / name, std::ios::binary} << content;
      REQUIRE(wrong_with(folder.path()) == "");
    }
  }
}
}  // namespace onward
