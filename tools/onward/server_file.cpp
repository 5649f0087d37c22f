#include "tools/onward/server_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "engine/core/value.h"
#include "engine/secrets/regular_file.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
/// Where the service of `onward.service` makes itself known.
constexpr const char* kServiceFolder = "/run/onward/servers";

std::optional<fs::path> folder_from(const char* variable, const char* below) {
  const char* value = std::getenv(variable);
  if (!value || *value != '/') return std::nullopt;
  return fs::path{value} / below;
}

/// At most 64 KiB of a regular file.
std::optional<std::string> read_small(const fs::path& file) {
  const OpenFile in = open_regular(file);
  if (!in) return std::nullopt;
  std::string text(std::size_t{64} << 10, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), in.get()));
  if (std::ferror(in.get()) != 0) return std::nullopt;
  return text;
}

std::optional<LocalServer> read_server(const fs::path& file) {
  const auto text = read_small(file);
  if (!text) return std::nullopt;
  const auto value = parse_json(*text);
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

void add_servers(const fs::path& folder, std::vector<LocalServer>& servers) {
  std::error_code error;
  for (fs::directory_iterator entry{folder, error}; !error && entry != fs::directory_iterator{};
       entry.increment(error)) {
    if (entry->path().extension() != ".json") continue;
    auto server = read_server(entry->path());
    const bool alive = server && server->pid > 0 &&
                       (::kill(static_cast<pid_t>(server->pid), 0) == 0 || errno == EPERM);
    if (alive) servers.push_back(std::move(*server));
  }
}
}  // namespace

std::optional<fs::path> servers_folder() {
  if (auto folder = folder_from("RUNTIME_DIRECTORY", "servers")) return folder;
  if (auto folder = folder_from("XDG_STATE_HOME", "onward/servers")) return folder;
  return folder_from("HOME", ".local/state/onward/servers");
}

Status write_file(const fs::path& file, std::string_view text, unsigned mode) {
  const fs::path draft = file.string() + fmt::format(".{}.tmp", ::getpid());
  const auto failed = [&](std::string_view step) {
    const int fault = errno;
    ::unlink(draft.c_str());
    return fail(
        fault == EACCES ? ErrorKind::Forbidden : ErrorKind::Io, "cannot_write",
        fmt::format("Cannot write {}: {} ({}).", file.string(), std::strerror(fault), step));
  };
  const int out = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (out < 0) return failed("open");
  while (!text.empty()) {
    const ssize_t count = ::write(out, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      ::close(out);
      return failed("write");
    }
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(out) != 0) {
    ::close(out);
    return failed("sync");
  }
  ::close(out);
  if (::rename(draft.c_str(), file.c_str()) != 0) return failed("rename");
  return {};
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
  Announcement announcement;
  announcement.file_ = *folder / fmt::format("{}.json", port);
  Value value = ValueMap{{"url", server.url},
                         {"data", server.data.string()},
                         {"pid", static_cast<std::int64_t>(server.pid)}};
  if (!server.certificate.empty()) value.set("certificate", server.certificate);
  if (!server.address.empty()) value.set("address", server.address);
  const Status written = write_file(announcement.file_, to_json(value) + "\n", 0600);
  if (!written) {
    announcement.file_.clear();
    return tl::make_unexpected(written.error());
  }
  return announcement;
}

Announcement::~Announcement() {
  if (!file_.empty()) ::unlink(file_.c_str());
}
Announcement::Announcement(Announcement&& other) noexcept
    : file_{std::exchange(other.file_, fs::path{})} {}
Announcement& Announcement::operator=(Announcement&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

std::vector<LocalServer> local_servers() {
  std::vector<LocalServer> servers;
  const auto own = servers_folder();
  if (own) add_servers(*own, servers);
  if (own != fs::path{kServiceFolder}) add_servers(kServiceFolder, servers);
  return servers;
}

std::optional<std::string> read_token_file(const fs::path& file) {
  const auto text = read_small(file);
  if (!text) return std::nullopt;
  std::string line = text->substr(0, text->find('\n'));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  if (line.empty()) return std::nullopt;
  return line;
}
}  // namespace onward
