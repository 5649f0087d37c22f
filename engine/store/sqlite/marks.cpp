#include "engine/store/sqlite/marks.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/store/codec.h"

namespace onward {
namespace {
/// A row that is numbered so far above the stored mark is damaged. The gap is not 0, because the
/// mark may be the one that is damaged, and then used numbers must not be used again.
constexpr std::uint64_t kContactGapMax = std::uint64_t{1} << 32;
constexpr std::uint64_t kSequenceGapMax = std::uint64_t{1} << 40;

std::uint64_t greatest(Query& of, std::uint64_t below) {
  auto rows = of(below);
  return rows.next() ? rows.number(0) : 0;
}
}  // namespace

Marks::Marks(SQLite::Database& database, UnreadableRows& unreadable)
    : unreadable_{unreadable},
      value_{database, "SELECT value FROM meta WHERE name = ?"},
      last_delivery_{database,
                     "SELECT coalesce(max(key), 0) FROM deliveries WHERE key > 0 AND key < ?"},
      last_run_{database, "SELECT coalesce(max(key), 0) FROM runs WHERE key > 0 AND key < ?"},
      last_contact_{database,
                    "SELECT coalesce(max(key), 0) FROM contacts WHERE key > 0 AND key < ?"} {}

std::optional<std::uint64_t> Marks::value(const std::string& name) {
  auto rows = value_(name);
  if (!rows.next()) return std::nullopt;
  return rows.number(0);
}

Epochs Marks::epochs() {
  const std::string newest_name = "epoch", past_name = "past_epochs";
  std::string newest;
  // Epochs go out in headers.
  const auto mend = [&](std::string& epoch, const std::string& name) {
    std::string kept = readable_epoch(epoch);
    if (kept == epoch) return;
    unreadable_.add({"meta", name});
    epoch = std::move(kept);
  };
  if (auto rows = value_(newest_name); rows.next()) {
    newest = rows.bytes(0);
    mend(newest, newest_name);
  }
  std::vector<Epochs::Past> past;
  if (auto rows = value_(past_name); rows.next())
    read_row([&] { past = intact(decode_past_epochs(rows.bytes(0))); },
             [&] {
               unreadable_.add({"meta", past_name});
             });
  for (Epochs::Past& one : past) mend(one.epoch, past_name);
  return Epochs{std::move(newest), std::move(past)};
}

Sequence Marks::last_seq() {
  const auto noted = value("last_seq");
  const bool possible = !noted || *noted < kSequenceMax;
  if (!possible) unreadable_.add({"meta", "last_seq"});
  const std::uint64_t mark = possible ? noted.value_or(0) : 0;
  const Sequence end = mark == 0 ? kSequenceMax : std::min(kSequenceMax, mark + kSequenceGapMax);
  const std::uint64_t below = numbered(end, 0);
  return std::max(
      {mark, greatest(last_delivery_, below) / kOrdinals, greatest(last_run_, below) / kOrdinals});
}

ContactKey Marks::last_contact() {
  const auto noted = value("last_contact");
  const bool possible = !noted || *noted < kContactMax;
  if (!possible) unreadable_.add({"meta", "last_contact"});
  const std::uint64_t mark = possible ? noted.value_or(0) : 0;
  const std::uint64_t end = mark == 0 ? kContactMax : std::min(kContactMax, mark + kContactGapMax);
  return {std::max(mark, greatest(last_contact_, end))};
}
}  // namespace onward
