// A scenario's whole life through the real binary, as docs/scenario-life.md tells it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;

namespace {
/// A server, a receiver, and what an author types.
class Author {
 public:
  CommandResult operator()(std::vector<std::string> words, const std::string& input = {}) const {
    words.insert(words.end(),
                 {"--server", server_.url(), "--data", (folder_.path() / "data").string()});
    return run_onward(words, input);
  }
  Value json(std::vector<std::string> words) const {
    words.emplace_back("--json");
    const CommandResult result = (*this)(std::move(words));
    INFO(result.err);
    REQUIRE(result.code == 0);
    return parse_json(result.out).value();
  }
  std::string file(const std::string& name, const std::string& text) const {
    const auto path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    FILE* out = std::fopen(path.c_str(), "w");
    REQUIRE(out != nullptr);
    std::fputs(text.c_str(), out);
    std::fclose(out);
    return path.string();
  }
  void subscribe(const std::string& email) const {
    REQUIRE((*this)({"events", "send", "subscription", "--email", email}).code == 0);
  }
  /// Looks at the numbers until nothing is pending.
  Value settled(const std::string& scenario) const {
    for (int look = 0; look < 200; ++look) {
      Value stats = json({"stats", scenario});
      std::int64_t pending = 0;
      for (const char* side : {"live", "test"})
        for (const Value& node : *stats.find(side)->find("nodes")->list())
          pending += *node.find("pending")->get_if<std::int64_t>();
      if (pending == 0) return stats;
    }
    FAIL("requests stay pending");
    return {};
  }
  LocalReceiver& receiver() { return receiver_; }

 private:
  TemporaryFolder folder_;
  LocalReceiver receiver_;
  ServerChild server_{folder_.path() / "data",
                      {"--allow-host", fmt::format("127.0.0.1:{}", receiver_.port())}};
};

std::string guarded(const std::string& url) {
  return fmt::format(R"(scenario: welcome
reentry: after_exit
nodes:
  signed_up: {{ kind: trigger, event: subscription, next: is_tester }}
  is_tester: # only our own address for now
    kind: condition
    if: {{ email: {{ is: jane.tester@example.org }} }}
    yes: tell_crm
    no: end
  tell_crm: {{ kind: send_webhook, url: "{}", next: end }}
)",
                     url);
}
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("a scenario is tested by a condition, copied, and the copy goes to work",
          "[end_to_end][life]") {
  Author onward;
  const std::string file = onward.file("welcome.yaml", guarded(onward.receiver().url()));
  REQUIRE(onward({"apply", file}).code == 0);
  REQUIRE(onward({"activate", "welcome"}).code == 0);
  onward.subscribe("jane.tester@example.org");
  onward.subscribe("ada@example.org");
  REQUIRE(onward.receiver().wait_for(1));
  Value stats = onward.settled("welcome");
  CHECK(*stats.find_path("live.nodes.2.unique_contacts") == Value{1});
  CHECK(*stats.find_path("live.nodes.2.accepted") == Value{1});
  CHECK(*stats.find_path("live.nodes.2.failed") == Value{0});

  CHECK(onward({"duplicate", "welcome", "welcome-2"}).code == 0);
  CHECK(onward({"archive", "welcome"}).code == 0);
  std::string text = onward({"show", "welcome-2"}).out;
  CHECK(has(text, "# only our own address for now"));
  text.replace(text.find("next: is_tester"), 15, "next: tell_crm");
  text.erase(text.find("  is_tester:"), text.find("  tell_crm:") - text.find("  is_tester:"));
  const std::string copy = onward.file("welcome-2.yaml", text);
  const CommandResult plan = onward({"plan", copy, "--detailed-exitcode"});
  CHECK(plan.code == 2);
  CHECK(has(plan.out, "- is_tester (condition)"));
  REQUIRE(onward({"apply", copy}).code == 0);
  CHECK(onward({"plan", copy, "--detailed-exitcode"}).code == 0);
  CHECK(has(onward({"diff", "welcome-2"}).out, "next → tell_crm, was is_tester"));
  REQUIRE(onward({"activate", "welcome-2"}).code == 0);
  onward.subscribe("ada@example.org");
  REQUIRE(onward.receiver().wait_for(2));
  stats = onward.settled("welcome-2");
  CHECK(*stats.find_path("live.nodes.1.accepted") == Value{1});

  CHECK(onward({"activate", "welcome"}).code == 65);
  CHECK(onward({"purge", "welcome"}).code == 64);  // not without a word
  CHECK(has(onward({"purge", "welcome", "--yes"}).out, "welcome: purged"));
  CHECK(*onward.json({"stats", "welcome"}).find_path("live.nodes.2.accepted") == Value{1});
  const CommandResult list = onward({"scenarios", "--sort", "entered", "--state", "archived"});
  CHECK(has(list.out, "welcome"));
  CHECK_FALSE(has(list.out, "welcome-2"));
}

TEST_CASE("fault 72: a file is read once, and what was checked is what is sent",
          "[end_to_end][life][faults]") {
  Author onward;
  const std::string good = guarded("https://a.example/first");
  const std::string other = onward.file("other.txt", guarded("https://a.example/second"));
  const std::string beside = onward.file(
      "all/b.yaml", "scenario: b\nnodes:\n  joined: { kind: trigger, event: opened, next: end }\n");
  const std::string folder = beside.substr(0, beside.rfind('/'));
  const std::string file = folder + "/a.yaml";
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  // Who opens it gets the one text; whoever opens that name later, another.
  std::jthread writer{[&] {
    const int pipe = ::open(file.c_str(), O_WRONLY);
    std::filesystem::rename(other, file);
    (void)!::write(pipe, good.data(), good.size());
    ::close(pipe);
  }};
  const CommandResult result = onward({"apply", folder});
  ::close(::open(file.c_str(), O_RDONLY | O_NONBLOCK));  // Lets a writer go whom nobody read.
  writer.join();
  CHECK(result.code == 0);
  CHECK(has(result.out, "welcome: version 1 applied"));
  CHECK(onward({"show", "welcome"}).out == good);
}

TEST_CASE("fault 85: a server's test button reaches nobody whom its deliveries may not reach",
          "[end_to_end][life][faults]") {
  Author onward;
  LocalReceiver inside;  // of the network, and nowhere allowed
  const std::string file = onward.file("welcome.yaml", guarded(inside.url()));
  REQUIRE(onward({"apply", file}).code == 0);
  const CommandResult test = onward({"webhook", "test", "welcome", "tell_crm", "--json"});
  CHECK(test.code == 65);
  CHECK(has(test.out, R"("code":"blocked_policy")"));
  CHECK(has(test.out, R"("status":null)"));
  CHECK(inside.connections() == 0);
}

TEST_CASE("test mode has its own numbers, and is left", "[end_to_end][life]") {
  Author onward;
  const std::string file = onward.file("welcome.yaml", guarded(onward.receiver().url()));
  REQUIRE(onward({"apply", file}).code == 0);
  REQUIRE(onward({"activate", "welcome", "--test-email", "Jane.Tester@example.org"}).code == 0);
  onward.subscribe("jane.tester@example.org");
  onward.subscribe("ada@example.org");
  REQUIRE(onward.receiver().wait_for(1));
  Value stats = onward.settled("welcome");
  CHECK(*stats.find_path("test.nodes.2.accepted") == Value{1});
  CHECK(*stats.find_path("live.entered") == Value{0});
  CHECK(*stats.find_path("live.refused.test_mode") == Value{1});
  REQUIRE(onward({"activate", "welcome"}).code == 0);
  onward.subscribe("ada@example.org");
  CHECK(*onward.json({"stats", "welcome"}).find_path("live.entered") == Value{1});
}

TEST_CASE("a folder is applied whole or not at all, and runs are moved", "[end_to_end][life]") {
  Author onward;
  const auto course = [](std::string_view nodes) {
    return fmt::format("scenario: course\nreentry: never\nnodes:\n{}", nodes);
  };
  const std::string one = course(
      "  joined: { kind: trigger, event: subscription, next: pause }\n"
      "  pause:  { kind: wait, for: 7d, next: end }\n");
  const std::string two = course(
      "  joined: { kind: trigger, event: subscription, next: rest }\n"
      "  rest:   { kind: wait, for: 3d, next: end }\n");
  const std::string file = onward.file("all/course.yaml", one);
  onward.file("all/other.yml",
              "scenario: other\nreentry: never\nnodes:\n"
              "  joined: { kind: trigger, event: opened, next: nowhere }\n");
  const std::string folder = file.substr(0, file.rfind('/'));
  CommandResult result = onward({"apply", folder});
  CHECK(result.code == 65);
  CHECK(has(result.err, "nowhere"));
  CHECK(onward.json({"scenarios"}).find("scenarios")->list()->empty());
  CHECK(run_onward({"validate", folder}).code == 65);

  result = onward({"apply", folder, "--keep-going"});
  CHECK(result.code == 65);
  CHECK(has(result.out, "course: version 1 applied, draft"));
  REQUIRE(onward({"activate", "course"}).code == 0);
  onward.subscribe("ada@example.org");

  onward.file("all/course.yaml", two);
  result = onward({"apply", file, "--migrate"});
  CHECK(result.code == 65);
  CHECK(has(result.err, "1 contact waits at \"pause\" of version 1"));
  result = onward({"apply", file, "--migrate", "--map", "pause=rest"});
  CHECK(result.code == 0);
  CHECK(has(result.out, "course: 1 run is on version 2 now"));
  CHECK(onward({"show", "course", "--version", "1"}).out == one);
  CHECK(onward({"show", "course"}).out == two);
  CHECK(onward({"show", "course", "--version", "3"}).code == 66);
  const Value versions = onward.json({"versions", "course"});
  CHECK(*versions.find_path("versions.0.inside") == Value{1});
  CHECK(*versions.find_path("versions.1.inside") == Value{0});
}
