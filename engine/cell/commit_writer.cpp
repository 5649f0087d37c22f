#include "engine/cell/commit_writer.h"

#include <chrono>
#include <string>
#include <utility>

#include "engine/guard/guarded.h"

namespace onward {
namespace {
std::string read_only_record(std::string_view code) {
  if (code == "store_busy") return "store.busy";
  return code == "disk_read_only" ? "store.read_only" : "store.full";
}
}  // namespace

Status CommitWriter::commit(const Commit& commit) {
  ++begun_;
  const auto started = std::chrono::steady_clock::now();
  Status done = unbroken([&] { return cell_.store->commit(commit); });
  if (!done) {
    if (done.error().kind == ErrorKind::Unavailable) enter_read_only(done.error());
    return done;
  }
  ++cell_.figures.commits;
  cell_.figures.commit_micros_total +=
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                     std::chrono::steady_clock::now() - started)
                                     .count());
  return {};
}

Status CommitWriter::commit(std::vector<AdminRecord> rows, std::vector<Activity> activity) {
  Commit commit = cell_.new_commit();
  commit.control.admin = std::move(rows);
  commit.control.activity = std::move(activity);
  return this->commit(commit);
}

Status CommitWriter::try_again() {
  if (!read_only_ || cell_.now() < next_try()) return {};
  Status probed = cell_.store->probe();
  if (!probed) {
    if (probed.error().kind != ErrorKind::Unavailable) return probed;
    enter_read_only(probed.error());
    return {};
  }
  read_only_.reset();
  cell_.sink.pause(false);
  cell_.log({"store.writable", {}, LogLevel::Warning});
  return {};
}

/// Nothing is taken in until a probe succeeds. Logged once for each reason.
void CommitWriter::enter_read_only(const Error& why) {
  if (!read_only_ || read_only_->code != why.code)
    cell_.log({read_only_record(why.code), {{"message", why.message}}, LogLevel::Error});
  if (!read_only_) cell_.sink.pause(true);
  read_only_ = why;
  probe_.begin(cell_.now());
}
}  // namespace onward
