#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>

#include "engine/cell/quarantine.h"
#include "engine/guard/working_file.h"
#include "tests/support/child.h"

using namespace onward;

namespace {
constexpr WorkItem kOne{.kind = WorkKind::Event, .key = {.high = 1, .low = 2}};
constexpr WorkItem kOther{.kind = WorkKind::Event, .key = {.high = 3, .low = 4}};

std::unique_ptr<WorkingFile> open(const TemporaryFolder& folder, std::string_view build = "1") {
  auto file = WorkingFile::open(folder.path() / "working", build);
  REQUIRE(file);
  return std::move(*file);
}
/// A process that dies while it works on `item`.
void die(const TemporaryFolder& folder, const WorkItem& item, std::string_view label = {}) {
  open(folder)->begin(item, label);
}
}  // namespace

TEST_CASE("what a process died on three times is poison, and not before", "[guard][working]") {
  TemporaryFolder folder;
  for (std::uint32_t crashes = 1; crashes <= 3; ++crashes) {
    die(folder, kOne, "web e-17");
    const auto file = open(folder);
    REQUIRE(file->suspects().size() == 1);
    CHECK(file->suspects()[0].item == kOne);
    CHECK(file->suspects()[0].label == "web e-17");
    CHECK(file->suspects()[0].crashes == crashes);
    CHECK(file->suspects()[0].fresh);
    CHECK(file->died_at_work());
    CHECK(file->is_poison(kOne) == (crashes == 3));
    CHECK_FALSE(file->is_poison(kOther));
  }
  CHECK_FALSE(open(folder)->suspects()[0].fresh);
  CHECK_FALSE(open(folder)->died_at_work());
}

TEST_CASE("an end without a note blames nobody", "[guard][working]") {
  TemporaryFolder folder;
  {
    const auto file = open(folder);
    file->begin(kOne);
    file->end();
    file->deliver_note().begin({7});
    file->deliver_note().end();
  }
  CHECK(open(folder)->suspects().empty());
}

TEST_CASE("work that went well, and a clean stop, clear what was counted", "[guard][working]") {
  TemporaryFolder folder;
  die(folder, kOne);
  die(folder, kOne);
  SECTION("went well") { open(folder)->forget(kOne); }
  SECTION("clean stop") { open(folder)->clean_stop(); }
  die(folder, kOne);
  CHECK(open(folder)->suspects().at(0).crashes == 1);
}

TEST_CASE("two poisons are told apart, whichever comes first", "[guard][working]") {
  TemporaryFolder folder;
  for (int i = 0; i < 3; ++i) {
    die(folder, kOne);
    die(folder, kOther);
  }
  const auto file = open(folder);
  CHECK(file->is_poison(kOne));
  CHECK(file->is_poison(kOther));
  file->clean_stop();
  CHECK(open(folder)->is_poison(kOne));
}

TEST_CASE("both threads on one delivery died of it once", "[guard][working]") {
  TemporaryFolder folder;
  {
    const auto file = open(folder);
    file->begin(work_item(DeliveryKey{7}));
    file->deliver_note().begin({7});
  }
  CHECK(open(folder)->suspects().at(0).crashes == 1);
}

TEST_CASE("many ends among other things never fill the file nor push poison out",
          "[guard][working]") {
  TemporaryFolder folder;
  for (int i = 0; i < 3; ++i) die(folder, kOne);
  for (std::uint64_t i = 0; i < 200; ++i)
    die(folder, {.kind = WorkKind::Patch, .key = {.high = i}});
  const auto file = open(folder);
  CHECK(file->suspects().size() == WorkingFile::kSuspectsMax);
  CHECK(file->is_poison(kOne));
  for (const Suspect& one : file->suspects())
    if (one.item.kind == WorkKind::Patch) CHECK(one.crashes == 1);
}

TEST_CASE("another build begins anew, and so does a file that is none of ours",
          "[guard][working]") {
  TemporaryFolder folder;
  for (int i = 0; i < 3; ++i) die(folder, kOne);
  SECTION("build") { CHECK(open(folder, "2")->suspects().empty()); }
  SECTION("short") {
    std::filesystem::resize_file(folder.path() / "working", 100);
    CHECK(open(folder)->suspects().empty());
  }
  SECTION("garbage") {
    const auto path = folder.path() / "working";
    const auto size = std::filesystem::file_size(path);
    std::ofstream{path, std::ios::binary} << std::string(size, '\xff');
    CHECK(open(folder)->suspects().empty());
  }
  SECTION("garbage behind a sound head") {
    const auto path = folder.path() / "working";
    const auto size = std::filesystem::file_size(path);
    std::fstream file{path, std::ios::binary | std::ios::in | std::ios::out};
    file.seekp(16);
    file << std::string(size - 16, '\xff');
    file.close();
    CHECK(open(folder)->suspects().empty());
  }
}

TEST_CASE("a folder that is not there is told with its path", "[guard][working]") {
  TemporaryFolder folder;
  const auto file = WorkingFile::open(folder.path() / "no" / "working", "1");
  REQUIRE_FALSE(file);
  CHECK(file.error().message.find("no/working") != std::string::npos);
}

TEST_CASE("a file that is cut under the process costs its notes and nothing else",
          "[guard][working]") {
  TemporaryFolder folder;
  const auto path = folder.path() / "working";
  const auto file = open(folder);
  file->begin(kOne, "a");
  CHECK_FALSE(file->lost());
  std::filesystem::resize_file(path, 0);
  for (int turn = 0; turn < 3; ++turn) {
    file->begin(kOther, "b");
    file->begin_text(kOne, "c");
    file->deliver_note().begin({7});
    file->deliver_note().end();
    file->end_text();
    file->end();
    file->forget(kOne);
    file->clean_stop();
  }
  CHECK(file->lost());
  CHECK(open(folder)->suspects().empty());
}

TEST_CASE("no link is followed, and no FIFO waited for", "[guard][working]") {
  TemporaryFolder folder;
  const auto path = folder.path() / "working", other = folder.path() / "other";
  std::ofstream{other} << "keep";
  SECTION("a link") { std::filesystem::create_symlink(other, path); }
  SECTION("a FIFO") { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }
  CHECK_FALSE(WorkingFile::open(path, "1"));
  CHECK(std::filesystem::file_size(other) == 4);
}

TEST_CASE("what was worked on leaves no name behind", "[guard][working]") {
  TemporaryFolder folder;
  const auto content = [&] {
    std::ifstream in{folder.path() / "working", std::ios::binary};
    return std::string{std::istreambuf_iterator<char>{in}, {}};
  };
  {
    const auto file = open(folder);
    file->begin(kOne, "ada@example.org");
    CHECK(content().find("ada") != std::string::npos);
    file->end();
    CHECK(content().find("ada") == std::string::npos);
  }
  die(folder, kOther, "ada@example.org");
  const auto file = open(folder);
  CHECK(content().find("ada") != std::string::npos);
  file->forget_label("ada@example.org");
  CHECK(content().find("ada") == std::string::npos);
  CHECK(file->suspects().size() == 1);
}
