// What the doctor sees around the store: rights, room, file system, limits, the server.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>

#include "engine/delivery/curl_http_client.h"
#include "tools/onward/client.h"
#include "tools/onward/doctor.h"
#include "tools/onward/file_system.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
constexpr std::uint64_t kRoomFault = std::uint64_t{64} << 20;
constexpr std::uint64_t kRoomWarning = std::uint64_t{1} << 30;
constexpr std::uint64_t kLogWarning = std::uint64_t{512} << 20;
constexpr std::uint64_t kDescriptors = 8'192;
constexpr Duration kPatience = std::chrono::seconds{5};

/// Files that hold secrets, or what contacts are.
Finding rights(const fs::path& data) {
  for (const char* name : {"secret.key", "token", "onward.db"}) {
    struct stat about {};
    const fs::path file = data / name;
    if (::stat(file.c_str(), &about) != 0 || (about.st_mode & 077) == 0) continue;
    return {
        "rights", Grade::Fault,
        fmt::format("others may read or write {} (mode {:o})", file.string(), about.st_mode & 0777),
        fmt::format("chmod 600 {}; if others were on this machine, change what it holds.",
                    file.string())};
  }
  return {"rights", Grade::Sound, "the database, key and token are their owner's only", {}};
}

Finding room(const fs::path& data) {
  struct statvfs about {};
  if (::statvfs(data.c_str(), &about) != 0)
    return {"disk", Grade::Warning, fmt::format("cannot tell: {}", std::strerror(errno)), {}};
  return judge_room(std::uint64_t{about.f_bavail} * about.f_frsize);
}

Finding file_system(const fs::path& data) {
  const std::string network = network_kind(data);
  if (network.empty()) return {"file_system", Grade::Sound, "a local one", {}};
  return {"file_system", Grade::Warning, fmt::format("{} is on {}", data.string(), network),
          "Move the folder to a local disk: locks and fsync of network file systems cannot be "
          "relied on."};
}

Finding log(const fs::path& data) {
  std::error_code missing;
  const auto bytes = fs::file_size(data / "onward.db-wal", missing);
  if (missing) return {"log", Grade::Sound, "no write-ahead log is left", {}};
  const std::string found = fmt::format("the write-ahead log has {} MiB", bytes >> 20);
  if (bytes < kLogWarning) return {"log", Grade::Sound, found, {}};
  return {"log", Grade::Warning, found,
          "A reader that does not end (a backup, the sqlite3 shell) keeps it growing."};
}

/// How many descriptors process `pid` may open; where there is none, as many as one started from
/// here could have.
std::uint64_t descriptors_of(pid_t pid) {
  std::ifstream in;
  if (pid > 0) in.open(fmt::format("/proc/{}/limits", pid));
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("Max open files")) continue;
    const std::size_t digits = line.find_first_of("0123456789");
    if (digits == std::string::npos) return RLIM_INFINITY;
    std::uint64_t limit = 0;
    std::from_chars(line.data() + digits, line.data() + line.size(), limit);
    return limit;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return limit.rlim_max;
}

}  // namespace

Finding judge_room(std::uint64_t bytes_free) {
  const std::string found = fmt::format("{} MiB free", bytes_free >> 20);
  if (bytes_free < kRoomFault)
    return {"disk", Grade::Fault, found, "Make room: a full disk takes no events."};
  if (bytes_free < kRoomWarning)
    return {"disk", Grade::Warning, found, "Make room before it is full."};
  return {"disk", Grade::Sound, found, {}};
}

Finding judge_descriptors(std::uint64_t limit, bool running) {
  const std::string found = fmt::format("{} may have {} files and connections open",
                                        running ? "the server" : "a server", limit);
  if (limit >= kDescriptors) return {"descriptors", Grade::Sound, found, {}};
  return {
      "descriptors", Grade::Warning, found,
      fmt::format("Raise it to {} or more (LimitNOFILE= of systemd, ulimit -Hn).", kDescriptors)};
}

Findings examine_machine(const fs::path& data, pid_t owner) {
  return {rights(data), room(data), file_system(data), log(data),
          judge_descriptors(descriptors_of(owner), owner > 0)};
}

Findings examine_server(const std::string& url) {
  Findings found;
  for (const char* path : {"/livez", "/readyz"}) {
    const std::string check = std::string{path} == "/livez" ? "server" : "ready";
    const auto answer = http_call({.method = "GET", .url = url + path}, kPatience);
    if (!answer) {
      found.push_back({"server", Grade::Fault,
                       fmt::format("no answer from {}: {}", url, answer.error().message),
                       "Look at its log; start it again."});
      return found;
    }
    const Value value = parse_json(answer->body).value_or(Value{});
    if (answer->status != 200)
      found.push_back(
          {check, Grade::Fault,
           fmt::format("{}{} answers {}: {}", url, path, answer->status, text_of(value, "detail")),
           "Look at its log."});
    else if (text_of(value, "sending") == "held")
      found.push_back({check, Grade::Warning, fmt::format("{} takes events and sends nothing", url),
                       "It was restored: say `onward resume-sending` when the server that the "
                       "copy was drawn of is gone."});
    else
      found.push_back({check,
                       Grade::Sound,
                       fmt::format("{} {}", url, check == "server" ? "is live" : "takes events"),
                       {}});
  }
  return found;
}
}  // namespace onward
