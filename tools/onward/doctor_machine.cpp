// What the doctor sees around the store: rights, room, file system, limits, the server.
#include <fcntl.h>
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

#include "engine/api/tls.h"
#include "engine/core/base/url_login.h"
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
constexpr Duration kProbePatience = std::chrono::seconds{5};

struct Private {
  const char* name;
  const char* holds;  ///< What to do about it when others were there.
};
/// Files that hold secrets, or what contacts are.
constexpr Private kPrivate[] = {
    {"secret.key", "set the secrets anew under another master key"},
    {"token", "issue another token, and revoke this one"},
    {"onward.db", "they have read of the contacts, and may have changed them"},
    {"onward.db-wal", "they have read of the contacts, and may have changed them"},
};

Findings rights(const fs::path& data) {
  Findings found;
  for (const auto& [name, holds] : kPrivate) {
    struct stat about {};
    const fs::path file = data / name;
    if (::stat(file.c_str(), &about) != 0 || (about.st_mode & 077) == 0) continue;
    found.push_back(
        {"rights", Grade::Fault,
         fmt::format("others may read or write {} (mode {:o})", file.string(),
                     about.st_mode & 0777),
         fmt::format("chmod 600 {}; if others were on this machine, {}.", file.string(), holds)});
  }
  if (found.empty())
    found.push_back({"rights",
                     Grade::Sound,
                     "the database, its log, key and token are their owner's only",
                     {}});
  return found;
}

/// Whether a server of this user could begin here; the one that is running may be another's.
Finding writing(const fs::path& data, bool running) {
  for (const char* name : {"", "onward.db", "onward.db-wal", "onward.lock"}) {
    const fs::path path = *name == '\0' ? data : data / name;
    const int mode = *name == '\0' ? W_OK | X_OK : W_OK;
    if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0) continue;
    Finding found = judge_writing(path, errno, running);
    if (found.grade != Grade::Sound) return found;
  }
  return judge_writing(data, 0, running);
}

/// Root may write all of it, and leaves files behind that the folder's user may not.
Finding owners(const fs::path& data) {
  struct stat folder {};
  if (::stat(data.c_str(), &folder) != 0) return judge_owner(data, 0, 0);
  for (const char* name : {"onward.db", "onward.db-wal", "onward.lock", "token", "secret.key"}) {
    struct stat about {};
    if (::stat((data / name).c_str(), &about) != 0) continue;
    Finding found = judge_owner(data / name, about.st_uid, folder.st_uid);
    if (found.grade != Grade::Sound) return found;
  }
  return judge_owner(data, folder.st_uid, folder.st_uid);
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

Finding judge_writing(const fs::path& path, int fault, bool running) {
  if (fault == EROFS)
    return {"writing", Grade::Fault, fmt::format("{} is on a read-only file system", path.string()),
            "Mount it for writing: no server starts on it. A disk with faults is mounted read-only "
            "by the system: look at its log (dmesg) first."};
  if (fault == EACCES && !running)
    return {"writing", Grade::Warning,
            fmt::format("this user may not write {}: no server of this user starts on it",
                        path.string()),
            "Start the server as the owner of the folder, or give the folder and all files in it "
            "to its user (chown -R)."};
  return {"writing", Grade::Sound, "it can be written to", {}};
}

Finding judge_owner(const fs::path& file, uid_t owner, uid_t folder_owner) {
  if (owner == folder_owner || folder_owner == 0)
    return {"owners", Grade::Sound, "the files in it are those of the folder's user", {}};
  return {"owners", Grade::Warning,
          fmt::format("{} belongs to user {}, its folder to user {}: no server of the folder's "
                      "user starts on it",
                      file.string(), owner, folder_owner),
          fmt::format("Stop a server that works on it, then: chown -R {} {}", folder_owner,
                      file.parent_path().string())};
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
  Findings found = rights(data);
  found.insert(found.end(), {writing(data, owner > 0), owners(data), room(data), file_system(data),
                             log(data), judge_descriptors(descriptors_of(owner), owner > 0)});
  return found;
}

Finding examine_certificate(const std::string& file, Instant now) {
  const auto fault = certificate_time_fault(file, now);
  if (!fault) return {"certificate", Grade::Warning, fault.error().message, {}};
  if (fault->empty())
    return {"certificate", Grade::Sound, "it is valid for two weeks at least", {}};
  return {"certificate", Grade::Warning, fmt::format("{}: {}", file, *fault),
          "Renew it, and start the server again: a new one is taken then."};
}

Findings examine_server(const std::string& url, const HttpWay& way) {
  Findings found;
  const std::string shown = hide_url_logins(url);
  for (const char* path : {"/livez", "/readyz"}) {
    const std::string check = std::string{path} == "/livez" ? "server" : "ready";
    const auto answer = http_call({.method = "GET", .url = url + path}, kProbePatience, way);
    if (std::string wrong = wrong_scheme(shown, answer); !wrong.empty())
      return {{"server", Grade::Fault, std::move(wrong), "Ask it so, with --server."}};
    if (!answer && answer.error().code == "tls_cert") {
      found.push_back({"server", Grade::Fault,
                       fmt::format("the certificate of {} is not believed, so nothing more can be "
                                   "told: {}",
                                   shown, answer.error().message),
                       "Name the authority that signed it with --ca FILE or ONWARD_CA; renew it "
                       "where it has expired or names another host."});
      return found;
    }
    if (!answer) {
      found.push_back({"server", Grade::Fault,
                       fmt::format("no answer from {}: {}", shown, answer.error().message),
                       answer.error().code == "local"
                           ? "It lies on this side: look at this machine, and at the file of --ca "
                             "or ONWARD_CA."
                           : "Look at its log; start it again."});
      return found;
    }
    const Value value = parse_json(answer->body).value_or(Value{});
    if (answer->status != 200)
      found.push_back({check, Grade::Fault,
                       fmt::format("{}{} answers {}: {}", shown, path, answer->status,
                                   text_of(value, "detail")),
                       "Look at its log."});
    else if (text_of(value, "sending") == "held")
      found.push_back({check, Grade::Warning,
                       fmt::format("{} takes events and sends nothing", shown),
                       "It was restored: say `onward resume-sending` when the server that the "
                       "copy was drawn of is gone."});
    else
      found.push_back({check,
                       Grade::Sound,
                       fmt::format("{} {}", shown, check == "server" ? "is live" : "takes events"),
                       {}});
  }
  return found;
}
}  // namespace onward
