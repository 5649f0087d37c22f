// backup: the newest state of a data folder, drawn beside a server or without one.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/host/runtime.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "engine/store/sqlite/store_view.h"
#include "tools/onward/backup.h"
#include "tools/onward/client.h"
#include "tools/onward/draft_folder.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/file_system.h"
#include "tools/onward/manifest.h"
#include "tools/onward/server_file.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
/// Copies a small file that only its owner may read.
Status copy_private(const fs::path& from, const fs::path& to) {
  auto text = read_regular(from.string());
  if (!text) return tl::make_unexpected(text.error());
  const Status written = write_file(to, *text, 0600);
  std::fill(text->begin(), text->end(), '\0');
  return written;
}

Result<Manifest> draw(const BackupOptions& options, const fs::path& data, DraftFolder& draft) {
  const Instant now = system_clock().now();  // What was acknowledged before is in the copy.
  auto view = StoreView::open(data);
  if (!view) return tl::make_unexpected(view.error());
  const auto snapshot = (*view)->snapshot();
  if (!snapshot) return tl::make_unexpected(snapshot.error());
  Manifest manifest{.version = ONWARD_VERSION,
                    .schema = (*view)->schema(),
                    .sequence = snapshot->last_seq,
                    .epoch = snapshot->epochs.newest(),
                    .at = now};
  if (const Status room = check_room(draft.path(), (*view)->size()); !room)
    return tl::make_unexpected(room.error());
  // Replaced when there is something to say: no server starts on what is left of a copy that is cut
  // off.
  if (const Status done = write_file(draft.path() / kBackupMark, "", 0600); !done)
    return tl::make_unexpected(done.error());
  const bool tells = !options.quiet && stderr_is_terminal();
  const std::uint64_t all = (*view)->size();
  const Status copied = (*view)->copy_to(draft.path() / "onward.db", [&](std::uint64_t done) {
    if (tells) say(fmt::format("{} of {} MiB", done >> 20, all >> 20));
    return true;
  });
  if (!copied) return tl::make_unexpected(copied.error());
  view->reset();  // From here on the server's log need not wait.

  // What cannot be restored is no backup: better told now than on the day when it is needed.
  auto copy = StoreView::open(draft.path());
  if (!copy) return tl::make_unexpected(copy.error());
  const auto foreign = (*copy)->foreign_objects();
  if (!foreign) return tl::make_unexpected(foreign.error());
  if (!foreign->empty())
    return fail(ErrorKind::Invalid, "foreign_schema",
                fmt::format("The database holds what this program did not make, and no backup of "
                            "it could be restored: {}. Remove it with the sqlite3 shell.",
                            printable(fmt::format("{}", fmt::join(*foreign, ", ")))));
  const auto faults = (*copy)->integrity();
  if (!faults) return tl::make_unexpected(faults.error());
  if (!faults->empty())
    return fail(ErrorKind::Io, "damaged",
                fmt::format("The database is damaged: {}. Keep the backups that you have, and look "
                            "at it with `onward doctor --data {}`.",
                            faults->front(), data.string()));

  std::vector<std::string> names{"onward.db"};
  if (options.with_key)
    for (const char* name : {"secret.key", "token"})
      if (fs::exists(data / name)) names.emplace_back(name);
  for (const std::string& name : names) {
    if (name != "onward.db")
      if (const Status done = copy_private(data / name, draft.path() / name); !done)
        return tl::make_unexpected(done.error());
    auto file = sum_of(draft.path(), name);
    if (!file) return tl::make_unexpected(file.error());
    manifest.files.push_back(std::move(*file));
  }
  if (const Status done = write_file(draft.path() / kBackupMark, manifest_text(manifest), 0600);
      !done)
    return tl::make_unexpected(done.error());
  return manifest;
}
}  // namespace

Result<std::string> data_folder(const std::string& named) {
  if (!named.empty()) return named;
  const std::vector<LocalServer> servers = local_servers();
  if (servers.size() == 1) return servers.front().data.string();
  std::string message = servers.empty() ? "No server runs on this machine: name the data folder "
                                          "with --data."
                                        : "Several servers run on this machine; choose one:";
  for (const LocalServer& server : servers)
    message += fmt::format("\n  --data {}", server.data.string());
  return fail(ErrorKind::Invalid, "which_folder", std::move(message));
}

int run_backup(const BackupOptions& options) {
  const auto data = data_folder(options.data);
  if (!data) return complain(data.error().message, kExitUsage);
  auto draft = DraftFolder::make(options.to, DraftFolder::Place::New);
  if (!draft) return complain(draft.error());
  const auto manifest = draw(options, *data, *draft);
  if (!manifest) return complain(manifest.error());
  if (const Status done = draft->keep(); !done) return complain(done.error());

  if (options.json) {
    print(manifest_text(*manifest));
    return kExitOk;
  }
  print(fmt::format("{}: everything up to sequence {}, {} MiB\n", options.to, manifest->sequence,
                    (manifest->files.front().bytes + (1 << 20) - 1) >> 20));
  if (!options.with_key && fs::exists(fs::path{*data} / "secret.key") && !options.quiet)
    say("The master key (secret.key) and the token are not in it; keep the key elsewhere, or the "
        "secrets cannot be read after a restore. --with-key takes both along.");
  return kExitOk;
}
}  // namespace onward
