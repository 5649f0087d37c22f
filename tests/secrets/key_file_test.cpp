// The key file after a power failure at any moment, and on a disk whose calls fail.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/disk/disk_calls.h"
#include "engine/secrets/vault.h"
#include "tests/support/unsynced_disk.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "onward_keys.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path key() const { return path / "secret.key"; }
  fs::path path;
};

Vault open_keys(const Folder& folder) {
  auto vault = Vault::open({folder.key()});
  INFO((vault ? "" : vault.error().message));
  REQUIRE(vault);
  return std::move(*vault);
}
std::string seal(const Vault& vault) {
  auto sealed = vault.seal(SecretKind::Secret, "a", "hidden");
  REQUIRE(sealed);
  return *sealed;
}
bool unseals(const Vault& vault, const std::string& sealed) {
  const auto text = vault.unseal(SecretKind::Secret, "a", sealed);
  return text && *text == "hidden";
}

/// Whatever a power failure leaves after so many calls, the next start opens it: `check` is given
/// its vault. It can seal then, whatever draft is there.
void each_start_after(const UnsyncedDisk& disk, std::size_t calls,
                      const std::function<void(const Vault&)>& check) {
  INFO("after " << calls << " calls, the last " << (calls ? disk.calls()[calls - 1] : "none"));
  const Folder folder;
  QuickDisk quick;
  const ReplacedDiskCalls replaced{quick};
  for (const Files& files : disk.left_after(calls)) {
    replace_files(folder.path, files);
    Vault vault = open_keys(folder);
    check(vault);
    REQUIRE(vault.ensure_key());
    REQUIRE(vault.add_key());
    REQUIRE(unseals(open_keys(folder), seal(vault)));
  }
}

/// A folder with a durable key, and a text that was sealed under it.
struct Sealed {
  Sealed() {
    Vault vault = open_keys(folder);
    REQUIRE(vault.ensure_key());
    text = seal(vault);
  }
  Folder folder;
  std::string text;
};
constexpr int kErrors[] = {EIO, ENOSPC};
}  // namespace

TEST_CASE("a power failure while the first key is made leaves no key file or a whole one",
          "[secrets][vault][power]") {
  const Folder folder;
  UnsyncedDisk disk{folder.path};
  std::string sealed;
  {
    const ReplacedDiskCalls replaced{disk};
    Vault vault = open_keys(folder);
    REQUIRE(vault.ensure_key());
    sealed = seal(vault);
  }
  const std::size_t calls = disk.calls().size();
  CHECK(disk.left_now().size() == 1);
  std::size_t none = 0, whole = 0;
  for (std::size_t i = 0; i <= calls; ++i)
    each_start_after(disk, i, [&](const Vault& found) {
      ++(found.has_key() ? whole : none);
      REQUIRE(unseals(found, sealed) == found.has_key());
      if (i == calls) REQUIRE(found.has_key());
    });
  CHECK(none > 0);
  CHECK(whole > 1);
}

TEST_CASE("a power failure during a change of keys leaves every sealed text readable",
          "[secrets][vault][power]") {
  const Sealed before;
  UnsyncedDisk disk{before.folder.path};
  std::string after;
  std::size_t added = 0;
  {
    const ReplacedDiskCalls replaced{disk};
    Vault vault = open_keys(before.folder);
    REQUIRE(vault.add_key());
    added = disk.calls().size();
    after = seal(vault);
    REQUIRE(vault.drop_old_keys());
  }
  const std::size_t dropped = disk.calls().size();
  REQUIRE(dropped > added);
  for (std::size_t i = 0; i <= dropped; ++i)
    each_start_after(disk, i, [&](const Vault& found) {
      if (i <= added) REQUIRE(unseals(found, before.text));
      if (i >= added) REQUIRE(unseals(found, after));
      if (i == dropped) REQUIRE_FALSE(unseals(found, before.text));
    });
}

TEST_CASE("a key that another process wrote is durable before it seals",
          "[secrets][vault][power]") {
  // The process ends, the machine goes on: what it wrote is there, and not yet durable.
  const auto ends_in = [](const Folder& folder, UnsyncedDisk& disk, std::size_t call) {
    const ReplacedDiskCalls replaced{disk};
    disk.end_at(call);
    bool ended = false;
    try {
      Vault vault = open_keys(folder);
      const Status added = vault.add_key(), dropped = vault.drop_old_keys();
      REQUIRE(added);
      REQUIRE(dropped);
    } catch (const ProcessEnded&) {
      ended = true;
    }
    disk.end_at(static_cast<std::size_t>(-1));
    return ended;
  };
  const bool first = GENERATE(true, false);
  std::size_t call = 0;
  for (bool ended = true; ended; ++call) {
    const Sealed known;
    if (first) fs::remove(known.folder.key());
    UnsyncedDisk disk{known.folder.path};
    ended = ends_in(known.folder, disk, call);
    std::string sealed;
    {
      const ReplacedDiskCalls replaced{disk};
      Vault vault = open_keys(known.folder);
      REQUIRE(vault.ensure_key());
      sealed = seal(vault);
    }
    each_start_after(disk, disk.calls().size(),
                     [&](const Vault& found) { REQUIRE(unseals(found, sealed)); });
  }
  CHECK(call > 6);
}

TEST_CASE("whichever call fails while the first key is made, the next try makes it",
          "[secrets][vault][power]") {
  const int error = GENERATE(from_range(std::begin(kErrors), std::end(kErrors)));
  std::size_t call = 0, failed = 0;
  for (bool reached = true; reached; ++call) {
    const Folder folder;
    UnsyncedDisk disk{folder.path};
    std::string sealed;
    {
      const ReplacedDiskCalls replaced{disk};
      disk.fail(call, error);
      Vault vault = open_keys(folder);
      const Status made = vault.ensure_key();
      reached = disk.calls().size() > call;
      INFO("call " << call << " fails");
      if (!made) {
        ++failed;
        CHECK(made.error().code == "key_file_io");
        CHECK(made.error().message.find(folder.key().string() + ": ") != std::string::npos);
        CHECK(made.error().message.find(std::strerror(error)) != std::string::npos);
        CHECK_FALSE(vault.has_key());
        CHECK(files_of(folder.path).empty());
      }
      disk.repair();
      REQUIRE(vault.ensure_key());
      sealed = seal(vault);
    }
    each_start_after(disk, disk.calls().size(),
                     [&](const Vault& found) { REQUIRE(unseals(found, sealed)); });
  }
  CHECK(failed >= 5);  // Each but those that remove drafts.
}

TEST_CASE("whichever call fails during a change of keys, the next try changes them",
          "[secrets][vault][power]") {
  const int error = GENERATE(from_range(std::begin(kErrors), std::end(kErrors)));
  std::size_t call = 0, failed = 0;
  for (bool reached = true; reached; ++call) {
    const Sealed before;
    UnsyncedDisk disk{before.folder.path};
    std::string after;
    const auto try_again = [&](Vault& vault, const auto& change, bool old_stays) {
      const Status changed = change();
      if (changed) return;
      ++failed;
      CHECK(changed.error().code == "key_file_io");
      CHECK(changed.error().message.find(std::strerror(error)) != std::string::npos);
      CHECK(unseals(vault, before.text));
      CHECK(files_of(before.folder.path).size() == 1);
      if (old_stays) CHECK(unseals(open_keys(before.folder), before.text));
      CHECK(unseals(open_keys(before.folder), seal(vault)));
      disk.repair();
      REQUIRE(change());
    };
    {
      const ReplacedDiskCalls replaced{disk};
      Vault vault = open_keys(before.folder);
      REQUIRE(vault.ensure_key());
      const std::size_t found = disk.calls().size();
      disk.fail(found + call, error);
      INFO("call " << call << " fails");
      try_again(
          vault, [&] { return vault.add_key(); }, true);
      after = seal(vault);
      each_start_after(disk, disk.calls().size(), [&](const Vault& next) {
        REQUIRE(unseals(next, before.text));
        REQUIRE(unseals(next, after));
      });
      try_again(
          vault, [&] { return vault.drop_old_keys(); }, false);
      reached = disk.calls().size() > found + call;
    }
    each_start_after(disk, disk.calls().size(), [&](const Vault& found) {
      REQUIRE(unseals(found, after));
      REQUIRE_FALSE(unseals(found, before.text));
    });
  }
  CHECK(failed >= 10);
}

TEST_CASE("a found key file that cannot be synced seals nothing", "[secrets][vault][power]") {
  const Sealed before;
  const bool own = GENERATE(true, false);
  // Of a file that the operator names, the folder may be closed to the server.
  const int error = GENERATE(EIO, EACCES);
  UnsyncedDisk disk{before.folder.path};
  const ReplacedDiskCalls replaced{disk};
  auto vault = Vault::open({before.folder.key(), own});
  REQUIRE(vault);
  disk.fail(2, error);
  const Status synced = vault->ensure_key();
  REQUIRE(disk.calls().size() == 3);  // open, sync, open the folder
  CHECK(synced.has_value() == (!own && error == EACCES));
  if (!synced) CHECK(synced.error().code == "key_file_io");
  REQUIRE(vault->ensure_key());
  CHECK(unseals(*vault, seal(*vault)));
}
}  // namespace onward
