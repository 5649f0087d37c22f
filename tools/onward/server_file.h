#pragma once
// How the local command line finds a running server and its token: a small file per server in the
// user's state folder (its announcement), and the data folder itself.
//
// A server locks its announcement (flock) for its whole life, and withdraws it before it stops
// listening. An announcement that no process has locked is of a server that has ended: another
// program may listen on its port by now, so neither its address nor its data folder is used.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/result.h"

namespace onward {
/// A server of this user on this machine.
struct LocalServer {
  std::string url;             ///< "http://127.0.0.1:8787"
  std::filesystem::path data;  ///< Its data folder.
  std::int64_t pid = 0;
  // Of one that speaks TLS, whose certificate names perhaps another host than this machine.
  std::string certificate = {};             ///< Its file: nothing else is believed.
  std::string address = {};                 ///< Where it is reached: "127.0.0.1:8787".
  std::filesystem::path announcement = {};  ///< The file that it was read from.
  std::filesystem::path token_file() const { return data / "token"; }
};

/// Where a server makes itself known: `$RUNTIME_DIRECTORY/servers` under systemd, else
/// `$XDG_STATE_HOME/onward/servers`, else `~/.local/state/onward/servers`; nothing without any.
std::optional<std::filesystem::path> servers_folder();

/// Announces a server: a file (0600) that is locked while this object lives and then removed. Its
/// name is used once, so a stale file can be removed without harm to a server that starts.
class Announcement {
 public:
  /// Removes stale announcements as well, a bounded number of them.
  static Result<Announcement> make(const LocalServer& server, std::uint16_t port);
  Announcement() = default;
  ~Announcement();
  Announcement(Announcement&& other) noexcept;
  Announcement& operator=(Announcement&& other) noexcept;

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
};

/// Stale announcements that one look at the servers removes.
inline constexpr std::size_t kStaleRemovedMax = 1'000;

/// The servers of this user that are announced and run, then those of the machine's service where
/// this user can read their announcements. Removes stale announcements of this user, a bounded
/// number of them. An announcement of another user counts only for a data folder of that user.
std::vector<LocalServer> local_servers();

/// Whether a server that `local_servers` listed still runs, or one on the same folder was started
/// at the same address since. To be asked before each call with the token of the folder.
bool still_runs(const LocalServer& server);

/// Why no server is known that works on `data`, and what to do.
Error no_server_on(const std::filesystem::path& data);
/// Whether a process owns the data folder: its lock is held.
bool is_in_use(const std::filesystem::path& data);

/// The first line of a token file, without blanks; nothing where it cannot be read.
std::optional<std::string> read_token_file(const std::filesystem::path& file);

/// Writes a file whole or not at all, with the given rights. It is durable when this returns.
Status write_file(const std::filesystem::path& file, std::string_view text, unsigned mode);
}  // namespace onward
