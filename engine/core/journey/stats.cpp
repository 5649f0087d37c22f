#include "engine/core/journey/stats.h"

#include <algorithm>

#include <fmt/format.h>

namespace onward {
namespace {
/// Rows that are searched one by one before they get an index.
constexpr std::size_t kNamesSearchedMax = 16;
}  // namespace

void CounterRow::add(std::string_view name, std::int64_t delta) {
  const auto place = std::ranges::lower_bound(
      named, name, {}, [](const auto& entry) { return std::string_view{entry.first}; });
  if (place != named.end() && place->first == name)
    place->second += delta;
  else
    named.emplace(place, name, delta);
}

void CounterRow::add(const CounterRow& other) {
  for (std::size_t i = 0; i < kCounters; ++i) counts[i] += other.counts[i];
  for (const auto& [name, count] : other.named) add(name, count);
}

std::size_t CounterDeltas::row_of(const CounterKey& key) {
  if (last_ < rows_.size() && rows_[last_].key == key) return last_;
  // Many go the same way, from row to row.
  if (last_ + 1 < rows_.size() && rows_[last_ + 1].key == key) return ++last_;
  if (rows_.empty()) rows_.reserve(kNamesSearchedMax / 2);
  if (rows_.size() < kNamesSearchedMax) {
    last_ = 0;
    while (last_ < rows_.size() && rows_[last_].key != key) ++last_;
  } else {
    if (index_.empty())
      for (std::size_t i = 0; i < rows_.size(); ++i) index_.emplace(rows_[i].key, i);
    last_ = index_.try_emplace(key, rows_.size()).first->second;
  }
  if (last_ == rows_.size()) rows_.push_back({.key = key});
  return last_;
}

void CounterDeltas::add(const CounterChange& change) {
  const std::size_t row = row_of(change.key);
  if (change.counter != Counter::kCount) {
    rows_[row].counts[static_cast<std::size_t>(change.counter)] += change.delta;
    return;
  }
  // A batch goes the same few ways again and again.
  for (std::size_t i = 0; i < named_.size() && i < kNamesSearchedMax; ++i)
    if (Named& one = named_[i]; one.row == row && one.name == change.name) {
      one.delta += change.delta;
      return;
    }
  named_.push_back({.row = row, .name = change.name, .delta = change.delta});
}

std::vector<std::pair<CounterKey, CounterRow>> CounterDeltas::added_to(
    const Counters& before) const {
  std::vector<std::pair<CounterKey, CounterRow>> sums;
  sums.reserve(rows_.size());
  for (const Row& row : rows_) {
    const auto known = before.find(row.key);
    CounterRow& sum =
        sums.emplace_back(row.key, known == before.end() ? CounterRow{} : known->second).second;
    for (std::size_t i = 0; i < kCounters; ++i) sum.counts[i] += row.counts[i];
  }
  for (const Named& one : named_) sums[one.row].second.add(one.name, one.delta);
  return sums;
}

std::size_t CounterDeltas::KeyHash::operator()(const CounterKey& key) const noexcept {
  const std::uint64_t place = std::uint64_t{key.scenario.value} << 32 | key.node.value;
  const std::uint64_t side = std::uint64_t{key.version} << 1 | (key.test ? 1 : 0);
  return std::hash<std::uint64_t>{}((place ^ side << 24) * 0x9E3779B97F4A7C15u);
}

Counters counters_of(const Counters& counters, ScenarioKey scenario) {
  const auto first = counters.lower_bound(CounterKey{.scenario = scenario});
  auto last = first;
  while (last != counters.end() && last->first.scenario == scenario) ++last;
  return Counters(first, last);
}

std::int64_t sum_of(const Counters& counters, ScenarioKey scenario, NodeNumber node,
                    Counter counter) {
  std::int64_t sum = 0;
  for (auto row = counters.lower_bound(CounterKey{.scenario = scenario, .node = node});
       row != counters.end() && row->first.scenario == scenario && row->first.node == node; ++row)
    sum += row->second[counter];
  return sum;
}

std::map<NodeNumber, CounterRow> sum_counters(const Counters& counters, ScenarioKey scenario,
                                              bool test, Version version) {
  std::map<NodeNumber, CounterRow> sums;
  const auto first = counters.lower_bound(CounterKey{.scenario = scenario});
  for (auto row = first; row != counters.end() && row->first.scenario == scenario; ++row)
    if (row->first.test == test && (version == 0 || row->first.version == version))
      sums[row->first.node].add(row->second);
  return sums;
}

namespace {
std::string unequal(const CounterKey& key, std::string_view equation, std::int64_t left,
                    std::int64_t right) {
  return fmt::format("scenario {} node {} version {}{}: {} does not hold: {} against {}",
                     key.scenario.value, key.node.value, key.version, key.test ? " (test)" : "",
                     equation, left, right);
}

std::string check_scenario(const CounterKey& key, const CounterRow& row) {
  const std::int64_t came = row[Counter::Entered] + row[Counter::MovedIn];
  const std::int64_t went =
      row[Counter::Done] + row[Counter::Exited] + row[Counter::Stopped] + row[Counter::MovedOut];
  if (came != row[Counter::Inside] + went)
    return unequal(key, "entered + moved in = inside + done + exited + stopped + moved out", came,
                   row[Counter::Inside] + went);
  if (row[Counter::Parked] > row[Counter::Inside])
    return unequal(key, "parked <= inside", row[Counter::Parked], row[Counter::Inside]);
  return {};
}

std::string check_node(const CounterKey& key, const CounterRow& row) {
  const std::int64_t settled = row[Counter::Accepted] + row[Counter::Pending] +
                               row[Counter::Failed] + row[Counter::Cancelled];
  if (settled != row[Counter::Requests])
    return unequal(key, "accepted + pending + failed + cancelled = requests", settled,
                   row[Counter::Requests]);
  if (row[Counter::Requests] != 0 && row[Counter::Requests] != row[Counter::Visits])
    return unequal(key, "requests = visits", row[Counter::Requests], row[Counter::Visits]);
  if (row[Counter::PendingParked] > row[Counter::Pending])
    return unequal(key, "parked <= pending", row[Counter::PendingParked], row[Counter::Pending]);
  if (row[Counter::UniqueContacts] > row[Counter::Visits])
    return unequal(key, "unique contacts <= visits", row[Counter::UniqueContacts],
                   row[Counter::Visits]);
  // Those who are neither gone nor waiting are parked there, or ended there.
  std::int64_t gone = row[Counter::Waiting] + row[Counter::MovedOut];
  for (const auto& [port, count] : row.named) gone += count;
  const std::int64_t came = row[Counter::Visits] + row[Counter::MovedIn];
  if (gone > came)
    return unequal(key, "ports + waiting + moved out <= visits + moved in", gone, came);
  return {};
}
/// Over all versions of a scenario whoever moved out moved in.
std::string check_moves(const Counters& counters) {
  struct Sum {
    CounterKey key;
    std::int64_t in = 0, out = 0;
  };
  std::map<std::pair<ScenarioKey, bool>, Sum> sums;
  for (const auto& [key, row] : counters) {
    if (key.node) continue;
    Sum& sum = sums[{key.scenario, key.test}];
    sum.key = key;
    sum.in += row[Counter::MovedIn];
    sum.out += row[Counter::MovedOut];
  }
  for (const auto& [scenario, sum] : sums)
    if (sum.in != sum.out)
      return unequal(sum.key, "moved in = moved out, over all versions", sum.in, sum.out);
  return {};
}
}  // namespace

std::string check_counters(const Counters& counters) {
  if (std::string fault = check_moves(counters); !fault.empty()) return fault;
  for (const auto& [key, row] : counters) {
    const bool negative = std::ranges::any_of(row.counts, [](auto count) { return count < 0; });
    if (negative) return unequal(key, "every count >= 0", -1, 0);
    std::string fault = key.node ? check_node(key, row) : check_scenario(key, row);
    if (!fault.empty()) return fault;
  }
  return {};
}
}  // namespace onward
