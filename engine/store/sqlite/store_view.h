#pragma once
// A data folder as it stands at one moment, read and never changed: for copies and for the doctor.
// A server may be working on it meanwhile; where none is, none can begin while this is open.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/store/recount.h"
#include "engine/store/rows.h"

namespace onward {
class StoreView {
 public:
  /// Everything that was committed before the call is seen, the journal's rows among them, and
  /// nothing that comes after it. While a server works its write-ahead log grows, since no
  /// checkpoint passes what is seen here. Where files are missing so that no server would start on
  /// them, Io ("damaged"; "log_taken" where a server works on it); where this user may not read
  /// them, Io ("no_access").
  static Result<std::unique_ptr<StoreView>> open(const std::filesystem::path& folder);
  virtual ~StoreView() = default;

  /// "process 123", which uses the folder; empty: nobody.
  virtual const std::string& owner() const = 0;
  virtual int schema() const = 0;
  virtual Result<Snapshot> snapshot() = 0;
  /// What SQLite finds wrong, a sentence each, at most twenty; empty: the file is sound.
  virtual Result<std::vector<std::string>> integrity() = 0;

  /// What the schema has besides our tables and indexes, or has otherwise; empty: nothing.
  virtual Result<std::vector<std::string>> foreign_objects() = 0;

  struct Journal {
    std::uint64_t rows = 0;     ///< Not folded yet.
    std::uint64_t missing = 0;  ///< Numbers left out between the first and the last.
  };
  virtual Journal journal() const = 0;
  /// Reads every row of contacts, ledger, live runs, deliveries and timers.
  virtual Result<Recount> recount(Instant now) = 0;

  /// The text of a version; nothing where there is none. `unreadable_row` where it is not whole.
  virtual Result<std::optional<std::string>> version_text(ScenarioKey scenario,
                                                          Version version) = 0;

  /// Bytes of the database, without its write-ahead log.
  virtual std::uint64_t size() = 0;
  /// Writes what is seen into a new file, synced and whole in itself. `goes_on` is asked now and
  /// then with the bytes written so far; false ends it ("cancelled"). What is left of a copy that
  /// failed is the caller's to take away.
  virtual Status copy_to(const std::filesystem::path& file,
                         const std::function<bool(std::uint64_t)>& goes_on) = 0;
};

/// The newest schema that this program knows.
int newest_schema();
}  // namespace onward
