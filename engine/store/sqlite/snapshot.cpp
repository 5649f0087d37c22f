#include "engine/store/sqlite/snapshot.h"

#include <algorithm>
#include <string>

#include "engine/store/codec.h"
#include "engine/store/sqlite/control_tables.h"
#include "engine/store/sqlite/row_key.h"

namespace onward {
Snapshot snapshot_of(SQLite::Database& database, Marks& marks, const Overlay& overlay,
                     UnreadableRows& unreadable) {
  Snapshot snapshot{.last_seq = marks.last_seq(), .last_contact = marks.last_contact()};
  snapshot.epochs = marks.epochs();

  Query counters{database, "SELECT scenario, node, version, test, body FROM counters"};
  for (auto rows = counters(); rows.next();) {
    const auto read = [&] {
      const CounterKey key{.scenario = {rows.small_number(0)},
                           .node = {rows.small_number(1)},
                           .version = rows.small_number(2),
                           .test = rows.small_number(3) != 0};
      snapshot.counters.emplace(key, intact(decode_counters(rows.bytes(4))));
    };
    const auto report = [&] {
      unreadable.add({"counters", row_key({{"scenario", signed_of(rows.number(0))},
                                           {"node", signed_of(rows.number(1))},
                                           {"version", signed_of(rows.number(2))}})});
    };
    read_row(read, report);
  }
  snapshot.control = read_control(database, unreadable);

  snapshot.last_seq = std::max(snapshot.last_seq, overlay.last_seq);
  snapshot.last_contact = std::max(snapshot.last_contact, overlay.last_contact);
  if (overlay.newest > Instant{}) snapshot.newest = overlay.newest;
  for (const auto& item : overlay.counters.map) {
    const CounterKey& key = item.first;
    read_row([&] { snapshot.counters[key] = intact(decode_counters(item.second.row.body)); },
             [&] {
               unreadable.add({"counters", "scenario " + std::to_string(key.scenario.value) +
                                               ", node " + std::to_string(key.node.value)});
             });
  }
  return snapshot;
}
}  // namespace onward
