#include "tools/bench/others.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "tools/bench/command.h"
#include "tools/bench/server_process.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
std::string text_of(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A process that ends with the object; what it says goes to a file.
class Child {
 public:
  Child(std::vector<std::string> words, std::string log) : log_{std::move(log)} {
    std::vector<char*> pointers;
    pointers.reserve(words.size() + 1);
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) give_up("cannot start " + words[0]);
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int said = ::open(log_.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ::dup2(said, 1);
    ::dup2(said, 2);
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
  }
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void wait_until_open(std::uint16_t port) {
    for (int i = 0; i < 3'000; ++i) {
      if (is_open(port)) return;
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
        pid_ = -1;
        give_up("a program ended at its start:\n" + text_of(log_));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    give_up("a program did not listen within a minute:\n" + text_of(log_));
  }
  double memory_mb() const {
    const std::string status = text_of(fmt::format("/proc/{}/status", pid_));
    return static_cast<double>(number_after(status, "VmRSS:\t").value_or(0)) / 1000;
  }

 private:
  std::string log_;
  pid_t pid_ = -1;
};

class Onward final : public Contender {
 public:
  Onward(const Programs& programs, const std::string& folder, std::uint16_t receiver)
      : server_{{.binary = programs.onward,
                 .data_folder = folder + "/data",
                 .receivers = {receiver},
                 .fsync_extra_ms = 0,
                 .slow_fsync = {}}} {
    const std::string text = webhook_scenario("bench", "measured", receiver);
    const Answer put = server_.request("PUT", "/v1/scenarios/bench", text, "application/yaml");
    const Answer active = server_.request("POST", "/v1/scenarios/bench/activate", "{}");
    if (put.status / 100 != 2 || active.status / 100 != 2) give_up(put.body + active.body);
  }
  std::uint16_t port() const override { return server_.port(); }
  std::string token() const override { return server_.token(); }
  double memory_mb() const override { return server_.figures().memory_mb; }

 private:
  ServerProcess server_;
};

class NodeRed final : public Contender {
 public:
  NodeRed(const Programs& programs, const std::string& folder, std::uint16_t receiver)
      : port_{closed_port()}, node_{words(programs, folder, receiver), folder + "/node-red.log"} {
    node_.wait_until_open(port_);
    // It listens before its flows run.
    std::this_thread::sleep_for(std::chrono::seconds{3});
  }
  std::uint16_t port() const override { return port_; }
  double memory_mb() const override { return node_.memory_mb(); }

 private:
  std::vector<std::string> words(const Programs& programs, const std::string& folder,
                                 std::uint16_t receiver) const {
    std::string flow = text_of(programs.others + "/node_red_flow.json");
    constexpr std::string_view kPlace = "RECEIVER_PORT";
    if (const std::size_t at = flow.find(kPlace); at != std::string::npos) {
      flow.replace(at, kPlace.size(), std::to_string(receiver));
    }
    write_file(folder + "/flow.json", flow);
    std::filesystem::copy_file(programs.others + "/node_red_settings.js", folder + "/settings.js");
    return {programs.node, programs.others + "/node_modules/node-red/red.js",
            "--userDir",   folder,
            "--settings",  folder + "/settings.js",
            "--port",      std::to_string(port_)};
  }

  std::uint16_t port_;
  Child node_;
};

class BullMq final : public Contender {
 public:
  BullMq(const Programs& programs, const std::string& folder, std::uint16_t receiver,
         const std::string& appendfsync)
      : port_{closed_port()},
        redis_port_{closed_port()},
        redis_{{programs.redis, "--bind", "127.0.0.1", "--port", std::to_string(redis_port_),
                "--dir", folder, "--appendonly", "yes", "--appendfsync", appendfsync, "--save", "",
                "--maxmemory-policy", "noeviction"},
               folder + "/redis.log"} {
    redis_.wait_until_open(redis_port_);
    const std::string redis = std::to_string(redis_port_);
    worker_ = std::make_unique<Child>(
        std::vector<std::string>{programs.node, programs.others + "/bullmq_worker.mjs", redis,
                                 std::to_string(receiver)},
        folder + "/worker.log");
    intake_ = std::make_unique<Child>(
        std::vector<std::string>{programs.node, programs.others + "/bullmq_intake.mjs",
                                 std::to_string(port_), redis},
        folder + "/intake.log");
    intake_->wait_until_open(port_);
  }
  std::uint16_t port() const override { return port_; }
  double memory_mb() const override {
    return redis_.memory_mb() + worker_->memory_mb() + intake_->memory_mb();
  }

 private:
  std::uint16_t port_, redis_port_;
  Child redis_;
  std::unique_ptr<Child> worker_, intake_;
};

std::unique_ptr<Contender> start_onward(const Programs& programs, const std::string& folder,
                                        std::uint16_t receiver) {
  return std::make_unique<Onward>(programs, folder, receiver);
}
std::unique_ptr<Contender> start_node_red(const Programs& programs, const std::string& folder,
                                          std::uint16_t receiver) {
  return std::make_unique<NodeRed>(programs, folder, receiver);
}
std::unique_ptr<Contender> start_bullmq(const Programs& programs, const std::string& folder,
                                        std::uint16_t receiver) {
  return std::make_unique<BullMq>(programs, folder, receiver, "everysec");
}
std::unique_ptr<Contender> start_durable_bullmq(const Programs& programs, const std::string& folder,
                                                std::uint16_t receiver) {
  return std::make_unique<BullMq>(programs, folder, receiver, "always");
}
}  // namespace

const std::vector<ContenderKind>& contenders() {
  static const std::vector<ContenderKind> kAll{
      {"onward", "Onward, on disk when answered", start_onward},
      {"node_red", "Node-RED, in memory only", start_node_red},
      {"bullmq", "BullMQ + Redis, fsync each second", start_bullmq},
      {"bullmq_durable", "BullMQ + Redis, fsync each write", start_durable_bullmq},
  };
  return kAll;
}
}  // namespace onward::bench
