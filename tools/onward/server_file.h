#pragma once
// How the local command line finds a running server and its token: a small file per server in the
// user's state folder, and the data folder itself.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/result.h"

namespace onward {
/// A server of this user on this machine.
struct LocalServer {
  std::string url;             ///< "http://127.0.0.1:8787"
  std::filesystem::path data;  ///< Its data folder.
  std::int64_t pid = 0;
  // Of one that speaks TLS, whose certificate names perhaps another host than this machine.
  std::string certificate = {};  ///< Its file: nothing else is believed.
  std::string address = {};      ///< Where it is reached: "127.0.0.1:8787".
  std::filesystem::path token_file() const { return data / "token"; }
};

/// Where a server makes itself known: `$RUNTIME_DIRECTORY/servers` under systemd, else
/// `$XDG_STATE_HOME/onward/servers`, else `~/.local/state/onward/servers`; nothing without any.
std::optional<std::filesystem::path> servers_folder();

/// Makes itself known; the file (0600) is taken away with the object.
class Announcement {
 public:
  static Result<Announcement> make(const LocalServer& server, std::uint16_t port);
  Announcement() = default;
  ~Announcement();
  Announcement(Announcement&& other) noexcept;
  Announcement& operator=(Announcement&& other) noexcept;

 private:
  std::filesystem::path file_;
};

/// Those of this user that made themselves known and still run, then those of the machine's service
/// where this user may read of them.
std::vector<LocalServer> local_servers();

/// The first line of a token file, without blanks; nothing where it cannot be read.
std::optional<std::string> read_token_file(const std::filesystem::path& file);

/// Writes a file whole or not at all, with the given rights.
Status write_file(const std::filesystem::path& file, std::string_view text, unsigned mode);
}  // namespace onward
