// What a durable event costs in the store alone: journal and fold against a row per change, with
// many contacts present. Prints a table, or JSON with --json.
//
// An event is: its contact looked up and loaded, its id looked for among those seen; then one
// commit a batch with its ledger row, its run (ended, three steps), its delivery with a body of 300
// bytes, its seen id, the counters, and the previous batch's deliveries accepted.
#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/core/base/hash.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "engine/store/store.h"

namespace onward {
namespace {
constexpr Instant kStart{std::chrono::milliseconds{1'777'000'000'000}};
constexpr ScenarioKey kStoreScenario{1};
constexpr NodeNumber kTrigger{1}, kCondition{2}, kSend{3};

struct Options {
  std::filesystem::path folder = std::filesystem::temp_directory_path();
  std::uint64_t contacts = 1'000'000;
  std::uint64_t events = 60'000;
  std::size_t fold_after = SqliteOptions{}.fold_after;
  bool json = false;
};

struct Figures {
  std::string form;
  std::size_t batch = 0;
  double cpu_us = 0, cpu_read_us = 0, wall_us = 0;  ///< An event.
  double kept_bytes = 0, written_bytes = 0;         ///< An event.
  double commit_p50_ms = 0, commit_p99_ms = 0, commit_max_ms = 0;
};

[[noreturn]] void stop(const Error& error) {
  fmt::print(stderr, "{}: {}\n", error.code, error.message);
  std::exit(1);
}
template <class T>
T value_of(Result<T> result) {
  if (!result) stop(result.error());
  return std::move(*result);
}
void check(const Status& status) {
  if (!status) stop(status.error());
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}
double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
/// Bytes that this process has handed to write calls.
double bytes_written() {
  std::ifstream io{"/proc/self/io"};
  for (std::string name; io >> name;) {
    double bytes = 0;
    io >> bytes;
    if (name == "wchar:") return bytes;
  }
  return 0;
}

/// Time spent in the store's calls alone.
struct Meter {
  double cpu = 0, wall = 0;
  template <class Call>
  double run(Call call) {
    const double cpu_from = cpu_seconds();
    const double wall_from = wall_seconds();
    call();
    const double took = wall_seconds() - wall_from;
    cpu += cpu_seconds() - cpu_from;
    wall += took;
    return took;
  }
};

std::string contact_id(std::uint64_t key) { return "member-" + std::to_string(key); }

LedgerEntry ledger_entry(std::uint64_t contact, std::uint32_t entries) {
  LedgerEntry entry{{contact},
                    {.scenario = kStoreScenario, .entries = entries, .last_entry = kStart}};
  for (const NodeNumber node : {kTrigger, kCondition, kSend}) entry.row.visited.insert(node);
  return entry;
}

/// A store with the contacts, folded and closed.
void prepare(const std::filesystem::path& folder, std::uint64_t contacts) {
  const auto store = value_of(open_sqlite_store({.folder = folder, .durable = false}));
  for (std::uint64_t key = 1; key <= contacts;) {
    Commit commit;
    for (std::uint64_t end = std::min(contacts + 1, key + 20'000); key < end; ++key) {
      const std::string email = "member" + std::to_string(key) + "@example.org";
      Contact contact{.key = {key}, .id = ExternalId{.text = contact_id(key)}};
      contact.fields = {{Field::Email, Value{email}},
                        {Field::FirstName, Value{"Jane"}},
                        {Field::LastName, Value{"Doe"}},
                        {Field::Language, Value{"fr"}}};
      contact.groups = {"newsletter"};
      contact.created_at = contact.updated_at = kStart;
      commit.contacts.push_back(std::move(contact));
      commit.ledger.push_back(ledger_entry(key, 1));
      commit.identities.push_back({IdentityChange::Kind::Id, contact_id(key), {key}, false});
      commit.identities.push_back({IdentityChange::Kind::Email, email, {key}, false});
      commit.last_contact = {key};
    }
    check(store->commit(commit));
    check(store->fold());
  }
}

/// Makes batches, and remembers what the next one settles.
class StoreLoad {
 public:
  explicit StoreLoad(const Options& options) : contacts_{options.contacts} {}

  void next(std::size_t batch) {
    identities.clear();
    loads.clear();
    seen.clear();
    commit = Commit{};
    for (Delivery& delivery : pending_) {
      delivery.state = DeliveryState::Accepted;
      delivery.due.reset();
      delivery.settled = now_;
      delivery.attempts = 1;
      delivery.last = Attempt{.number = 1, .started = now_, .took = Duration{12}, .status = 200};
    }
    commit.deliveries = std::move(pending_);
    pending_.clear();
    for (std::size_t i = 0; i < batch; ++i) add_event();
    add_counters();
    commit.last_seq = seq_;
    now_ += Duration{static_cast<std::int64_t>(batch) / 10 + 1};
  }

  std::vector<IdentityQuery> identities;
  std::vector<LoadQuery> loads;
  std::vector<Hash128> seen;
  Commit commit;
  Instant now() const { return now_; }

 private:
  void add_event() {
    const std::uint64_t contact = 1 + random_() % contacts_;
    const std::uint64_t key = numbered(++seq_, 0);
    identities.push_back({.id = contact_id(contact)});
    loads.push_back({.contact = {contact}, .ledger = {kStoreScenario}});
    seen.push_back({random_(), random_()});

    Run run;
    run.key = {key};
    run.scenario = kStoreScenario;
    run.version = 1;
    run.contact = {contact};
    run.state = RunState::Done;
    run.started = now_;
    run.ended = now_;
    run.path = {{.node = kTrigger, .at = now_, .port = "next"},
                {.node = kCondition, .at = now_, .port = "yes", .note = "email is jane@…"},
                {.node = kSend, .at = now_, .port = "next", .delivery = DeliveryKey{key}}};
    commit.runs.push_back(std::move(run));

    Delivery delivery{.key = {key}};
    delivery.endpoint = {.scenario = kStoreScenario, .node = kSend, .version = 1};
    delivery.contact = {contact};
    delivery.run = {key};
    delivery.created = now_;
    delivery.deadline = now_ + std::chrono::hours{12};
    delivery.due = now_;
    pending_.push_back(delivery);
    commit.deliveries.push_back(std::move(delivery));
    commit.requests.push_back({{key}, request_});
    commit.ledger.push_back(ledger_entry(contact, 2));
    commit.seen.push_back({seen.back(), {seq_, seq_}, now_});
  }

  void add_counters() {
    for (std::uint32_t node = 0; node <= kSend.value; ++node) {
      CounterRow row;
      row.add(node == 0 ? Counter::Entered : Counter::Visits, static_cast<std::int64_t>(seq_));
      if (node > 0) row.add("next", static_cast<std::int64_t>(seq_));
      commit.counters.push_back({{.scenario = kStoreScenario, .node = {node}, .version = 1}, row});
    }
  }

  std::uint64_t contacts_;
  std::mt19937_64 random_{7};
  Sequence seq_ = 0;
  Instant now_ = kStart;
  std::vector<Delivery> pending_;
  std::shared_ptr<const Request> request_ =
      std::make_shared<const Request>(Request{.url = "https://crm.example.com/hooks/new-contact",
                                              .headers = {{"Content-Type", "application/json"}},
                                              .body = std::string(300, 'b')});
};

Figures measure(const Options& options, const std::filesystem::path& prepared, bool plain_rows,
                std::size_t batch) {
  const auto folder = options.folder / "onward-store-bench-run";
  std::filesystem::remove_all(folder);
  std::filesystem::copy(prepared, folder);
  const auto size_from = static_cast<double>(std::filesystem::file_size(folder / "onward.db"));
  Figures figures{.form = plain_rows ? "plain rows" : "journal and fold", .batch = batch};
  {
    const auto store = value_of(open_sqlite_store(
        {.folder = folder, .fold_after = options.fold_after, .plain_rows = plain_rows}));
    const double written_from = bytes_written();
    StoreLoad load{options};
    Meter reads, writes;
    std::vector<double> commits;
    std::uint64_t events = 0;
    for (; events < options.events; events += batch) {
      load.next(batch);
      reads.run([&] {
        value_of(store->identify(load.identities));
        value_of(store->seen(load.seen, load.now()));
        value_of(store->load(load.loads));
      });
      commits.push_back(writes.run([&] {
        check(store->commit(load.commit));
        check(store->sync());
      }));
    }
    writes.run([&] { check(store->fold()); });

    const auto each = static_cast<double>(events);
    figures.cpu_us = (reads.cpu + writes.cpu) * 1e6 / each;
    figures.cpu_read_us = reads.cpu * 1e6 / each;
    figures.wall_us = (reads.wall + writes.wall) * 1e6 / each;
    figures.written_bytes = (bytes_written() - written_from) / each;
    std::sort(commits.begin(), commits.end());
    figures.commit_p50_ms = commits[commits.size() / 2] * 1e3;
    figures.commit_p99_ms = commits[commits.size() * 99 / 100] * 1e3;
    figures.commit_max_ms = commits.back() * 1e3;
  }
  // Closed: the log is gone, what is left is kept.
  const auto size = static_cast<double>(std::filesystem::file_size(folder / "onward.db"));
  figures.kept_bytes = (size - size_from) / static_cast<double>(options.events);
  std::filesystem::remove_all(folder);
  return figures;
}

/// What a reader takes for its first list while so many changes are in the journal alone, in
/// milliseconds.
constexpr std::size_t kColdChanges = 80'000;
double first_list_ms(const Options& options, const std::filesystem::path& prepared) {
  const auto folder = options.folder / "onward-store-bench-run";
  std::filesystem::remove_all(folder);
  std::filesystem::copy(prepared, folder);
  double took = 0;
  {
    const auto store = value_of(open_sqlite_store({.folder = folder,
                                                   .fold_after = 2 * kColdChanges,
                                                   .fold_age = std::chrono::hours{1},
                                                   .durable = false}));
    StoreLoad load{options};
    for (std::size_t changes = 0; changes < kColdChanges;) {
      load.next(1'000);
      const Commit& c = load.commit;
      changes += c.runs.size() + c.deliveries.size() + c.requests.size() + c.ledger.size() +
                 c.seen.size() + c.counters.size();
      check(store->commit(c));
    }
    const auto reader = value_of(store->open_reader());
    const double from = wall_seconds();
    value_of(reader->deliveries(kStoreScenario, kSend, std::nullopt, 50, ""));
    took = (wall_seconds() - from) * 1e3;
  }
  std::filesystem::remove_all(folder);
  return took;
}

void print(const Options& options, const std::vector<Figures>& all, double first_list) {
  if (options.json) {
    fmt::print("{{\"contacts\": {}, \"events\": {}, \"first_list_ms\": {:.1f}, \"rows\": [",
               options.contacts, options.events, first_list);
    const char* separator = "";
    for (const Figures& f : all) {
      fmt::print(
          "{}{{\"form\": \"{}\", \"batch\": {}, \"cpu_us\": {:.1f}, \"cpu_read_us\": {:.1f}, "
          "\"wall_us\": {:.1f}, \"kept_bytes\": {:.0f}, \"written_bytes\": {:.0f}, "
          "\"commit_p50_ms\": {:.2f}, \"commit_p99_ms\": {:.2f}, \"commit_max_ms\": {:.2f}}}",
          separator, f.form, f.batch, f.cpu_us, f.cpu_read_us, f.wall_us, f.kept_bytes,
          f.written_bytes, f.commit_p50_ms, f.commit_p99_ms, f.commit_max_ms);
      separator = ", ";
    }
    fmt::print("]}}\n");
    return;
  }
  fmt::print("{} contacts present, {} events each; per event, and per commit\n", options.contacts,
             options.events);
  fmt::print("{:<17} {:>6} {:>8} {:>11} {:>8} {:>7} {:>9} {:>8} {:>8} {:>8}\n", "form", "batch",
             "cpu us", "of it reads", "wall us", "kept B", "written B", "p50 ms", "p99 ms",
             "max ms");
  for (const Figures& f : all)
    fmt::print(
        "{:<17} {:>6} {:>8.1f} {:>11.1f} {:>8.1f} {:>7.0f} {:>9.0f} {:>8.2f} {:>8.2f} "
        "{:>8.2f}\n",
        f.form, f.batch, f.cpu_us, f.cpu_read_us, f.wall_us, f.kept_bytes, f.written_bytes,
        f.commit_p50_ms, f.commit_p99_ms, f.commit_max_ms);
  fmt::print("a reader's first list, {} changes in the journal alone: {:.1f} ms\n", kColdChanges,
             first_list);
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (name == "--json") {
      options.json = true;
    } else if (name == "--folder" && value) {
      options.folder = argv[++i];
    } else if (name == "--contacts" && value) {
      options.contacts = std::max(1ULL, std::strtoull(argv[++i], nullptr, 10));
    } else if (name == "--events" && value) {
      options.events = std::max(1ULL, std::strtoull(argv[++i], nullptr, 10));
    } else if (name == "--fold-after" && value) {
      options.fold_after = std::max(1ULL, std::strtoull(argv[++i], nullptr, 10));
    } else {
      fmt::print(stderr,
                 "usage: {} [--folder DIR] [--contacts N] [--events N] [--fold-after N] [--json]\n",
                 argv[0]);
      std::exit(64);
    }
  }
  return options;
}
}  // namespace
}  // namespace onward

int main(int argc, char** argv) {
  using namespace onward;
  const Options options = read_options(argc, argv);
  const auto prepared = options.folder / "onward-store-bench";
  std::filesystem::remove_all(prepared);
  prepare(prepared, options.contacts);
  std::vector<Figures> all;
  for (const bool plain_rows : {true, false})
    for (const std::size_t batch : {30, 100, 1000})
      all.push_back(measure(options, prepared, plain_rows, batch));
  const double first_list = first_list_ms(options, prepared);
  std::filesystem::remove_all(prepared);
  print(options, all, first_list);
}
