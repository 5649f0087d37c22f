// backup and restore through the real binary, as docs/backup.md tells it.
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"
#include "tests/support/child.h"
#include "tests/support/local_receiver.h"

using namespace onward;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {
/// Refuses or accepts, as the test says.
struct Receiver {
  std::atomic<bool> accepts = false;
  LocalReceiver local{[this](Peer& peer) {
    while (peer.read())
      if (!peer.send(http_reply(accepts ? 200 : 503))) return;
  }};
  std::vector<std::string> allowed() const {
    return {"--allow-host", fmt::format("127.0.0.1:{}", local.port())};
  }
  /// Contact -> webhook-ids.
  std::map<std::string, std::set<std::string>> ids() const {
    std::map<std::string, std::set<std::string>> ids;
    for (const ReceivedRequest& request : local.requests()) {
      const Value body = parse_json(request.body).value();
      ids[to_text(*body.find_path("data.id"))].insert(request.header("webhook-id").value_or(""));
    }
    return ids;
  }
};

CommandResult on(const fs::path& data, std::vector<std::string> words,
                 const std::string& input = {}) {
  words.insert(words.end(), {"--data", data.string()});
  return run_onward(words, input);
}

std::string token_in(const fs::path& data) {
  std::ifstream in{data / "token"};
  std::string token;
  std::getline(in, token);
  CHECK(token.starts_with("onw_"));
  return token;
}

void author(const fs::path& data, const Receiver& receiver) {
  const std::string scenario = fmt::format(R"(scenario: welcome
nodes:
  joined: {{ kind: trigger, event: subscription, next: tell }}
  tell:   {{ kind: send_webhook, url: "{}", retry: {{ delays: [1s] }}, next: pause }}
  pause:  {{ kind: wait, for: 30d, next: reply }}
  reply:  {{ kind: wait_until, event: answered, timeout: 3d, next: end, on_timeout: end }}
)",
                                           receiver.local.url());
  REQUIRE(on(data, {"apply", "-"}, scenario).code == 0);
  REQUIRE(on(data, {"activate", "welcome"}).code == 0);
}

void subscribe(const fs::path& data, const std::string& contact) {
  REQUIRE(
      on(data, {"events", "send", "subscription", "--contact", contact, "--id", contact}).code ==
      0);
}

std::int64_t count(const fs::path& data, const std::string& what) {
  const CommandResult result = on(data, {"stats", "welcome", "--json"});
  REQUIRE(result.code == 0);
  const Value stats = parse_json(result.out).value();
  for (const Value& node : *stats.find_path("live.nodes")->list())
    if (*node.find("id")->text() == "tell") return *node.find(what)->get_if<std::int64_t>();
  FAIL("no node tell");
  return 0;
}

/// Posts one event after the other over one connection, each of a contact of its own, until it is
/// told to stop or something is wrong.
class Sender {
 public:
  Sender(const ServerChild& server, std::string token)
      : token_{std::move(token)}, socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    const std::string& url = server.url();
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      ended_ = true;
    else
      thread_ = std::thread{[this] { post_all(); }};
  }
  ~Sender() {
    stop();
    ::close(socket_);
  }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  static std::string contact(int number) { return fmt::format("late{}", number); }
  /// How many events, from the first, are acknowledged.
  int acknowledged() const { return acknowledged_; }
  /// Waits for one more; false where there comes none.
  bool one_more() const {
    for (const int before = acknowledged_; acknowledged_ == before; std::this_thread::yield())
      if (ended_) return false;
    return true;
  }
  void stop() {
    enough_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void post_all() {
    while (!enough_ && post(contact(acknowledged_))) ++acknowledged_;
    ended_ = true;
  }
  bool post(const std::string& who) {
    const std::string body =
        fmt::format(R"({{"id":"{0}","type":"subscription","contact":{{"id":"{0}"}}}})", who);
    const std::string request = fmt::format(
        "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        token_, body.size(), body);
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
      return false;
    std::string answer;
    while (!whole(answer)) {
      char buffer[4096];
      const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
      if (got <= 0) return false;
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    return answer.starts_with("HTTP/1.1 202");
  }
  static bool whole(const std::string& answer) {
    const std::size_t length = answer.find("Content-Length: "), end = answer.find("\r\n\r\n");
    return end != answer.npos && length < end &&
           answer.size() >= end + 4 + std::stoul(answer.substr(length + 16));
  }

  std::string token_;
  int socket_;
  std::atomic<bool> enough_ = false, ended_ = false;
  std::atomic<int> acknowledged_ = 0;
  std::thread thread_;
};

/// What the doctor says of a check: "sound", "warning" or "fault"; of none, nothing.
std::string doctor_on(const fs::path& data, const std::string& check) {
  const CommandResult result = on(data, {"doctor", "--json"});
  INFO(result.out);
  const Value told = parse_json(result.out).value();
  // A machine of tests may have little room, which is a warning.
  CHECK(*told.find("faults") == Value{0});
  CHECK((result.code == 0 || result.code == 1));
  for (const Value& one : *told.find("checks")->list())
    if (*one.find("check")->text() == check) return *one.find("result")->text();
  return {};
}

/// Asks the server in between, so that it has its turn.
template <class Holds>
void until(const fs::path& data, Holds holds) {
  const auto patience = std::chrono::steady_clock::now() + 30s;
  while (!holds()) {
    (void)count(data, "visits");
    REQUIRE(std::chrono::steady_clock::now() < patience);
  }
}
}  // namespace

TEST_CASE("a copy drawn under load is whole, is restored, and sends nothing until it is told to",
          "[end_to_end][backup]") {
  TemporaryFolder folder;
  const fs::path data = folder.path() / "data", backup = folder.path() / "monday",
                 copy = folder.path() / "copy";
  Receiver receiver;
  std::int64_t acknowledged = 0;
  int before_copy = 0;
  {
    ServerChild server{data, receiver.allowed()};
    author(data, receiver);
    // Together: once some have been refused, others wait for a pause to end.
    std::string five;
    for (int i = 0; i < 5; ++i)
      five += fmt::format(
          "{{\"id\":\"c{0}\",\"type\":\"subscription\",\"contact\":{{\"id\":\"c{0}\"}}}}\n", i);
    REQUIRE(on(data, {"events", "import", "-", "--quiet"}, five).code == 0);
    until(data, [&] { return receiver.ids().size() == 5; });
    // Others go on sending while the copy is drawn.
    Sender sender{server, token_in(data)};
    for (int i = 0; i < 20; ++i) REQUIRE(sender.one_more());
    before_copy = sender.acknowledged();
    acknowledged = 5 + before_copy;
    const CommandResult drawn = on(data, {"backup", backup.string(), "--json"});
    CHECK(sender.acknowledged() > before_copy);
    REQUIRE(sender.one_more());
    sender.stop();
    INFO(drawn.err);
    REQUIRE(drawn.code == 0);
    CHECK(*parse_json(drawn.out)->find("sequence")->get_if<std::int64_t>() >= acknowledged);
    CHECK_FALSE(fs::exists(backup / "secret.key"));
    CHECK_FALSE(fs::exists(backup / "token"));
    CHECK(on(data, {"backup", backup.string()}).err.find("is there already") != std::string::npos);
    CHECK(doctor_on(data, "ready") == "sound");
    CHECK(server.stop() == 0);
  }
  CHECK(doctor_on(data, "server").empty());
  const auto sent = receiver.ids();
  receiver.accepts = true;

  const CommandResult refused = run_onward({"restore", backup.string(), "--data", data.string()});
  CHECK(refused.code != 0);
  CHECK(refused.err.find("nothing is written over") != std::string::npos);
  const CommandResult restored = run_onward({"restore", backup.string(), "--data", copy.string()});
  INFO(restored.err);
  REQUIRE(restored.code == 0);
  CHECK(restored.err.find("resume-sending") != std::string::npos);
  // A token of its own, for its owner alone: the original's stayed with the original.
  CHECK(restored.err.find("A new admin token") != std::string::npos);
  CHECK(fs::status(copy / "token").permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(token_in(copy) != token_in(data));
  const std::size_t before = receiver.local.requests().size();

  ServerChild server{copy, receiver.allowed()};
  CHECK(count(copy, "visits") >= acknowledged);
  // Each that was acknowledged before is in it.
  const CommandResult exported = on(copy, {"contacts", "export", "--fields", "id"});
  REQUIRE(exported.code == 0);
  for (int i = 0; i < before_copy; ++i) {
    INFO(Sender::contact(i));
    CHECK(exported.out.find("\n" + Sender::contact(i) + "\r\n") != std::string::npos);
  }
  const auto ready = http_call({.method = "GET", .url = server.url() + "/readyz"}, 10s);
  REQUIRE(ready);
  CHECK(ready->body.find(R"("sending":"held")") != std::string::npos);
  const std::int64_t visits = count(copy, "visits");
  subscribe(copy, "new");
  CHECK(count(copy, "pending") == visits + 1);
  CHECK(receiver.local.requests().size() == before);
  CHECK(doctor_on(copy, "sending") == "warning");
  CHECK(doctor_on(copy, "ready") == "warning");

  REQUIRE(on(copy, {"resume-sending"}).code != 0);  // nobody there to say yes
  REQUIRE(on(copy, {"resume-sending", "--yes"}).code == 0);
  until(copy, [&] { return count(copy, "pending") == 0; });
  const auto ids = receiver.ids();
  REQUIRE(ids.at("new").size() == 1);
  const std::string epoch = sent.at("c0").begin()->substr(0, 16);
  CHECK(ids.at("new").begin()->substr(0, 16) != epoch);
  for (const auto& [contact, names] : sent) CHECK(ids.at(contact) == names);
  CHECK(server.stop() == 0);
}

TEST_CASE("a stopped folder is backed up as well, and a changed copy is not restored",
          "[end_to_end][backup]") {
  TemporaryFolder folder;
  const fs::path data = folder.path() / "data", backup = folder.path() / "b";
  Receiver receiver;
  receiver.accepts = true;
  {
    ServerChild server{data, receiver.allowed()};
    author(data, receiver);
    REQUIRE(on(data, {"secret", "set", "crm_key", "--host", "crm.example.com"}, "shhh").code == 0);
    subscribe(data, "c1");
    server.kill();  // with its write-ahead log
  }
  CHECK(doctor_on(data, "secrets") == "sound");
  REQUIRE(on(data, {"backup", backup.string(), "--with-key"}).code == 0);
  CHECK(fs::exists(backup / "secret.key"));
  CHECK(fs::exists(backup / "token"));
  fs::remove(data / "onward.db-wal");
  const CommandResult torn = on(data, {"backup", (folder.path() / "torn").string()});
  CHECK(torn.code != 0);
  CHECK(torn.err.find("onward.db-wal is missing") != std::string::npos);
  CHECK_FALSE(fs::exists(folder.path() / "torn"));

  const fs::path copy = folder.path() / "copy";
  REQUIRE(run_onward({"restore", backup.string(), "--data", copy.string(), "--release"}).code == 0);
  {
    ServerChild server{copy, receiver.allowed()};
    until(copy, [&] { return count(copy, "accepted") == 1; });
    CHECK(token_in(copy) == token_in(data));
    CHECK(on(copy, {"secret", "list"}).out.find("crm_key") != std::string::npos);
    CHECK(on(copy, {"resume-sending"}).out.find("Nothing is held") != std::string::npos);
    CHECK(server.stop() == 0);
  }

  FILE* database = std::fopen((backup / "onward.db").c_str(), "r+");
  REQUIRE(database != nullptr);
  std::fseek(database, 5'000, SEEK_SET);
  std::fputs("flipped", database);
  std::fclose(database);
  const fs::path other = folder.path() / "other";
  const CommandResult wrong = run_onward({"restore", backup.string(), "--data", other.string()});
  CHECK(wrong.code == 65);
  CHECK(wrong.err.find("SHA-256") != std::string::npos);
  CHECK_FALSE(fs::exists(other));
  CHECK(
      run_onward({"restore", data.string(), "--data", other.string()}).err.find("manifest.json") !=
      std::string::npos);
}

TEST_CASE("a backup and what is left of a restore that was cut off are not served",
          "[end_to_end][backup]") {
  TemporaryFolder folder;
  const fs::path data = folder.path() / "data", backup = folder.path() / "b",
                 copy = folder.path() / "copy";
  Receiver receiver;
  {
    const ServerChild server{data, receiver.allowed()};
    author(data, receiver);
    subscribe(data, "c1");
    REQUIRE(on(data, {"secret", "set", "crm_key", "--host", "crm.example.com"}, "shhh").code == 0);
    REQUIRE(on(data, {"backup", backup.string(), "--with-key"}).code == 0);
  }
  const auto serve = [&](const fs::path& what) {
    std::vector<std::string> words{"serve", "--listen", "127.0.0.1:0"};
    for (std::string& word : receiver.allowed()) words.push_back(word);
    return on(what, words);
  };
  const CommandResult refused = serve(backup);
  CHECK(refused.code == 78);
  CHECK(refused.err.find("onward restore") != std::string::npos);

  // The database comes first; the file that comes last is more than the restore may write.
  fs::resize_file(backup / "token", 64 << 20);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit little{.rlim_cur = 32 << 20, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
  const CommandResult cut = run_onward({"restore", backup.string(), "--data", copy.string()});
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(cut.code == 128 + SIGXFSZ);
  CHECK_FALSE(fs::exists(copy));
  int drafts = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator{folder.path()}) {
    if (!entry.path().filename().string().starts_with("copy.draft-")) continue;
    ++drafts;
    CHECK(fs::exists(entry.path() / "onward.db"));
    CHECK(serve(entry.path()).code == 78);
  }
  CHECK(drafts == 1);
}
