#include "tools/onward/server_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/core/base/value.h"
#include "engine/disk/durable_file.h"
#include "engine/secrets/regular_file.h"
#include "engine/store/sqlite/lock_file.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
/// Where the service of `onward.service` makes itself known.
constexpr const char* kServiceFolder = "/run/onward/servers";
/// Of an announcement, or of a token file: what follows is not read.
constexpr std::size_t kSmallFileMax = std::size_t{64} << 10;

std::optional<fs::path> folder_from(const char* variable, const char* below) {
  const char* value = std::getenv(variable);
  if (!value || *value != '/') return std::nullopt;
  return fs::path{value} / below;
}

std::optional<LocalServer> parse_server(std::string_view text) {
  const auto value = parse_json(text);
  if (!value) return std::nullopt;
  const Value* url = value->find("url");
  const Value* data = value->find("data");
  const Value* pid = value->find("pid");
  if (!url || !url->text() || !data || !data->text() || !pid || !pid->get_if<std::int64_t>())
    return std::nullopt;
  LocalServer server{*url->text(), *data->text(), *pid->get_if<std::int64_t>()};
  const Value* certificate = value->find("certificate");
  const Value* address = value->find("address");
  if (certificate && certificate->text()) server.certificate = *certificate->text();
  if (address && address->text()) server.address = *address->text();
  return server;
}

/// Whether the user whose file `in` is may speak for the data folder: it is this user, or the one
/// that owns the folder. Another user could lead a command to a program of its own.
bool may_announce(std::FILE* in, const fs::path& data) {
  struct stat file {
  }, folder{};
  if (::fstat(::fileno(in), &file) != 0) return false;
  if (file.st_uid == ::geteuid()) return true;
  // Of a folder that this user cannot see, it cannot read the token either.
  return ::stat(data.c_str(), &folder) != 0 || folder.st_uid == file.st_uid;
}

/// What became of the file of an announcement.
enum class Found : std::uint8_t { Running, Stale, Unknown };

/// The announcement in `file`, where a running server has locked it.
Found read_announcement(const fs::path& file, LocalServer& server) {
  const OpenFile in = open_regular(file);
  if (!in) return Found::Unknown;
  // A server locks the file before it has this name, so it is never seen without the lock. The
  // shared lock of another reader does not refuse this one.
  if (::flock(::fileno(in.get()), LOCK_SH | LOCK_NB) == 0) return Found::Stale;
  if (errno != EWOULDBLOCK) return Found::Unknown;
  const auto text = read_at_most(in.get(), kSmallFileMax);
  auto read = text ? parse_server(*text) : std::nullopt;
  if (!read || !may_announce(in.get(), read->data)) return Found::Unknown;
  server = std::move(*read);
  server.announcement = file;
  return Found::Running;
}

enum class Stale : std::uint8_t { Keep, Remove };

void add_servers(const fs::path& folder, Stale stale, std::vector<LocalServer>& servers) {
  std::error_code error;
  std::size_t removed = 0;
  for (fs::directory_iterator entry{folder, error}; !error && entry != fs::directory_iterator{};
       entry.increment(error)) {
    if (entry->path().extension() != ".json") continue;
    LocalServer server;
    const Found found = read_announcement(entry->path(), server);
    if (found == Found::Running) servers.push_back(std::move(server));
    if (found == Found::Stale && stale == Stale::Remove && removed < kStaleRemovedMax &&
        ::unlink(entry->path().c_str()) == 0)
      ++removed;
  }
}

/// Never the name of an earlier announcement: pids and ports come again, this time does not.
std::string new_name(std::uint16_t port) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return fmt::format("{}-{}-{}.json", port, ::getpid(),
                     std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

Status write_whole(int out, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(out, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorKind::Io, "cannot_write", std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}
}  // namespace

std::optional<fs::path> servers_folder() {
  if (auto folder = folder_from("RUNTIME_DIRECTORY", "servers")) return folder;
  if (auto folder = folder_from("XDG_STATE_HOME", "onward/servers")) return folder;
  return folder_from("HOME", ".local/state/onward/servers");
}

Status write_file(const fs::path& file, std::string_view text, unsigned mode) {
  const auto fault = put_file(file, text, mode, Existing::Replace);
  if (!fault) return {};
  return fail(fault->error == EACCES ? ErrorKind::Forbidden : ErrorKind::Io, "cannot_write",
              fmt::format("Cannot write {}: {} ({}).", file.string(), std::strerror(fault->error),
                          fault->step));
}

Result<Announcement> Announcement::make(const LocalServer& server, std::uint16_t port) {
  const auto folder = servers_folder();
  if (!folder)
    return fail(ErrorKind::NotFound, "no_state_folder",
                "There is no XDG_STATE_HOME and no HOME to note this server in.");
  std::error_code error;
  fs::create_directories(*folder, error);
  if (error)
    return fail(ErrorKind::Io, "cannot_write",
                fmt::format("Cannot make {}: {}.", folder->string(), error.message()));
  ::chmod(folder->c_str(), 0700);
  std::vector<LocalServer> others;
  add_servers(*folder, Stale::Remove, others);
  Value value = ValueMap{{"url", server.url},
                         {"data", server.data.string()},
                         {"pid", static_cast<std::int64_t>(server.pid)}};
  if (!server.certificate.empty()) value.set("certificate", server.certificate);
  if (!server.address.empty()) value.set("address", server.address);
  const fs::path file = *folder / new_name(port), draft = file.string() + ".tmp";
  Announcement made;
  made.file_ = draft;
  made.descriptor_ =
      ::open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  // The lock comes before the name under which it is read: see `read_announcement`.
  if (made.descriptor_ < 0 || ::flock(made.descriptor_, LOCK_EX | LOCK_NB) != 0 ||
      !write_whole(made.descriptor_, to_json(value) + "\n") ||
      ::rename(draft.c_str(), file.c_str()) != 0)
    return fail(ErrorKind::Io, "cannot_write",
                fmt::format("Cannot write and lock {}: {}.", file.string(), std::strerror(errno)));
  made.file_ = file;
  return made;
}

Announcement::~Announcement() {
  if (!file_.empty()) ::unlink(file_.c_str());
  if (descriptor_ >= 0) ::close(descriptor_);
}
Announcement::Announcement(Announcement&& other) noexcept
    : file_{std::exchange(other.file_, fs::path{})},
      descriptor_{std::exchange(other.descriptor_, -1)} {}
Announcement& Announcement::operator=(Announcement&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

std::vector<LocalServer> local_servers() {
  std::vector<LocalServer> servers;
  const auto own = servers_folder();
  if (own) add_servers(*own, Stale::Remove, servers);
  if (own != fs::path{kServiceFolder}) add_servers(kServiceFolder, Stale::Keep, servers);
  return servers;
}

bool still_runs(const LocalServer& server) {
  LocalServer same;
  if (read_announcement(server.announcement, same) == Found::Running) return true;
  for (const LocalServer& other : local_servers()) {
    std::error_code error;
    if (other.url == server.url && fs::equivalent(other.data, server.data, error)) return true;
  }
  return false;
}

bool is_in_use(const fs::path& data) {
  const auto lock = LockFile::share(data / "onward.lock");
  return !lock && lock.error().code == "in_use";
}

Error no_server_on(const fs::path& data) {
  const std::string name = data.string();
  const auto unreadable = [&](std::string_view why) {
    return Error{ErrorKind::Forbidden, "cannot_read",
                 fmt::format("This user cannot read {}: {}. Run the command as the user that owns "
                             "the folder, or name the server with --server and its token with "
                             "--token.",
                             name, why)};
  };
  const bool readable = ::faccessat(AT_FDCWD, name.c_str(), R_OK | X_OK, AT_EACCESS) == 0;
  if (!readable && errno != ENOENT) return unreadable(std::strerror(errno));
  const auto lock = LockFile::share(data / "onward.lock");
  if (readable && !lock && lock.error().code == "no_access")
    return unreadable(lock.error().message);
  if (readable && !lock && lock.error().code == "in_use")
    return {ErrorKind::Unavailable, "not_announced",
            fmt::format("A server works on {}, but did not announce its address to this user. "
                        "Name its URL with --server.",
                        name)};
  return {ErrorKind::Unavailable, "no_server",
          fmt::format("No server runs on {}{}. Start it with `onward serve --data {}`, or name its "
                      "URL with --server.",
                      name, readable ? "" : ", which does not exist", name)};
}

std::optional<std::string> read_token_file(const fs::path& file) {
  const OpenFile in = open_regular(file);
  const auto text = read_at_most(in.get(), kSmallFileMax);
  if (!text) return std::nullopt;
  std::string line = text->substr(0, text->find('\n'));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  if (line.empty()) return std::nullopt;
  return line;
}
}  // namespace onward
