// What the doctor reads in the store: rows against rows, and against the numbers.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "engine/authoring/load.h"
#include "engine/cell/sending.h"
#include "engine/control/admin_rows.h"
#include "engine/control/secret_book.h"
#include "engine/secrets/vault.h"
#include "engine/store/sqlite/store_view.h"
#include "nodes/nodes.h"
#include "tools/onward/doctor.h"

namespace onward {
namespace {
constexpr const char* kRestore =
    "Stop the server, keep this folder, and restore the newest backup into another one.";
constexpr const char* kPutBack =
    "No server starts on it. Put back what is missing; else keep this folder, and restore the "
    "newest backup into another one.";
constexpr std::size_t kDifferencesShown = 5;
constexpr std::size_t kRowsShown = 20;
constexpr Duration kClockBack = std::chrono::minutes{1};

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

class StoreExamination {
 public:
  StoreExamination(StoreView& view, Instant now) : view_{view}, now_{now} {}

  Findings examine(const std::filesystem::path& data, const std::filesystem::path& key_file) {
    sound("schema",
          fmt::format("schema {}, this program knows up to {}", view_.schema(), newest_schema()));
    database();
    journal();
    const auto snapshot = view_.snapshot();
    if (!snapshot) {
      fault("rows", snapshot.error().message, kRestore);
      return std::move(found_);
    }
    texts(*snapshot);
    sending(*snapshot);
    secrets(*snapshot, data, key_file);
    const auto rows = view_.recount(now_);
    if (!rows) {
      fault("rows", rows.error().message, kRestore);
      return std::move(found_);
    }
    std::vector<std::string> shown = rows->unreadable;
    std::uint64_t unreadable = rows->unreadable_count;
    for (const std::string& row : unreadable_rows(snapshot->control.admin)) {
      shown.push_back("admin: " + row);
      ++unreadable;
    }
    if (unreadable > 0) {
      if (shown.size() > kRowsShown) shown.resize(kRowsShown);
      fault("rows",
            fmt::format("{}: {}{}", plural(unreadable, "row cannot be read", "rows cannot be read"),
                        fmt::join(shown, "; "), unreadable > shown.size() ? "; …" : ""),
            "A server goes on without them: inputs of a contact with such a row are refused as "
            "unreadable_row, such a request is not sent. Keep this folder, and restore the newest "
            "backup into another one.");
    } else
      sound("rows",
            fmt::format("{}, {}, {}, {} can be read", plural(rows->contacts, "contact", "contacts"),
                        plural(rows->live_runs, "run under way", "runs under way"),
                        plural(rows->pending, "pending request", "pending requests"),
                        plural(rows->timers, "timer", "timers")));
    numbers(*snapshot, *rows);
    requests(*snapshot, *rows);
    runs(*rows);
    clock(std::max(snapshot->newest, rows->newest));
    return std::move(found_);
  }

 private:
  void sound(std::string check, std::string found) {
    found_.push_back({std::move(check), Grade::Sound, std::move(found), {}});
  }
  void warning(std::string check, std::string found, std::string advice) {
    found_.push_back({std::move(check), Grade::Warning, std::move(found), std::move(advice)});
  }
  void fault(std::string check, std::string found, std::string advice) {
    found_.push_back({std::move(check), Grade::Fault, std::move(found), std::move(advice)});
  }

  void database() {
    const auto faults = view_.integrity();
    if (!faults) return fault("database", faults.error().message, kRestore);
    if (!faults->empty())
      return fault("database", fmt::format("{}", fmt::join(*faults, "; ")), kRestore);
    const auto foreign = view_.foreign_objects();
    if (!foreign) return fault("database", foreign.error().message, kRestore);
    if (!foreign->empty())
      return fault(
          "database",
          fmt::format("it holds what this program did not make: {}", fmt::join(*foreign, ", ")),
          "Remove it with the sqlite3 shell. A trigger, or a changed table, keeps a server "
          "from starting; none of it can be restored from a backup.");
    sound("database", fmt::format("{} MiB, sound", view_.size() >> 20));
  }

  void journal() {
    const StoreView::Journal journal = view_.journal();
    if (journal.missing > 0)
      return fault("journal",
                   fmt::format("{} missing between others: what they held is lost",
                               plural(journal.missing, "row is", "rows are")),
                   kRestore);
    sound("journal",
          fmt::format("{} not folded yet, without a gap", plural(journal.rows, "row", "rows")));
  }

  /// The newest versions of scenarios that may start somebody.
  void texts(const Snapshot& snapshot) {
    std::vector<std::string> unreadable;
    std::size_t read = 0;
    for (const ScenarioRecord& record : snapshot.control.scenarios) {
      if (record.deleted || record.state == ScenarioState::Archived) continue;
      ++read;
      if (std::string why = unreadable_text(snapshot, record); !why.empty())
        unreadable.push_back(fmt::format("\"{}\" version {} ({})", record.id, record.newest, why));
    }
    if (unreadable.empty())
      return sound("texts",
                   fmt::format("those of {} can be read", plural(read, "scenario", "scenarios")));
    const std::size_t all = unreadable.size();
    if (all > kDifferencesShown) unreadable.resize(kDifferencesShown);
    fault("texts",
          fmt::format("{} cannot be read: {}{}", plural(all, "scenario", "scenarios"),
                      fmt::join(unreadable, "; "), all > unreadable.size() ? "; …" : ""),
          "Such a scenario starts nobody, whatever its state. Apply its text anew.");
  }

  /// Why; empty: it can be read.
  std::string unreadable_text(const Snapshot& snapshot, const ScenarioRecord& record) {
    const auto row =
        std::ranges::find_if(snapshot.control.versions, [&](const VersionRecord& version) {
          return version.scenario == record.key && version.version == record.newest;
        });
    if (row == snapshot.control.versions.end()) return {};  // See `rows` and `versions`.
    if (row->format > kNewestFormat) return "it is of a newer Onward";
    const auto text = view_.version_text(record.key, record.newest);
    if (!text) return text.error().message;
    if (!*text) return {};
    const Loaded loaded = load_scenario(
        **text, node_kinds(), {.check_tests = false, .stored = true, .format = row->format});
    if (loaded.scenario) return {};
    return loaded.diagnostics.empty() ? "no scenario" : loaded.diagnostics.front().message;
  }

  void sending(const Snapshot& snapshot) {
    const auto since = held_since(snapshot.control.admin);
    if (!since) return sound("sending", "requests leave");
    warning(
        "sending",
        fmt::format("restored at {}: nothing is sent and no timer fires", format_instant(*since)),
        "Say `onward resume-sending` when the server that the copy was drawn of is gone.");
  }

  void secrets(const Snapshot& snapshot, const std::filesystem::path& data,
               const std::filesystem::path& key_file) {
    const bool own = key_file.empty();
    auto vault = Vault::open({.path = own ? data / "secret.key" : key_file, .own = own});
    if (!vault)
      return fault("secrets", vault.error().message,
                   "Mend the key file: no server starts with it.");
    const bool key = vault->has_key();
    const SecretBook book{std::move(*vault), snapshot.control};
    const std::size_t all =
        book.list(SecretKind::Secret).size() + book.list(SecretKind::Credential).size();
    if (const std::size_t unreadable = book.unreadable(); unreadable > 0)
      return fault(
          "secrets",
          fmt::format(
              "{} of {} cannot be opened: {}", unreadable, all,
              key ? "they were sealed under another master key" : "the master key is missing"),
          "Put the right secret.key in its place (or name it with ONWARD_KEY_FILE), or set "
          "the secrets anew; requests that need them wait.");
    sound("secrets", all == 0 ? "there are none" : fmt::format("all {} can be opened", all));
    secret_hosts(book.without_hosts(), all);
  }

  void secret_hosts(const std::vector<std::string>& unset, std::size_t all) {
    if (unset.empty())
      return sound("secret_hosts",
                   all == 0 ? "there are no secrets" : "each secret and credential has its hosts");
    warning(
        "secret_hosts",
        fmt::format("scenarios can send {} to any host: {}",
                    plural(unset.size(), "secret or credential", "secrets or credentials"),
                    fmt::join(unset, ", ")),
        "Set the hosts of each: onward secret set NAME --keep --host crm.example.com, or onward "
        "credential set NAME --keep --host crm.example.com.");
  }

  void numbers(const Snapshot& snapshot, const Recount& rows) {
    std::vector<std::string> wrong = differences(snapshot, rows);
    if (std::string broken = check_counters(snapshot.counters); !broken.empty())
      wrong.insert(wrong.begin(), std::move(broken));
    if (wrong.empty())
      return sound("numbers", fmt::format("{} of counters add up and equal the rows",
                                          plural(snapshot.counters.size(), "row", "rows")));
    const std::size_t all = wrong.size();
    if (all > kDifferencesShown) wrong.resize(kDifferencesShown);
    fault("numbers",
          fmt::format("{}{}", fmt::join(wrong, "; "),
                      all > wrong.size() ? fmt::format("; and {} more", all - wrong.size()) : ""),
          "Keep the folder and its log and report it. Requests are not touched by it; numbers are "
          "right again only in a backup from before.");
  }

  void requests(const Snapshot& snapshot, const Recount& rows) {
    const auto& bodies = rows.without_request;
    if (bodies.count > 0)
      fault(
          "requests",
          fmt::format("{} to send any more, {} the first",
                      plural(bodies.count, "pending one has nothing", "pending ones have nothing"),
                      bodies.first),
          "They fail as request_missing when their turn comes; a backup may still hold them.");
    else
      sound("requests", "every pending one has what is to be sent");
    if (view_.owner().empty() || held_since(snapshot.control.admin) || rows.overdue.count == 0)
      return;
    warning(
        "overdue",
        fmt::format("{} due for more than a minute, since {}, {} among them",
                    plural(rows.overdue.count, "request has been", "requests have been"),
                    format_instant(rows.overdue_since), rows.overdue.first),
        "Their receiver may be slow or down: look at `onward logs` and at onward_origin_healthy "
        "in /metrics. If it is well, the server is not: restart it.");
  }

  void runs(const Recount& rows) {
    if (rows.without_timer.count > 0)
      fault("timers",
            fmt::format("{} for a time that nothing will tell, {} the first",
                        plural(rows.without_timer.count, "run waits", "runs wait"),
                        rows.without_timer.first),
            "Report it. Until then they wait for their event, or until their scenario ends.");
    else
      sound("timers", "every run that waits for a time has its timer");
    if (rows.without_run.count > 0)
      warning("idle_timers",
              fmt::format("{} for runs that are over, {} the first",
                          plural(rows.without_run.count, "timer stands", "timers stand"),
                          rows.without_run.first),
              "Harmless: they go when they fire. Report it where they are many.");
    if (rows.without_version.count > 0)
      fault("versions",
            fmt::format("{} to a version of a scenario that is not stored, {} the first",
                        plural(rows.without_version.count, "row belongs", "rows belong"),
                        rows.without_version.first),
            kRestore);
  }

  void clock(std::optional<Instant> newest) {
    if (!newest || *newest <= now_ + kClockBack)
      return sound("clock", fmt::format("{}, not before what is stored", format_instant(now_)));
    warning("clock",
            fmt::format("it is {}, but the youngest row is of {}", format_instant(now_),
                        format_instant(*newest)),
            "Set the clock right: until then timers fire late.");
  }

  StoreView& view_;
  Instant now_;
  Findings found_;
};

pid_t pid_of(std::string_view owner) {
  pid_t pid = 0;
  if (const std::size_t blank = owner.rfind(' '); blank != std::string_view::npos)
    std::from_chars(owner.data() + blank + 1, owner.data() + owner.size(), pid);
  return pid;
}
}  // namespace

Findings examine_store(const std::filesystem::path& data, const std::filesystem::path& key_file,
                       Instant now, pid_t& owner) {
  owner = 0;
  auto view = StoreView::open(data);
  if (!view) {
    const Error& error = view.error();
    const char* advice = error.code == "no_store"       ? "Name the right folder with --data."
                         : error.code == "newer_schema" ? "Use the version that wrote it."
                         : error.code == "log_taken"
                             ? "Stop the server with SIGTERM, never with SIGKILL."
                         : error.code == "no_access" ? "Run it as the owner of the folder."
                                                     : kPutBack;
    return {{"store", Grade::Fault, error.message, advice}};
  }
  owner = pid_of((*view)->owner());
  Findings found{{"owner",
                  Grade::Sound,
                  (*view)->owner().empty() ? "no server works on it"
                                           : fmt::format("{} works on it", (*view)->owner()),
                  {}}};
  Findings rest = StoreExamination{**view, now}.examine(data, key_file);
  std::move(rest.begin(), rest.end(), std::back_inserter(found));
  return found;
}
}  // namespace onward
