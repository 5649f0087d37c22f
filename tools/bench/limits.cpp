#include "tools/bench/limits.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include "tools/bench/load.h"
#include "tools/bench/receiver.h"
#include "tools/bench/texts.h"
#include "tools/bench/wire.h"

namespace onward::bench {
namespace {
constexpr double kLimitSecond = 1e9;
constexpr double kLimitSeconds = 3;         // of each limit, at most
constexpr std::size_t kJournalBytes = 700;  // about what one event's changes take in the journal

double seconds_since(std::int64_t start_ns) {
  return static_cast<double>(now_ns() - start_ns) / kLimitSecond;
}

std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

/// A handle as a webhook needs it; everything is set once and used again.
CURL* make_handle(const std::string& url, const std::string& body, curl_slist* headers) {
  CURL* handle = curl_easy_init();
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 15'000L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, 5'000L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, discard);
  return handle;
}

void run(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    give_up(fmt::format("SQLite: {}: {}", sql, sqlite3_errmsg(database)));
  }
}
}  // namespace

double percentile(std::vector<std::uint32_t>& samples, double share) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(samples.size()));
  return samples[std::min(at, samples.size() - 1)];
}

SyncLimit measure_fsync(const std::string& folder, int count) {
  const std::string path = folder + "/fsync.probe";
  const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  constexpr int kPages = 1'024;
  const std::string page(4096, 'x');
  // Written once beforehand: a file that grows pays for its growth, and a journal is reused.
  for (int i = 0; i < kPages; ++i) {
    if (::write(file, page.data(), page.size()) < 0) give_up("cannot write " + path);
  }
  ::fsync(file);
  std::vector<std::uint32_t> took_us;
  for (int i = 0; i < count; ++i) {
    const std::int64_t start = now_ns();
    if (::pwrite(file, page.data(), page.size(), (i % kPages) * 4096) < 0 ||
        ::fdatasync(file) != 0) {
      give_up("cannot sync " + path);
    }
    took_us.push_back(static_cast<std::uint32_t>((now_ns() - start) / 1'000));
  }
  ::close(file);
  ::unlink(path.c_str());
  SyncLimit limit;
  limit.p50_us = percentile(took_us, 0.50);
  limit.p99_us = percentile(took_us, 0.99);
  return limit;
}

double measure_sqlite(const std::string& folder, int events_per_commit, std::size_t bytes_per_event,
                      double seconds) {
  const std::string path = folder + "/sqlite.probe";
  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) give_up("SQLite cannot open " + path);
  run(database, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF;");
  run(database, "CREATE TABLE journal (seq INTEGER PRIMARY KEY, changes BLOB NOT NULL)");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(database, "INSERT INTO journal (changes) VALUES (?)", -1, &insert, nullptr);
  const std::string row(static_cast<std::size_t>(events_per_commit) * bytes_per_event, 'x');
  std::uint64_t commits = 0;
  const std::int64_t start = now_ns();
  while (seconds_since(start) < seconds) {
    sqlite3_bind_blob(insert, 1, row.data(), static_cast<int>(row.size()), SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE) give_up("SQLite cannot append a row");
    sqlite3_reset(insert);
    ++commits;
  }
  const double took = seconds_since(start);
  sqlite3_finalize(insert);
  sqlite3_close(database);
  for (const char* ending : {"", "-wal", "-shm"}) ::unlink((path + ending).c_str());
  return static_cast<double>(commits) * events_per_commit / took;
}

double measure_curl(std::uint16_t port, int in_flight, const std::string& body, double seconds) {
  const std::string url = fmt::format("http://127.0.0.1:{}/hook", port);
  curl_slist* headers = nullptr;
  for (const char* line : {"Content-Type: application/json", "Expect:", "User-Agent: Onward/0",
                           "webhook-id: evt_000000000000_1", "webhook-timestamp: 1700000000"}) {
    headers = curl_slist_append(headers, line);
  }
  CURLM* multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(in_flight));
  std::vector<CURL*> handles;
  for (int i = 0; i < in_flight; ++i) {
    handles.push_back(make_handle(url, body, headers));
    curl_multi_add_handle(multi, handles.back());
  }
  std::uint64_t done = 0;
  const std::int64_t start = now_ns();
  while (seconds_since(start) < seconds) {
    int running = 0;
    curl_multi_perform(multi, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* handle = message->easy_handle;
      if (message->data.result != CURLE_OK) {
        give_up(fmt::format("libcurl: {}", curl_easy_strerror(message->data.result)));
      }
      ++done;
      curl_multi_remove_handle(multi, handle);
      curl_multi_add_handle(multi, handle);
    }
    curl_multi_poll(multi, nullptr, 0, 100, nullptr);
  }
  const double took = seconds_since(start);
  for (CURL* handle : handles) {
    curl_multi_remove_handle(multi, handle);
    curl_easy_cleanup(handle);
  }
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  return static_cast<double>(done) / took;
}

SyncLimit Limits::fsync() {
  if (fsync_) return *fsync_;
  fsync_ = measure_fsync(plan_.folder, 1'000);
  report_.add({.name = "limit_fsync_p50_us",
               .text = "the machine: a small fsync, p50",
               .value = fsync_->p50_us,
               .unit = "us"});
  report_.add({.name = "limit_fsync_p99_us",
               .text = "the machine: a small fsync, p99",
               .value = fsync_->p99_us,
               .unit = "us"});
  return *fsync_;
}

double Limits::sqlite() {
  if (sqlite_) return *sqlite_;
  const double seconds = std::min(plan_.seconds, kLimitSeconds);
  sqlite_ = measure_sqlite(plan_.folder, 1'000, kJournalBytes, seconds);
  report_.add({.name = "limit_sqlite_per_s",
               .text = "the machine: SQLite alone, 1,000 events a commit",
               .value = *sqlite_,
               .unit = "/s"});
  return *sqlite_;
}

double Limits::curl() {
  if (curl_) return *curl_;
  const double seconds = std::min(plan_.seconds, kLimitSeconds);
  Receiver receiver;
  const std::string body = webhook_like_ours();
  measure_curl(receiver.port(), plan_.connections, body, seconds / 4);  // warms up
  curl_ = measure_curl(receiver.port(), plan_.connections, body, seconds);
  report_.add({.name = "limit_curl_per_s",
               .text = fmt::format("the machine: libcurl multi, {} in flight", plan_.connections),
               .value = *curl_,
               .unit = "/s"});
  return *curl_;
}

double Limits::load_generator() {
  if (load_generator_) return *load_generator_;
  Receiver receiver;
  LoadPlan load;
  load.port = receiver.port();
  load.connections = plan_.connections;
  load.seconds = std::min(plan_.seconds, kLimitSeconds);
  load.write_event = [this](std::string& out, std::uint64_t number, std::int64_t sent_ns) {
    append_event(out, "measured", random_below(static_cast<std::uint64_t>(plan_.contacts)), number,
                 sent_ns);
  };
  load_generator_ = static_cast<double>(run_load(load).accepted_in_time) / load.seconds;
  report_.add({.name = "limit_load_generator_per_s",
               .text = "the machine: the load generator alone",
               .value = *load_generator_,
               .unit = "/s"});
  return *load_generator_;
}
}  // namespace onward::bench
