#include "engine/host/shown_state.h"

#include <utility>

namespace onward {
namespace {
/// What costs more than a turn is looked at so often.
constexpr std::chrono::seconds kLookPause{1};
}  // namespace

std::shared_ptr<const void> ShownState::show(Cell& cell) {
  const ControlState& control = cell.control();
  std::shared_ptr<const Directory> names;
  std::shared_ptr<const ScenarioBook> copy;
  if (shown_secrets_ != control.secrets.values()) {
    shown_secrets_ = control.secrets.values();
    secrets_.put(shown_secrets_);
  }
  if (generation_ != control.generation) {
    generation_ = control.generation;
    copy = std::make_shared<const ScenarioBook>(control.scenarios);
    names = make_directory(*copy);
  }
  const auto moment = std::chrono::steady_clock::now();
  const bool look = moment >= last_look_ + kLookPause;
  if (look) last_look_ = moment;
  const std::uint64_t bytes = look ? cell.store().size_on_disk() : 0;
  const std::uint64_t log = look ? cell.store().log_bytes() : 0;
  const std::optional<Instant> oldest = look ? cell.oldest_due() : std::nullopt;
  if (look) watch_log(log);
  if (look) watch_working_file();

  const std::lock_guard lock{mutex_};
  if (copy) book_.swap(copy);
  if (names) directory_.swap(names);
  if (look) {
    figures_.bytes_on_disk = bytes;
    figures_.log_bytes = log;
    figures_.oldest_due = oldest;
  }
  figures_.held_since = control.held_since;
  figures_.engine = cell.context().figures;
  fields_ = control.fields;
  tokens_ = control.tokens;
  return copy;
}

std::shared_ptr<const ScenarioBook> ShownState::book() const {
  const std::lock_guard lock{mutex_};
  return book_;
}

std::shared_ptr<const Directory> ShownState::directory() const {
  const std::lock_guard lock{mutex_};
  return directory_;
}

std::shared_ptr<const CustomFields> ShownState::fields() const {
  const std::lock_guard lock{mutex_};
  return fields_;
}

std::shared_ptr<const TokenBook> ShownState::tokens() const {
  const std::lock_guard lock{mutex_};
  return tokens_;
}

std::optional<TokenRecord> ShownState::find_token(std::string_view sha256) const {
  const std::lock_guard lock{mutex_};
  const TokenRecord* found = tokens_->find(sha256);
  return found ? std::optional{*found} : std::nullopt;
}

std::optional<Instant> ShownState::held_since() const { return figures().held_since; }

ShownState::Figures ShownState::figures() const {
  const std::lock_guard lock{mutex_};
  return figures_;
}

void ShownState::watch_working_file() {
  if (!options_.working || !options_.working->lost() || std::exchange(working_lost_, true) ||
      !options_.log)
    return;
  options_.log({"working.lost",
                {{"hint",
                  "somebody cut the file \"working\" in the data folder: what the server works "
                  "on is not noted any more until its next start"}},
                LogLevel::Warning});
}

/// The log is used again when all of it is in the database and nobody reads it: one that grows is
/// held by a reader that does not end. Logged at each doubling, and when it is as usual again.
void ShownState::watch_log(std::uint64_t bytes) {
  if (bytes < options_.log_long) {
    if (std::exchange(logged_bytes_, 0) > 0 && options_.log)
      options_.log({"store.log_usual", {{"bytes", count_value(bytes)}}, LogLevel::Warning});
    return;
  }
  if (bytes < 2 * logged_bytes_) return;
  logged_bytes_ = bytes;
  if (!options_.log) return;
  options_.log({"store.log_growing",
                {{"bytes", count_value(bytes)},
                 {"hint",
                  "another program keeps the database open for reading, such as a backup or a "
                  "shell, or there is no room: no checkpoint can pass it, and the log takes ever "
                  "more of the disk"}},
                LogLevel::Warning});
}
}  // namespace onward
