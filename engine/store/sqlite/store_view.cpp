#include "engine/store/sqlite/store_view.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <unordered_set>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/sqlite/data_files.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/fold.h"
#include "engine/store/sqlite/lock_file.h"
#include "engine/store/sqlite/migrations/migrations.h"
#include "engine/store/sqlite/newest.h"
#include "engine/store/sqlite/page_scrub.h"
#include "engine/store/sqlite/replay.h"
#include "engine/store/sqlite/schema_objects.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
/// Pages of one step of a copy, after which somebody may end it.
constexpr int kCopyPages = 1'024;
constexpr int kFaultsShown = 20;
constexpr std::size_t kUnreadableShown = 100;
constexpr int kApart = 4;  // The schema since which texts may be apart.
constexpr Duration kOverdue = std::chrono::minutes{1};

/// A path as SQLite reads it behind "file:".
std::string uri_of(const fs::path& file, const char* parameters) {
  std::string uri = "file:";
  for (const char c : file.string()) {
    if (c == '%' || c == '?' || c == '#') {
      static constexpr char kDigits[] = "0123456789ABCDEF";
      uri += {'%', kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 15]};
    } else {
      uri += c;
    }
  }
  return uri + parameters;
}

/// Of a folder that nobody works on, so that not even the files beside the database change. A
/// write-ahead log that was left behind is read without its index file; where there is none, the
/// database is whole in itself.
std::unique_ptr<SQLite::Database> open_at_rest(const fs::path& file) {
  const int flags = SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX;
  std::error_code missing;
  const auto log = fs::file_size(file.string() + "-wal", missing);
  std::unique_ptr<SQLite::Database> database;
  if (missing || log == 0) {
    database =
        std::make_unique<SQLite::Database>(uri_of(file, "?immutable=1"), flags | SQLite::OPEN_URI);
  } else {
    database = std::make_unique<SQLite::Database>(file.string(), flags, 0, "unix-none");
    database->exec("PRAGMA locking_mode = EXCLUSIVE");
  }
  sqlite3_db_config(database->getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  database->exec("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF");
  return database;
}

class View final : public StoreView {
 public:
  View(std::unique_ptr<SQLite::Database> database, std::optional<LockFile> lock, std::string owner)
      : lock_{std::move(lock)},
        owner_{std::move(owner)},
        database_{std::move(database)},
        begin_{*database_, "BEGIN"},
        schema_{(begin_.run(), database_->execAndGet("PRAGMA user_version").getInt())},
        tables_{*database_, unreadable_},
        journal_{replay(*database_, tables_, overlay_)},
        newest_{overlay_, tables_, unreadable_},
        contact_exists_{*database_, "SELECT 1 FROM contacts WHERE key = ? AND body IS NOT NULL"} {}

  const std::string& owner() const override { return owner_; }
  int schema() const override { return schema_; }

  Result<Snapshot> snapshot() override {
    return guarded([&]() -> Result<Snapshot> { return newest_.snapshot(); });
  }

  Result<std::vector<std::string>> integrity() override {
    return guarded([&]() -> Result<std::vector<std::string>> {
      std::vector<std::string> faults;
      Query check{*database_, "PRAGMA integrity_check(" + std::to_string(kFaultsShown) + ")"};
      for (auto rows = check(); rows.next();) faults.emplace_back(rows.bytes(0));
      if (faults == std::vector<std::string>{"ok"}) faults.clear();
      return faults;
    });
  }

  Result<std::vector<std::string>> foreign_objects() override {
    return guarded([&]() -> Result<std::vector<std::string>> {
      std::vector<std::string> found;
      for (ForeignObject& object : onward::foreign_objects(*database_))
        found.push_back(std::move(object.what));
      return found;
    });
  }

  Journal journal() const override {
    Journal journal{.rows = journal_.size()};
    if (!journal_.empty())
      journal.missing = journal_.back().id - journal_.front().id + 1 - journal_.size();
    return journal;
  }

  Result<Recount> recount(Instant now) override;

  std::uint64_t size() override {
    const auto pages = database_->execAndGet("PRAGMA page_count").getInt64();
    return static_cast<std::uint64_t>(pages * database_->execAndGet("PRAGMA page_size").getInt64());
  }

  Status copy_to(const fs::path& file, const std::function<bool(std::uint64_t)>& goes_on) override;

 private:
  /// Reads what was used so far from the marks and the journal, not from the rows to be checked.
  void read_marks();
  bool is_used(ContactKey contact) const { return contact && contact <= last_contact_; }
  /// Of a run, a delivery or a request.
  bool is_used(std::uint64_t key) const {
    return key > 0 && key <= numbered(last_seq_, kOrdinals - 1);
  }
  bool exists(ContactKey contact);
  void count_contacts(Recount& count);
  void check_names(const Contact& contact);
  void count_ledger(Recount& count);
  void count_runs(Recount& count);
  void count_deliveries(Recount& count, Instant now);
  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    return guarded([&]() -> Result<std::optional<std::string>> {
      if (schema_ >= kApart) return version_text_of(*database_, scenario, version);
      Query text{*database_, "SELECT text FROM versions WHERE scenario = ? AND version = ?"};
      auto rows = text(scenario, version);
      return rows.next() ? std::optional{std::string{rows.bytes(0)}} : std::nullopt;
    });
  }
  void count_names();
  void count_texts();
  void report(const char* table, const char* what, std::uint64_t number) {
    unreadable_.add(
        {table, std::string{what} + " " + std::to_string(static_cast<std::int64_t>(number))});
  }
  bool copy_pages(SQLite::Database& to, const std::function<bool(std::uint64_t)>& goes_on);

  std::optional<LockFile> lock_;
  std::string owner_;
  std::unique_ptr<SQLite::Database> database_;
  Query begin_;
  int schema_;
  std::vector<RowName> found_;  ///< Rows that cannot be read, the first of them.
  UnreadableRows unreadable_{[this](const RowName& row) {
    if (found_.size() < kUnreadableShown) found_.push_back(row);
  }};
  Tables tables_;
  Overlay overlay_;
  std::deque<JournalRow> journal_;
  Newest newest_;
  Query contact_exists_;
  std::set<std::pair<ScenarioKey, Version>> versions_;
  Sequence last_seq_ = 0;    ///< Greatest that was ever used.
  ContactKey last_contact_;  ///< Greatest that was ever used.
};

void View::read_marks() {
  const auto seq = tables_.meta("last_seq"), contact = tables_.meta("last_contact");
  last_seq_ = seq && *seq < kSequenceMax ? *seq : tables_.last_seq();
  last_contact_ = contact && *contact < kContactMax ? ContactKey{*contact} : tables_.last_contact();
  for (const JournalRow& row : journal_) {
    Decoder in{*row.bytes};
    (void)in.byte();  // The format, checked before.
    last_seq_ = std::max(last_seq_, in.number());
    last_contact_ = std::max(last_contact_, ContactKey{in.number()});
  }
}

bool View::exists(ContactKey contact) {
  if (const auto* row = overlay_.contacts.find(contact)) return !row->body.empty();
  return contact_exists_(contact).next();
}

/// A contact must be found by what it is called.
void View::check_names(const Contact& contact) {
  if (contact.id && newest_.identify({.id = contact.id->text}).by_id != contact.key)
    report("contact_ids", "contact", contact.key.value);
  const std::string email = contact.email();
  if (!email.empty() && !newest_.holds_email(contact.key, email))
    report("contact_emails", "contact", contact.key.value);
}

void View::count_contacts(Recount& count) {
  Query all{*database_, "SELECT key, body, engagement FROM contacts WHERE body IS NOT NULL"};
  for (auto rows = all(); rows.next();) {
    const ContactKey key{rows.number(0)};
    if (overlay_.contacts.find(key) != nullptr) continue;
    ++count.contacts;
    const auto read = [&] {
      if (!is_used(key)) throw_unreadable("the number of a contact");
      check_names(intact(decode_contact(key, rows.bytes(1))));
      if (!rows.is_null(2)) (void)intact(decode_engagement(rows.bytes(2)));
    };
    read_row(read, [&] { report("contacts", "contact", key.value); });
  }
  for (const auto& [key, entry] : overlay_.contacts.map) {
    if (entry.row.body.empty()) continue;
    ++count.contacts;
    const ContactKey contact = key;
    const std::string_view body = entry.row.body;
    read_row([&] { check_names(intact(decode_contact(contact, body))); },
             [&] { report("contacts", "contact", contact.value); });
  }
}

void View::count_ledger(Recount& count) {
  const auto take = [&](ScenarioKey scenario, bool test, std::string_view body) {
    const LedgerRow row = intact(decode_ledger(scenario, {}, test, body));
    const auto& words = row.visited.words();
    for (std::uint32_t node = 0; node < words.size() * 64; ++node)
      if ((words[node / 64] >> (node % 64) & 1) != 0)
        ++count.unique[{.scenario = scenario, .node = {node}, .test = test}];
  };
  Query all{*database_, "SELECT contact, scenario, test, body FROM ledger"};
  for (auto rows = all(); rows.next();) {
    const auto read = [&] {
      const LedgerKey key{.contact = {rows.number(0)},
                          .scenario = {rows.small_number(1)},
                          .key = {},
                          .test = rows.number(2) != 0};
      if (overlay_.ledger.find(key) != nullptr) return;
      if (!exists(key.contact)) throw_unreadable("the contact of a ledger row");
      take(key.scenario, key.test, rows.bytes(3));
    };
    read_row(read, [&] { report("ledger", "contact", rows.number(0)); });
  }
  for (const auto& [key, entry] : overlay_.ledger.map) {
    if (!key.key.empty() || entry.row.body.empty()) continue;
    const LedgerKey& of = key;
    const std::string_view body = entry.row.body;
    read_row([&] { take(of.scenario, of.test, body); },
             [&] { report("ledger", "contact", of.contact.value); });
  }
  Query keyed{*database_, "SELECT contact, scenario, key, test, body FROM ledger_keyed"};
  for (auto rows = keyed(); rows.next();)
    read_row(
        [&] {
          const LedgerKey key{.contact = {rows.number(0)},
                              .scenario = {rows.small_number(1)},
                              .key = std::string{rows.bytes(2)},
                              .test = rows.number(3) != 0};
          if (overlay_.ledger.find(key) != nullptr) return;
          if (!exists(key.contact)) throw_unreadable("the contact of a ledger row");
          (void)intact(decode_ledger(key.scenario, key.key, key.test, rows.bytes(4)));
        },
        [&] { report("ledger_keyed", "contact", rows.number(0)); });
}

void View::count_runs(Recount& count) {
  struct ByTimer {
    std::size_t operator()(const Timer& timer) const { return OverlayHash{}(timer); }
  };
  std::unordered_set<Timer, ByTimer> timers;
  for (const Timer& timer : newest_.timers(Instant::max(), SIZE_MAX)) {
    ++count.timers;
    if (!is_used(timer.contact)) report("timers", "contact", timer.contact.value);
    if (timer.key.kind == TimerKind::Wait || timer.key.kind == TimerKind::RunRecheck)
      timers.insert(timer);
  }
  const auto told = [&](const Run& run, TimerKind kind, std::optional<Instant> at) {
    return !at || timers.erase({*at, run.contact, {kind, run.key.value}}) > 0;
  };
  const auto take = [&](const Run& run) {
    ++count.live_runs;
    count.newest = std::max(count.newest, std::optional{run.started});
    const CounterKey key{.scenario = run.scenario, .version = run.version, .test = run.test};
    ++count.inside[key];
    if (!versions_.contains({run.scenario, run.version}))
      count.without_version.add(format_run(run.key));
    const bool woken = told(run, TimerKind::Wait, run.wake_at);
    if (!told(run, TimerKind::RunRecheck, run.recheck_at) || !woken)
      count.without_timer.add(format_run(run.key));
    if (run.state == RunState::Parked) {
      ++count.parked[key];
      return;
    }
    CounterKey at = key;
    at.node = run.place();
    ++count.waiting[at];
  };
  Query all{*database_, "SELECT contact, run, body FROM runs_live"};
  for (auto rows = all(); rows.next();) {
    const RunKey key{rows.number(1)};
    if (overlay_.runs.find(key) != nullptr) continue;
    const auto read = [&] {
      if (!is_used(key.value)) throw_unreadable("the number of a run");
      if (!exists({rows.number(0)})) throw_unreadable("the contact of a run");
      const Run run = intact(decode_run(key, {rows.number(0)}, rows.bytes(2)));
      if (!run.live()) throw_unreadable("the state of a run");
      take(run);
    };
    read_row(read, [&] { report("runs_live", "run", key.value); });
  }
  for (const auto& [key, entry] : overlay_.runs.map) {
    if (!entry.row.live) continue;
    const RunKey of = key;
    const Overlay::RunRow& row = entry.row;
    read_row([&] { take(intact(decode_run(of, row.contact, row.body))); },
             [&] { report("runs_live", "run", of.value); });
  }
  Query ended{*database_, "SELECT key, contact, body FROM runs"};
  for (auto rows = ended(); rows.next();)
    read_row(
        [&] {
          // Its contact may be forgotten.
          if (!is_used(rows.number(0)) || !is_used(ContactKey{rows.number(1)}))
            throw_unreadable("a number of a run");
          (void)intact(decode_run({rows.number(0)}, {rows.number(1)}, rows.bytes(2)));
        },
        [&] { report("runs", "run", rows.number(0)); });
  for (const Timer& left : timers) count.without_run.add(format_run({left.key.subject}));
}

void View::count_deliveries(Recount& count, Instant now) {
  const Epochs epochs = tables_.epochs();
  const auto take = [&](const Delivery& delivery) {
    const EndpointKey& of = delivery.endpoint;
    const CounterKey key{
        .scenario = of.scenario, .node = of.node, .version = of.version, .test = delivery.test};
    ++count.deliveries[key][static_cast<std::size_t>(delivery.state)];
    count.newest = std::max(count.newest, std::optional{delivery.created});
    if (!delivery.pending()) return;
    ++count.pending;
    if (delivery.parked) ++count.parked_deliveries[key];
    const std::string name = format_delivery(epochs, delivery.key);
    if (!versions_.contains({of.scenario, of.version})) count.without_version.add(name);
    const auto loaded = newest_.delivery(delivery.key);
    if (!loaded || loaded->request == nullptr) count.without_request.add(name);
    if (delivery.parked || !delivery.due || *delivery.due + kOverdue >= now) return;
    count.overdue.add(name);
    count.overdue_since = std::min(count.overdue_since, *delivery.due);
  };
  Query all{*database_, "SELECT key FROM deliveries"};
  for (auto rows = all(); rows.next();) {
    const DeliveryKey key{rows.number(0)};
    if (overlay_.deliveries.find(key) != nullptr) continue;
    const auto delivery = tables_.delivery(key);
    if (!delivery) continue;
    if (!is_used(key.value) || delivery->contact > last_contact_)
      unreadable_.add(key);
    else
      take(*delivery);
  }
  for (const auto& [key, entry] : overlay_.deliveries.map) {
    const DeliveryKey of = key;
    const std::string_view body = entry.row.body;
    read_row([&] { take(intact(decode_delivery(of, body))); }, [&] { unreadable_.add(of); });
  }
  // Requests of deliveries that are over, and what each attempt came to.
  Query requests{*database_, "SELECT key FROM requests"};
  for (auto rows = requests(); rows.next();)
    if (!is_used(rows.number(0)))
      report("requests", "delivery", rows.number(0));
    else if (overlay_.requests.find({rows.number(0)}) == nullptr)
      (void)tables_.request({rows.number(0)});
  Query attempts{*database_, "SELECT DISTINCT delivery FROM attempts"};
  for (auto rows = attempts(); rows.next();)
    if (!is_used(rows.number(0)))
      report("attempts", "delivery", rows.number(0));
    else
      (void)tables_.attempts({rows.number(0)});
}

/// Rows by which something is found: what they name must be there, and be called so.
void View::count_names() {
  // A contact that cannot be read is reported where contacts are.
  const auto misleads = [&](ContactKey key, std::string_view id, std::string_view email) {
    bool wrong = true;
    read_row(
        [&] {
          const auto* row = overlay_.contacts.find(key);
          const auto contact = row != nullptr && !row->body.empty()
                                   ? std::optional{intact(decode_contact(key, row->body))}
                               : row != nullptr ? std::nullopt
                                                : tables_.contact(key, nullptr);
          wrong = !contact || !goes_by(*contact, id, email);
        },
        [&] { wrong = false; });
    return wrong;
  };
  Query ids{*database_, "SELECT id, contact FROM contact_ids"};
  for (auto rows = ids(); rows.next();)
    if (overlay_.ids.find(std::string{rows.bytes(0)}) == nullptr &&
        misleads({rows.number(1)}, rows.bytes(0), {}))
      report("contact_ids", "contact", rows.number(1));
  Query emails{*database_, "SELECT email, contact FROM contact_emails"};
  for (auto rows = emails(); rows.next();)
    if (overlay_.emails.find(std::string{rows.bytes(0)}) == nullptr &&
        misleads({rows.number(1)}, {}, rows.bytes(0)))
      report("contact_emails", "contact", rows.number(1));
  if (schema_ < 2) return;
  const std::uint64_t newest = last_activity(*database_);
  Query activity{*database_, "SELECT id, body FROM activity"};
  for (auto rows = activity(); rows.next();)
    read_row(
        [&] {
          if (rows.number(0) == 0 || rows.number(0) > newest)
            throw_unreadable("the number of an activity row");
          (void)intact(decode_activity(rows.bytes(1)));
        },
        [&] { report("activity", "line", rows.number(0)); });
}

void View::count_texts() {
  if (schema_ < kApart) return;
  for (const auto& [scenario, version] : versions_) {
    const ScenarioKey key = scenario;
    const Version number = version;
    read_row([&] { (void)version_text_of(*database_, key, number); },
             [&] {
               unreadable_.add({"version_texts", "scenario " + std::to_string(key.value) +
                                                     ", version " + std::to_string(number)});
             });
  }
}

Result<Recount> View::recount(Instant now) {
  return guarded([&]() -> Result<Recount> {
    Recount count;
    read_marks();
    for (const VersionRecord& version : newest_.snapshot().versions)
      versions_.emplace(version.scenario, version.version);
    count_contacts(count);
    count_ledger(count);
    count_runs(count);
    count_deliveries(count, now);
    count_names();
    count_texts();
    for (const RowName& row : found_) count.unreadable.push_back(row.table + ": " + row.key);
    count.unreadable_count = unreadable_.count();
    return count;
  });
}

/// False: ended by whoever asked for it.
bool View::copy_pages(SQLite::Database& to, const std::function<bool(std::uint64_t)>& goes_on) {
  const std::uint64_t bytes = size();
  sqlite3_backup* backup =
      sqlite3_backup_init(to.getHandle(), "main", database_->getHandle(), "main");
  if (backup == nullptr) throw SQLite::Exception{to.getHandle()};
  int result = SQLITE_OK;
  bool wanted = true;
  while (wanted && (result = sqlite3_backup_step(backup, kCopyPages)) == SQLITE_OK) {
    const auto all = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup));
    const auto left = static_cast<std::uint64_t>(sqlite3_backup_remaining(backup));
    wanted = !goes_on || goes_on(all == 0 ? 0 : bytes / all * (all - left));
  }
  const int finished = sqlite3_backup_finish(backup);
  if (!wanted) return false;
  if (result != SQLITE_DONE || finished != SQLITE_OK)
    throw SQLite::Exception{to.getHandle(), result == SQLITE_DONE ? finished : result};
  return true;
}

/// The journal of a copy holds earlier states of rows, perhaps of a contact that was erased since.
void fold_copy(SQLite::Database& copy) {
  UnreadableRows unreadable;
  Tables tables{copy, unreadable};
  Overlay overlay;
  const std::deque<JournalRow> journal = replay(copy, tables, overlay);
  if (journal.empty()) return;
  std::vector<std::uint64_t> ids;
  for (const JournalRow& row : journal) ids.push_back(row.id);
  copy.exec("PRAGMA secure_delete = ON; BEGIN");
  {
    TableWriter writer{copy, tables.seen_days()};
    Fold fold{overlay, writer, std::move(ids)};
    while (fold.step()) {
    }
  }
  copy.exec("COMMIT");
}

Status View::copy_to(const fs::path& file, const std::function<bool(std::uint64_t)>& goes_on) {
  const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0)
    return fail(ErrorKind::Io, "no_access",
                "cannot make " + file.string() + ": " + std::strerror(errno));
  Status copied = guarded([&]() -> Status {
    {
      SQLite::Database to{file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX};
      to.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
      if (!copy_pages(to, goes_on)) return fail(ErrorKind::Busy, "cancelled", "the copy was ended");
      // One file, whole in itself: whoever opens it needs no log beside it.
      if (to.execAndGet("PRAGMA journal_mode = DELETE").getString() != "delete")
        return fail(ErrorKind::Io, "store_io", file.string() + " keeps a write-ahead log");
      if (schema_ == newest_schema() && onward::foreign_objects(to).empty()) fold_copy(to);
    }
    // Pages of the log and free pages come along, with what was erased and not overwritten yet.
    const auto scrubbed = scrub_file(made);
    return scrubbed ? Status{} : tl::make_unexpected(scrubbed.error());
  });
  if (copied && ::fsync(made) != 0)
    copied = fail(ErrorKind::Io, "store_io",
                  "cannot sync " + file.string() + ": " + std::strerror(errno));
  ::close(made);
  return copied;
}
}  // namespace

namespace {
/// A file of another user is none that is missing, or damaged.
Status check_readable(const fs::path& folder) {
  const auto readable = [](const fs::path& path, int mode) -> Status {
    if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 || errno != EACCES) return {};
    return fail(ErrorKind::Io, "no_access",
                path.string() + " cannot be read by this user (EACCES); run this as its owner");
  };
  if (Status may = readable(folder, R_OK | X_OK); !may) return may;
  for (const char* name : {"onward.db", "onward.db-wal", "onward.lock"})
    if (Status may = readable(folder / name, R_OK); !may) return may;
  return {};
}
}  // namespace

int newest_schema() { return migrations().back().version; }

Result<std::unique_ptr<StoreView>> StoreView::open(const fs::path& folder) {
  const fs::path file = folder / "onward.db";
  if (Status may = check_readable(folder); !may) return tl::make_unexpected(may.error());
  if (Status regular = check_regular_files(folder); !regular)
    return tl::make_unexpected(regular.error());
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    if (Status lost = check_database_lost(folder); !lost) return tl::make_unexpected(lost.error());
    return fail(ErrorKind::NotFound, "no_store",
                folder.string() + " is no data folder: there is no onward.db in it");
  }
  auto lock = LockFile::share(folder / "onward.lock");
  if (!lock && lock.error().kind == ErrorKind::Io) return tl::make_unexpected(lock.error());
  const bool owned = !lock && lock.error().kind == ErrorKind::Conflict;
  const Status whole = owned ? check_log_taken(folder, lock.error().message)
                             : check_data_files(folder, lock ? lock->left() : Left::Nothing);
  if (!whole) return tl::make_unexpected(whole.error());
  return guarded([&]() -> Result<std::unique_ptr<StoreView>> {
    auto database = owned ? open_readonly(file) : open_at_rest(file);
    check_known(*database, file);
    std::optional<LockFile> guard;
    if (lock) guard.emplace(std::move(*lock));
    return std::make_unique<View>(std::move(database), std::move(guard),
                                  owned ? lock.error().message : std::string{});
  });
}
}  // namespace onward
