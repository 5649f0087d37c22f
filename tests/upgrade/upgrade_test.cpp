// Data folders that earlier commits wrote, opened by this one. README.md says what they hold.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/store/sqlite/sqlite_store.h"
#include "tests/support/child.h"
#include "tests/upgrade/differences.h"
#include "tests/upgrade/finish.h"
#include "tests/upgrade/folder.h"

using namespace onward;
namespace fs = std::filesystem;

namespace {
/// One folder for each commit, by its name.
std::vector<std::string> commits() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator{"tests/upgrade"})
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// The data folder of a commit, made anew.
class OldFolder {
 public:
  explicit OldFolder(const std::string& commit) : texts{fs::path{"tests/upgrade"} / commit} {
    make_data_folder(texts, data);
  }
  TemporaryFolder temporary;
  const fs::path texts, data = temporary.path() / "data";
};

/// Warnings are about the machine that runs the tests, or that a copy does not send.
bool is_sound(const CommandResult& doctor) {
  return doctor.code <= 1 && doctor.out.find(": 0 faults,") != std::string::npos;
}

/// The differences to the answers of a commit that nobody meant, a line each.
std::string unexpected(const Value& answers, const fs::path& texts, const char* file,
                       std::vector<IntendedDifference>& intended) {
  // As JSON tells them: days and instants are texts.
  const Value is = parse_json(to_json(answers), {.depth = 64}).value();
  const Value was = parse_json(read_file(texts / file), {.depth = 64}).value();
  std::string lines;
  std::size_t shown = 0;
  for (const ValueDifference& one : unintended(value_differences(was, is), file, intended))
    if (++shown <= 50) lines += one.path + ": " + one.text + "\n";
  return shown <= 50 ? lines : lines + "and " + std::to_string(shown - 50) + " more\n";
}
}  // namespace

TEST_CASE(
    "a folder of an earlier commit gives the same answers, and its work ends as it would have",
    "[upgrade]") {
  REQUIRE_FALSE(commits().empty());
  const std::string commit = GENERATE(from_range(commits()));
  INFO("the folder of " << commit);
  const OldFolder old{commit};
  const Finished finished = finish(old.data);

  auto intended = read_intended(read_file(old.texts / "differences.json"));
  CHECK(unexpected(finished.at_start, old.texts, kAtStart, intended) == "");
  CHECK(unexpected(finished.at_end, old.texts, kAtEnd, intended) == "");
  for (const IntendedDifference& one : intended) {
    INFO("differences.json names " << one.path << ", and there is no such difference");
    CHECK(one.met);
  }
  CHECK(finished.repeats == std::vector<std::string>{"duplicate", "conflict"});
  CHECK(finished.broken == std::vector<std::string>{});
  CHECK(finished.at_end.find("live_runs")->list()->empty());
  for (const Value& delivery : *finished.at_end.find("deliveries")->list())
    CHECK(*delivery.find("state") != Value{"pending"});
}

TEST_CASE("a folder of an earlier commit has all kinds of rows, some of them in the journal",
          "[upgrade]") {
  const std::string commit = GENERATE(from_range(commits()));
  INFO("the folder of " << commit);
  const std::string sql = read_file(fs::path{"tests/upgrade"} / commit / kDatabaseText);
  for (const char* table :
       {"activity", "admin", "attempts", "contact_emails", "contact_ids", "contacts", "counters",
        "deliveries", "journal", "ledger", "ledger_keyed", "meta", "requests", "runs", "runs_live",
        "scenarios", "timers", "tokens", "versions"}) {
    INFO(table);
    CHECK(sql.find("INSERT INTO " + std::string{table} + " ") != std::string::npos);
  }
}

TEST_CASE("the doctor finds a folder of an earlier commit sound, before and after it is opened",
          "[upgrade]") {
  const std::string commit = GENERATE(from_range(commits()));
  INFO("the folder of " << commit);
  const OldFolder old{commit};
  const std::vector<std::string> doctor{"doctor", "--data", old.data.string()};
  const CommandResult before = run_onward(doctor);
  INFO(before.out << before.err);
  CHECK(is_sound(before));
  REQUIRE(open_sqlite_store({.folder = old.data}));  // brings the database to the newest schema
  const CommandResult after = run_onward(doctor);
  INFO(after.out << after.err);
  CHECK(is_sound(after));
}

TEST_CASE("a folder of an earlier commit is backed up, restored and served by the real binary",
          "[upgrade]") {
  const std::string commit = GENERATE(from_range(commits()));
  INFO("the folder of " << commit);
  const OldFolder old{commit};
  const fs::path backup = old.temporary.path() / "backup", copy = old.temporary.path() / "copy";
  const CommandResult saved =
      run_onward({"backup", "--data", old.data.string(), "--with-key", "--quiet", backup.string()});
  INFO(saved.err);
  REQUIRE(saved.code == 0);
  const CommandResult restored =
      run_onward({"restore", backup.string(), "--data", copy.string(), "--json"});
  INFO(restored.err);
  REQUIRE(restored.code == 0);

  // A restored copy sends nothing and fires no timer, whatever the clock of this machine says.
  ServerChild server{copy};
  const auto ask = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--data", copy.string()});
    const CommandResult result = run_onward(words);
    INFO(result.err);
    CHECK(result.code == 0);
    return result.out;
  };
  const std::string scenarios = ask({"scenarios", "--json"});
  for (const char* id : {"\"welcome\"", "\"course\"", "\"later\"", "\"purged\""})
    CHECK(scenarios.find(id) != std::string::npos);
  CHECK(ask({"show", "welcome"}).starts_with("scenario: welcome\n"));
  const std::string secrets = ask({"secret", "list"});
  CHECK(secrets.find("signing") != std::string::npos);
  CHECK(secrets.find("any host (not set)") != std::string::npos);
  CHECK(server.stop() == 0);
  const CommandResult doctor = run_onward({"doctor", "--data", copy.string()});
  INFO(doctor.out << doctor.err);
  CHECK(is_sound(doctor));
  CHECK(doctor.out.find("nothing is sent and no timer fires") != std::string::npos);
  CHECK(doctor.out.find("secret signing") != std::string::npos);
}

TEST_CASE("differences of answers are found by path, and intended ones are named", "[upgrade]") {
  const Value was = parse_json(R"({"a": {"x": 1, "y": [1, 2]}, "b": "gone", "c": [1]})").value();
  const Value is = parse_json(R"({"c": [1, 2], "a": {"y": [1, 3], "x": 1, "new": null}})").value();
  std::vector<std::string> paths;
  for (const ValueDifference& one : value_differences(was, is)) paths.push_back(one.path);
  std::ranges::sort(paths);
  CHECK(paths == std::vector<std::string>{"a.new", "a.y.1", "b", "c"});
  auto intended = read_intended(R"([{"path": "a.*.1", "why": "x"}, {"path": "*", "why": "y"},
                                    {"path": "a.x", "why": "never"},
                                    {"path": "a.new", "why": "z", "file": "at_end.json"}])");
  const auto left = unintended(value_differences(was, is), kAtStart, intended);
  REQUIRE(left.size() == 1);
  CHECK(left.front().path == "a.new");
  CHECK(unintended(value_differences(was, is), kAtEnd, intended).empty());
  CHECK(intended[0].met);
  CHECK(intended[1].met);
  CHECK_FALSE(intended[2].met);
}
