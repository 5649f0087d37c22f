#include "engine/store/recount.h"

#include <set>

namespace onward {
namespace {
/// "scenario welcome, node tell_crm, version 2, test traffic"
std::string place_of(const Snapshot& snapshot, const CounterKey& key) {
  std::string scenario = std::to_string(key.scenario.value), node = std::to_string(key.node.value);
  for (const ScenarioRecord& record : snapshot.control.scenarios) {
    if (record.key != key.scenario) continue;
    scenario = record.id;
    for (const auto& [id, number] : record.nodes)
      if (number == key.node) node = id;
  }
  std::string place = "scenario " + scenario;
  if (key.node) place += ", node " + node;
  if (key.version != 0) place += ", version " + std::to_string(key.version);
  if (key.test) place += ", test traffic";
  return place;
}

class Comparison {
 public:
  Comparison(const Snapshot& snapshot, const Recount& rows) : snapshot_{snapshot}, rows_{rows} {}

  std::vector<std::string> differences() {
    for (const CounterKey& key : keys()) compare(key);
    compare_unique();
    return std::move(found_);
  }

 private:
  std::set<CounterKey> keys() const {
    std::set<CounterKey> keys;
    const auto take = [&](const auto& rows) {
      for (const auto& row : rows) keys.insert(row.first);
    };
    take(snapshot_.counters);
    take(rows_.deliveries);
    take(rows_.inside);
    take(rows_.waiting);
    return keys;
  }

  std::int64_t counted(const CounterKey& key, Counter counter) const {
    const auto row = snapshot_.counters.find(key);
    return row == snapshot_.counters.end() ? 0 : row->second[counter];
  }

  void equal(const CounterKey& key, Counter counter, const char* what, std::int64_t rows) {
    if (const std::int64_t count = counted(key, counter); count != rows)
      found_.push_back(place_of(snapshot_, key) + ": " + what + " counted " +
                       std::to_string(count) + ", rows " + std::to_string(rows));
  }

  template <class Map>
  static std::int64_t at(const Map& map, const CounterKey& key) {
    const auto row = map.find(key);
    return row == map.end() ? 0 : row->second;
  }

  void compare(const CounterKey& key) {
    if (!key.node) {
      equal(key, Counter::Inside, "inside", at(rows_.inside, key));
      equal(key, Counter::Parked, "parked runs", at(rows_.parked, key));
      return;
    }
    const auto row = rows_.deliveries.find(key);
    const auto states = row == rows_.deliveries.end() ? std::array<std::int64_t, 4>{} : row->second;
    const auto of = [&](DeliveryState state) { return states[static_cast<std::size_t>(state)]; };
    equal(key, Counter::Pending, "pending", of(DeliveryState::Pending));
    equal(key, Counter::Accepted, "accepted", of(DeliveryState::Accepted));
    equal(key, Counter::Failed, "failed", of(DeliveryState::Failed));
    equal(key, Counter::Cancelled, "cancelled", of(DeliveryState::Cancelled));
    equal(key, Counter::PendingParked, "parked requests", at(rows_.parked_deliveries, key));
    equal(key, Counter::Waiting, "waiting", at(rows_.waiting, key));
  }

  void compare_unique() {
    std::map<CounterKey, std::int64_t> counted;
    for (const auto& [key, row] : snapshot_.counters)
      if (key.node)
        counted[{.scenario = key.scenario, .node = key.node, .test = key.test}] +=
            row[Counter::UniqueContacts];
    for (const auto& row : rows_.unique) counted.try_emplace(row.first, 0);
    const auto forgotten = static_cast<std::int64_t>(snapshot_.last_contact.value) -
                           static_cast<std::int64_t>(rows_.contacts);
    for (const auto& [key, count] : counted) {
      const std::int64_t known = at(rows_.unique, key);
      if (known <= count && count <= known + forgotten) continue;
      std::string text = place_of(snapshot_, key) + ": unique contacts counted " +
                         std::to_string(count) + ", in the ledger " + std::to_string(known);
      if (forgotten > 0) text += " and " + std::to_string(forgotten) + " forgotten";
      found_.push_back(std::move(text));
    }
  }

  const Snapshot& snapshot_;
  const Recount& rows_;
  std::vector<std::string> found_;
};
}  // namespace

std::vector<std::string> differences(const Snapshot& snapshot, const Recount& rows) {
  return Comparison{snapshot, rows}.differences();
}
}  // namespace onward
