// The first token after a power failure at any moment, and on a disk whose calls fail.
#include "tools/onward/first_token.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/disk/disk_calls.h"
#include "tests/support/unsynced_disk.h"
#include "tools/onward/server_file.h"

namespace onward {
namespace {
namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string pattern = fs::temp_directory_path() / "onward-token-XXXXXX";
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path token() const { return path / "token"; }
  fs::path path;
};

/// A token that a power failure left, whole.
std::optional<std::string> token_in(const Files& files) {
  const auto found = files.find("token");
  if (found == files.end()) return std::nullopt;
  INFO("left: \"" << found->second << "\"");
  CHECK(found->second.size() > 40);
  CHECK(found->second.starts_with("onw_"));
  CHECK(found->second.ends_with("\n"));
  return found->second.substr(0, found->second.size() - 1);
}

/// What each next start makes of what a power failure leaves after so many calls.
void each_start_after(const UnsyncedDisk& disk, std::size_t calls,
                      const std::optional<std::string>& durable) {
  INFO("after " << calls << " calls");
  const Folder folder;
  QuickDisk quick;
  const ReplacedDiskCalls replaced{quick};
  for (const Files& files : disk.left_after(calls)) {
    const auto left = token_in(files);
    if (durable) CHECK(left == durable);
    replace_files(folder.path, files);
    FirstToken next;
    REQUIRE(next.prepare(folder.token(), /*store_has_tokens=*/false));
    const auto read = read_token_file(folder.token());
    CHECK(read);
    if (left) CHECK(read == left);
  }
}
}  // namespace

TEST_CASE("a power failure while the first token is made leaves no token file or a whole one",
          "[tools][token][power]") {
  const Folder folder;
  UnsyncedDisk disk{folder.path};
  const ReplacedDiskCalls replaced{disk};
  FirstToken first;
  REQUIRE(first.prepare(folder.token(), /*store_has_tokens=*/false));
  struct stat about {};
  REQUIRE(::stat(folder.token().c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0600);
  const std::size_t calls = disk.calls().size();
  for (std::size_t i = 0; i < calls; ++i) each_start_after(disk, i, std::nullopt);
  each_start_after(disk, calls, read_token_file(folder.token()));
  CHECK(disk.left_now().size() == 1);
}

TEST_CASE("a token that another process wrote is durable before its hash is stored",
          "[tools][token][power]") {
  std::size_t call = 0, found = 0;
  for (bool ended = true; ended; ++call) {
    INFO("the process ends at call " << call);
    const Folder folder;
    UnsyncedDisk disk{folder.path};
    const ReplacedDiskCalls replaced{disk};
    disk.end_at(call);
    ended = false;
    try {
      FirstToken first;
      const Status prepared = first.prepare(folder.token(), /*store_has_tokens=*/false);
      REQUIRE(prepared);
    } catch (const ProcessEnded&) {
      ended = true;
    }
    disk.end_at(static_cast<std::size_t>(-1));
    const auto before = read_token_file(folder.token());
    FirstToken next;
    REQUIRE(next.prepare(folder.token(), /*store_has_tokens=*/false));
    const auto read = read_token_file(folder.token());
    REQUIRE(read);
    if (before) {
      ++found;
      CHECK(before == read);
    }
    each_start_after(disk, disk.calls().size(), read);
  }
  CHECK(found >= 3);
}

TEST_CASE("whichever call fails while the first token is made, the next try makes it",
          "[tools][token][power]") {
  const int error = GENERATE(EIO, ENOSPC);
  const bool known = GENERATE(false, true);
  std::size_t call = 0, failed = 0;
  for (bool reached = true; reached; ++call) {
    INFO("call " << call << " fails");
    const Folder folder;
    if (known) replace_files(folder.path, {{"token", "onw_" + std::string(43, 'x') + "\n"}});
    const Files before = files_of(folder.path);
    UnsyncedDisk disk{folder.path};
    const ReplacedDiskCalls replaced{disk};
    disk.fail(call, error);
    FirstToken first;
    const Status prepared = first.prepare(folder.token(), /*store_has_tokens=*/false);
    reached = disk.calls().size() > call;
    if (!prepared) {
      ++failed;
      CHECK(prepared.error().kind == ErrorKind::Io);
      CHECK(prepared.error().code == "cannot_write");
      CHECK(prepared.error().message.find(folder.token().string() + ": ") != std::string::npos);
      CHECK(prepared.error().message.find(std::strerror(error)) != std::string::npos);
      // Whole, if the last step failed: then its name only may be lost.
      if (files_of(folder.path) != before) CHECK(token_in(files_of(folder.path)));
      CHECK(files_of(folder.path).size() <= 1);
    }
    disk.repair();
    FirstToken next;
    REQUIRE(next.prepare(folder.token(), /*store_has_tokens=*/false));
    if (known) CHECK(files_of(folder.path) == before);
    each_start_after(disk, disk.calls().size(), read_token_file(folder.token()));
  }
  CHECK(failed == (known ? 4 : 6));
}

TEST_CASE("a written file keeps its rights and replaces one that was there", "[tools][token]") {
  const Folder folder;
  const fs::path file = folder.path / "port";
  REQUIRE(write_file(file, "1\n", 0644));
  REQUIRE(write_file(file, "22\n", 0644));
  CHECK(files_of(folder.path) == Files{{"port", "22\n"}});
  const Status written = write_file(folder.path / "none" / "port", "1\n", 0644);
  REQUIRE_FALSE(written);
  CHECK(written.error().message.find("none/port: No such file or directory (open).") !=
        std::string::npos);
}
}  // namespace onward
