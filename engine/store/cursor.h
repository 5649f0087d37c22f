#pragma once
// What all stores make alike of lists: a cursor names the last row that was given out, by its
// number; a delivery's attempts are its superseded ones and its last.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/delivery/delivery.h"
#include "engine/store/read_model.h"

namespace onward {
/// Holders of one email that `identify` names.
inline constexpr std::size_t kHoldersMax = 16;

/// With so many runs, `Store::live_runs` asks no further contact.
inline constexpr std::size_t kLiveRunsAtOnce = 500;

/// Rows to give out come before (are older than) this number. "" is the beginning.
inline Result<std::uint64_t> read_cursor(std::string_view cursor) {
  if (cursor.empty()) return ~std::uint64_t{0};
  const auto number = from_base32(cursor);
  if (!number)
    return fail(ErrorKind::Invalid, "bad_cursor", "the cursor is not one that a list gave out");
  return *number;
}

/// Live runs to give out come after this place. "" is the beginning.
inline Result<std::pair<ContactKey, RunKey>> read_run_cursor(std::string_view cursor) {
  if (cursor.empty()) return std::pair{ContactKey{}, RunKey{}};
  const std::size_t dot = cursor.find('.');
  const auto contact = from_base32(cursor.substr(0, dot));
  const auto run =
      dot == std::string_view::npos ? std::nullopt : from_base32(cursor.substr(dot + 1));
  if (!contact || !run)
    return fail(ErrorKind::Invalid, "bad_cursor", "the cursor is not one that a list gave out");
  return std::pair{ContactKey{*contact}, RunKey{*run}};
}

/// A page of live runs in the making.
class RunSearch {
 public:
  RunSearch(const ReadModel::RunFilter& filter, std::size_t limit)
      : filter_{filter}, limit_{limit} {}

  /// The next live run. False: the page is full, or long enough searched for; the run was not
  /// taken.
  bool take(const Run& run) {
    if (list_.runs.size() >= limit_ || searched_ >= kRunsSearched) {
      if (limit_ > 0)
        list_.next = to_base32(last_.first.value) + "." + to_base32(last_.second.value);
      return false;
    }
    ++searched_;
    last_ = {run.contact, run.key};
    if (fits(filter_, run)) list_.runs.push_back(run);
    return true;
  }
  ReadModel::RunList list() { return std::move(list_); }

 private:
  ReadModel::RunFilter filter_;
  std::size_t limit_;
  std::size_t searched_ = 0;
  std::pair<ContactKey, RunKey> last_;
  ReadModel::RunList list_;
};

/// `superseded` and the last, by number.
inline std::vector<Attempt> all_attempts(std::vector<Attempt> superseded,
                                         const std::optional<Attempt>& last) {
  if (!last) return superseded;
  std::erase_if(superseded, [&](const Attempt& a) { return a.number == last->number; });
  const auto place = std::find_if(superseded.begin(), superseded.end(),
                                  [&](const Attempt& a) { return a.number > last->number; });
  superseded.insert(place, *last);
  return superseded;
}
}  // namespace onward
