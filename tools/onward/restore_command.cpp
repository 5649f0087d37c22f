// restore: a backup becomes a data folder, which sends nothing until it is told to.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/api/access.h"
#include "engine/cell/sending.h"
#include "engine/control/token_book.h"
#include "engine/host/runtime.h"
#include "engine/store/sqlite/restored.h"
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

/// The tokens of a database that is sound.
Result<TokenBook> check_sound(const fs::path& folder) {
  auto view = StoreView::open(folder);
  if (!view) return tl::make_unexpected(view.error());
  const auto foreign = (*view)->foreign_objects();
  if (!foreign) return tl::make_unexpected(foreign.error());
  if (!foreign->empty())
    return fail(ErrorKind::Invalid, "foreign_schema",
                fmt::format("The database of the backup holds what no backup of Onward holds: {}. "
                            "Take another backup.",
                            printable(fmt::format("{}", fmt::join(*foreign, ", ")))));
  const auto faults = (*view)->integrity();
  if (!faults) return tl::make_unexpected(faults.error());
  if (faults->empty()) {
    auto snapshot = (*view)->snapshot();
    if (!snapshot) return tl::make_unexpected(snapshot.error());
    return TokenBook{std::move(snapshot->control.tokens)};
  }
  return fail(ErrorKind::Io, "damaged",
              fmt::format("The database of the backup is damaged: {}. Take another backup.",
                          faults->front()));
}

/// A token in the folder for whoever owns it, as a first start makes one: that of the original
/// stays with the original. Its record; nothing where the copy brought one, where the first start
/// makes one, or where there are as many as there may be.
Result<std::optional<TokenRecord>> make_token(const fs::path& folder, const TokenBook& book,
                                              Instant now) {
  if (fs::exists(folder / "token") || book.all().empty()) return std::nullopt;
  TokenRecord record{
      .name = "restored-" + format_instant(now), .role = Role::Admin, .created = now};
  std::erase(record.name, ':');
  if (!book.may_add(record, now)) return std::nullopt;
  const auto token = new_token();
  if (!token) return tl::make_unexpected(token.error());
  if (const Status written = write_file(folder / "token", *token + "\n", 0600); !written)
    return tl::make_unexpected(written.error());
  record.sha256 = sha256_hex(*token);
  return record;
}

struct Restored {
  std::string epoch;
  std::optional<TokenRecord> token;  ///< That was made.
};

Result<Restored> restore(const RestoreOptions& options, const Manifest& manifest,
                         DraftFolder& draft) {
  std::uint64_t bytes = 0;
  for (const BackupFile& file : manifest.files) bytes += file.bytes;
  if (const Status room = check_room(draft.path(), bytes); !room)
    return tl::make_unexpected(room.error());
  // Until the copy holds its sending and has names of its own, no server starts on it, should this
  // be cut off.
  const fs::path mark = draft.path() / kBackupMark;
  if (const Status done = write_file(mark, manifest_text(manifest), 0600); !done)
    return tl::make_unexpected(done.error());
  if (const Status done = copy_files(manifest, options.from, draft.path()); !done)
    return tl::make_unexpected(done.error());
  const auto tokens = check_sound(draft.path());
  if (!tokens) return tl::make_unexpected(tokens.error());
  const Instant now = system_clock().now();
  auto token = make_token(draft.path(), *tokens, now);
  if (!token) return tl::make_unexpected(token.error());
  Commit marks{.at = now};
  if (!options.release) marks.control.admin.push_back(sending_held(now));
  marks.control.activity.push_back(
      {.at = now,
       .what = "store.restored",
       .who = "restore",
       .text = "drawn at " + format_instant(manifest.at) +
               (options.release ? "" : "; nothing is sent until it is told")});
  if (*token) {
    marks.control.tokens.push_back(**token);
    marks.control.activity.push_back({.at = now,
                                      .what = "token.created",
                                      .who = "restore",
                                      .text = (*token)->name + ", role admin"});
  }
  const auto epochs = begin_new_epoch(draft.path(), marks);
  if (!epochs) return tl::make_unexpected(epochs.error());
  // Of a lock that nobody holds any more: no pid of ours is left to mislead.
  std::error_code error;
  fs::remove(draft.path() / "onward.lock", error);
  fs::remove(mark, error);
  if (error)
    return fail(ErrorKind::Io, "cannot_write",
                fmt::format("Cannot remove {}: {}.", mark.string(), error.message()));
  if (const Status done = draft.keep(); !done) return tl::make_unexpected(done.error());
  return Restored{epochs->newest(), std::move(*token)};
}
}  // namespace

int run_restore(const RestoreOptions& options) {
  const auto manifest = read_manifest(fs::path{options.from} / kBackupMark);
  if (!manifest) return complain(manifest.error());
  if (manifest->schema > newest_schema())
    return complain(fmt::format("The backup was drawn by Onward {} (schema {}, this program knows "
                                "up to {}): restore it with that version.",
                                manifest->version, manifest->schema, newest_schema()),
                    kExitData);
  auto draft = DraftFolder::make(options.data, DraftFolder::Place::Empty);
  if (!draft) return complain(draft.error());
  const auto restored = restore(options, *manifest, *draft);
  if (!restored) return complain(restored.error());

  const bool key = fs::exists(fs::path{options.data} / "secret.key");
  if (options.json) {
    print_json(ValueMap{{"data", options.data},
                        {"sequence", static_cast<std::int64_t>(manifest->sequence)},
                        {"at", format_instant(manifest->at)},
                        {"epoch", restored->epoch},
                        {"sending", options.release ? "on" : "held"},
                        {"key", key},
                        {"token", restored->token ? Value{restored->token->name} : Value{}}});
    return kExitOk;
  }
  print(fmt::format("{}: everything up to {} (sequence {})\n", options.data,
                    format_instant(manifest->at), manifest->sequence));
  if (!key)
    say("The backup holds no master key: put it at " +
        (fs::path{options.data} / "secret.key").string() +
        " (or name it with ONWARD_KEY_FILE) before the first start, or set the secrets anew.");
  if (restored->token)
    say(
        fmt::format("A new admin token, \"{}\", is in {}; the tokens of the original are let in as "
                    "well.",
                    restored->token->name, (fs::path{options.data} / "token").string()));
  if (!options.release)
    say("Nothing is sent and no timer fires until you say `onward resume-sending`. Be sure first "
        "that the server this was drawn of is gone: else both ask the same receivers.");
  return kExitOk;
}
}  // namespace onward
