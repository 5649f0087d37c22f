#include "tools/bench/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <curl/curl.h>
#include <memory>

#include <fmt/format.h>

#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
using namespace std::chrono_literals;

constexpr std::int64_t kStartPatience = 120'000'000'000;

std::string read_file(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string first_line(const std::string& path) {
  const std::string text = read_file(path);
  return text.substr(0, text.find_first_of("\r\n"));
}

/// Kilobytes of a line of /proc/PID/status, as megabytes.
double status_mb(const std::string& status, std::string_view key) {
  return static_cast<double>(number_after(status, fmt::format("{}:\t", key)).value_or(0)) / 1000;
}

/// User and system time in a /proc stat file; the name in it may hold anything, so from its end.
double processor_seconds(const std::string& stat) {
  std::istringstream fields{stat.substr(stat.rfind(')') + 1)};
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::size_t append_to(char* data, std::size_t size, std::size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}
}  // namespace

ServerProcess::ServerProcess(ServerPlan plan) : plan_{std::move(plan)} { start(); }

void ServerProcess::start() {
  const std::string port_file = plan_.data_folder + ".port";
  const std::string log_file = plan_.data_folder + ".log";
  std::filesystem::remove(port_file);
  std::vector<std::string> words{plan_.binary, "serve",       "--data",      plan_.data_folder,
                                 "--listen",   "127.0.0.1:0", "--port-file", port_file};
  for (const std::uint16_t receiver : plan_.receivers) {
    words.push_back("--allow-host");
    words.push_back(fmt::format("127.0.0.1:{}", receiver));
  }
  words.insert(words.end(), plan_.options.begin(), plan_.options.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // All made before the fork: the child of a process with threads may not allocate.
  std::string preload = "LD_PRELOAD=" + plan_.slow_fsync;
  std::string extra =
      fmt::format("ONWARD_FSYNC_EXTRA_US={}", static_cast<long>(plan_.fsync_extra_ms * 1'000));
  std::vector<char*> environment;
  for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
  if (plan_.fsync_extra_ms > 0) {
    environment.push_back(preload.data());
    environment.push_back(extra.data());
  }
  environment.push_back(nullptr);
  const std::int64_t started_ns = now_ns();
  pid_ = ::fork();
  if (pid_ < 0) give_up("cannot start a process");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int log = ::open(log_file.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ::dup2(log, 1);
    ::dup2(log, 2);
    ::execve(arguments[0], arguments.data(), environment.data());
    ::_exit(127);
  }
  wait_until_ready(port_file);
  seconds_to_ready_ = static_cast<double>(now_ns() - started_ns) / 1e9;
  token_ = first_line(plan_.data_folder + "/token");
}

ServerProcess::~ServerProcess() { kill(); }

void ServerProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool ServerProcess::listens(const std::string& port_file) {
  const std::string text = first_line(port_file);
  // The file holds the port, alone or after the address.
  const std::size_t digits = text.find_last_not_of("0123456789") + 1;
  if (digits >= text.size()) return false;
  port_ = static_cast<std::uint16_t>(std::stoul(text.substr(digits)));
  return true;
}

void ServerProcess::wait_until_ready(const std::string& port_file) {
  const std::int64_t until = now_ns() + kStartPatience;
  bool listening = false;
  while (now_ns() < until) {
    listening = listening || listens(port_file);
    if (listening && request("GET", "/readyz", "").status == 200) return;
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = -1;
      give_up("the server ended at its start:\n" + read_file(plan_.data_folder + ".log"));
    }
    std::this_thread::sleep_for(2ms);
  }
  give_up("the server was not ready within two minutes");
}

ProcessFigures ServerProcess::figures() const {
  const std::string process = fmt::format("/proc/{}", pid_);
  const std::string status = read_file(process + "/status");
  ProcessFigures figures;
  figures.memory_mb = status_mb(status, "VmRSS");
  figures.memory_peak_mb = status_mb(status, "VmHWM");
  figures.processor_s = processor_seconds(read_file(process + "/stat"));
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator{process + "/task", ignored}) {
    const std::string task = entry.path().string();
    figures.threads_s[first_line(task + "/comm")] += processor_seconds(read_file(task + "/stat"));
  }
  return figures;
}

std::uint64_t ServerProcess::bytes_on_disk() const {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator{plan_.data_folder, ignored}) {
    struct stat about {};
    if (::stat(entry.path().c_str(), &about) == 0 && S_ISREG(about.st_mode)) {
      bytes += static_cast<std::uint64_t>(about.st_blocks) * 512;
    }
  }
  return bytes;
}

Answer ServerProcess::request(const std::string& method, const std::string& path,
                              const std::string& body, const std::string& content_type) const {
  // One a thread, so that its requests share a connection as those of a dashboard do.
  thread_local const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> kept{curl_easy_init(),
                                                                              curl_easy_cleanup};
  CURL* const handle = kept.get();
  curl_easy_reset(handle);
  Answer answer;
  const std::string url = fmt::format("http://127.0.0.1:{}{}", port_, path);
  curl_slist* headers = nullptr;
  for (const std::string& line : {"Authorization: Bearer " + token_,
                                  "Content-Type: " + content_type, std::string{"Expect:"}}) {
    headers = curl_slist_append(headers, line.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  if (method != "GET") {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  }
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, append_to);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer.body);
  const CURLcode code = curl_easy_perform(handle);
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  curl_slist_free_all(headers);
  if (code != CURLE_OK) {
    give_up(fmt::format("{} {}: {}", method, path, curl_easy_strerror(code)));
  }
  return answer;
}

int ServerProcess::stop() {
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
}  // namespace onward::bench
