// restore: a backup becomes a data folder, which sends nothing until it is told to.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "engine/runtime/runtime.h"
#include "engine/runtime/sending.h"
#include "engine/store/restored.h"
#include "engine/store/store_view.h"
#include "tools/onward/backup.h"
#include "tools/onward/client.h"
#include "tools/onward/draft_folder.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/manifest.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
/// Copies what the manifest names, and finds out whether it is what was drawn.
Status copy_files(const Manifest& manifest, const fs::path& from, const fs::path& to) {
  for (const BackupFile& file : manifest.files) {
    std::error_code error;
    fs::copy_file(from / file.name, to / file.name, error);
    if (error)
      return fail(
          error == std::errc::no_such_file_or_directory ? ErrorKind::NotFound : ErrorKind::Io,
          "cannot_copy",
          fmt::format("Cannot copy {}: {}.", (from / file.name).string(), error.message()));
    fs::permissions(to / file.name, fs::perms::owner_read | fs::perms::owner_write, error);
    const auto copied = sum_of(to, file.name);
    if (!copied) return tl::make_unexpected(copied.error());
    if (copied->sha256 != file.sha256 || copied->bytes != file.bytes)
      return fail(ErrorKind::Invalid, "wrong_sum",
                  fmt::format("{} is not what was backed up: the manifest says {} bytes with "
                              "SHA-256 {}, found {} bytes with {}. Take another backup.",
                              (from / file.name).string(), file.bytes, file.sha256, copied->bytes,
                              copied->sha256));
  }
  return {};
}

Status check_sound(const fs::path& folder) {
  auto view = StoreView::open(folder);
  if (!view) return tl::make_unexpected(view.error());
  const auto faults = (*view)->integrity();
  if (!faults) return tl::make_unexpected(faults.error());
  if (faults->empty()) return {};
  return fail(ErrorKind::Io, "damaged",
              fmt::format("The database of the backup is damaged: {}. Take another backup.",
                          faults->front()));
}

Result<Epochs> restore(const RestoreOptions& options, const Manifest& manifest,
                       DraftFolder& draft) {
  if (const Status done = copy_files(manifest, options.from, draft.path()); !done)
    return tl::make_unexpected(done.error());
  if (const Status sound = check_sound(draft.path()); !sound)
    return tl::make_unexpected(sound.error());
  const Instant now = system_clock().now();
  Commit marks{.at = now};
  if (!options.release) marks.admin.push_back(sending_held(now));
  marks.activity.push_back({.at = now,
                            .what = "store.restored",
                            .who = "restore",
                            .text = "drawn at " + format_instant(manifest.at) +
                                    (options.release ? "" : "; nothing is sent until it is told")});
  auto epochs = begin_new_epoch(draft.path(), marks);
  if (!epochs) return epochs;
  // Of a lock that nobody holds any more: no pid of ours is left to mislead.
  std::error_code error;
  fs::remove(draft.path() / "onward.lock", error);
  if (const Status done = draft.keep(); !done) return tl::make_unexpected(done.error());
  return epochs;
}
}  // namespace

int run_restore(const RestoreOptions& options) {
  const auto manifest = read_manifest(fs::path{options.from} / "manifest.json");
  if (!manifest) return complain(manifest.error());
  if (manifest->schema > newest_schema())
    return complain(fmt::format("The backup was drawn by Onward {} (schema {}, this program knows "
                                "up to {}): restore it with that version.",
                                manifest->version, manifest->schema, newest_schema()),
                    kExitData);
  auto draft = DraftFolder::make(options.data, DraftFolder::Place::Empty);
  if (!draft) return complain(draft.error());
  const auto epochs = restore(options, *manifest, *draft);
  if (!epochs) return complain(epochs.error());

  const bool key = fs::exists(fs::path{options.data} / "secret.key");
  if (options.json) {
    print_json(ValueMap{{"data", options.data},
                        {"sequence", static_cast<std::int64_t>(manifest->sequence)},
                        {"at", format_instant(manifest->at)},
                        {"epoch", epochs->newest()},
                        {"sending", options.release ? "on" : "held"},
                        {"key", key}});
    return kExitOk;
  }
  print(fmt::format("{}: everything up to {} (sequence {})\n", options.data,
                    format_instant(manifest->at), manifest->sequence));
  if (!key)
    say("The backup holds no master key: put it at " +
        (fs::path{options.data} / "secret.key").string() +
        " (or name it with ONWARD_KEY_FILE) before the first start, or set the secrets anew.");
  if (!options.release)
    say("Nothing is sent and no timer fires until you say `onward resume-sending`. Be sure first "
        "that the server this was drawn of is gone: else both ask the same receivers.");
  return kExitOk;
}
}  // namespace onward
