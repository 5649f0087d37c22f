#pragma once
// What every store must do: one suite, run against each store in each state that a commit can be
// in when it is looked at.
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/store/sqlite/sqlite_store.h"
#include "engine/store/store.h"

namespace onward {
/// A folder that goes away with it.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A store, and what happens to it after each commit.
enum class Way {
  Memory,
  Sqlite,           ///< Looked at unfolded.
  SqliteFolded,     ///< After a fold.
  SqliteRiding,     ///< Folds ride along in the commits from the first change on.
  SqliteReopened,   ///< Closed and opened.
  SqliteCrashed,    ///< What is on disk at that moment, opened elsewhere.
  SqlitePlainRows,  ///< The form that the benchmark compares with.
};
inline constexpr Way kWays[] = {Way::Memory,         Way::Sqlite,         Way::SqliteFolded,
                                Way::SqliteRiding,   Way::SqliteReopened, Way::SqliteCrashed,
                                Way::SqlitePlainRows};
std::string name_of(Way way);

class Subject {
 public:
  explicit Subject(Way way);
  ~Subject();

  Store& store() { return *store_; }
  Store* operator->() { return store_.get(); }
  bool durable() const { return way_ != Way::Memory; }
  /// Commits, requires success, and lets happen what the way says.
  void commit(const Commit& commit);
  /// A new reader.
  std::unique_ptr<ReadModel> reader();
  void reopen();
  /// The process dies: nothing is closed, the files are copied as they are.
  void crash();

 private:
  void open();

  Way way_;
  std::vector<std::unique_ptr<TempFolder>> folders_;  ///< The last is the present one.
  std::vector<std::unique_ptr<Store>> dead_;          ///< Abandoned, open until the end.
  std::unique_ptr<Store> store_;
};

[[noreturn]] void throw_error(const Error& error);
/// The value of a result that must be one.
template <class T>
T must(Result<T> result) {
  if (!result) throw_error(result.error());
  return std::move(*result);
}
void must(Status status);

// Rows to build commits from.
Instant at(std::int64_t seconds);
Contact a_contact(std::uint64_t key, std::string id = {}, std::string email = {});
Run a_run(std::uint64_t key, std::uint64_t contact, RunState state = RunState::Waiting);
Delivery a_delivery(std::uint64_t key, std::uint64_t contact, std::int64_t due);
Request a_request(std::string body);
IdentityChange id_change(std::string id, std::uint64_t contact, bool removed = false);
IdentityChange email_change(std::string email, std::uint64_t contact, bool removed = false);

bool same(const Run& a, const Run& b);
bool same(const std::vector<Run>& a, const std::vector<Run>& b);
bool same(const std::shared_ptr<const Request>& a, const std::shared_ptr<const Request>& b);
bool same(const IdentityMatch& a, const IdentityMatch& b);
}  // namespace onward
