#include "engine/store/sqlite/overlay.h"

#include <algorithm>

#include "engine/store/codec.h"
#include "engine/store/sqlite/journal.h"

namespace onward {
namespace {
Hash128 get_hash(Decoder& in) {
  const std::string_view bytes = in.raw(16);
  if (!in.ok()) return {};
  const auto half = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    return value;
  };
  return {.high = half(0), .low = half(8)};
}

Timer get_timer(Decoder& in) {
  Timer timer{.at = in.instant(), .contact = {in.number()}};
  const std::uint8_t kind = in.byte();
  if (kind > static_cast<std::uint8_t>(TimerKind::RunRecheck)) in.fail();
  timer.key = {.kind = static_cast<TimerKind>(kind), .subject = in.number()};
  return timer;
}

IdentityChange get_identity(Decoder& in) {
  IdentityChange change;
  const std::uint8_t kind = in.byte();
  if (kind > static_cast<std::uint8_t>(IdentityChange::Kind::Email)) in.fail();
  change.kind = static_cast<IdentityChange::Kind>(kind);
  change.removed = in.flag();
  change.contact.value = in.number();
  change.value = in.string();
  return change;
}

DeliveryColumns get_columns(Decoder& in) {
  DeliveryColumns columns;
  columns.endpoint.scenario.value = in.small_number();
  columns.endpoint.node.value = in.small_number();
  columns.endpoint.version = in.small_number();
  const std::uint8_t state = in.byte();
  if (state > static_cast<std::uint8_t>(DeliveryState::Cancelled)) in.fail();
  columns.state = static_cast<DeliveryState>(state);
  columns.contact.value = in.number();
  if (in.flag()) columns.due = in.instant();
  return columns;
}

Date get_day(Decoder& in) {
  const std::int64_t days = in.signed_number();
  if (days != static_cast<std::int32_t>(days)) in.fail();
  return Date{std::chrono::days{static_cast<std::int32_t>(days)}};
}
}  // namespace

DeliveryColumns columns_of(const Delivery& delivery) {
  DeliveryColumns columns{
      .endpoint = delivery.endpoint, .state = delivery.state, .contact = delivery.contact};
  if (delivery.pending() && !delivery.parked) columns.due = delivery.due;
  return columns;
}

std::size_t OverlayHash::mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t k = (a ^ 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL ^ b;
  k ^= k >> 32;
  k *= 0xc4ceb9fe1a85ec53ULL;
  return k ^ k >> 29;
}
std::size_t OverlayHash::operator()(const LedgerKey& key) const {
  const std::size_t place = mix(key.contact.value, key.scenario.value << 1 | (key.test ? 1 : 0));
  return key.key.empty() ? place : mix(place, std::hash<std::string>{}(key.key));
}
std::size_t OverlayHash::operator()(const CounterKey& key) const {
  return mix(mix(key.scenario.value, key.node.value), key.version << 1 | (key.test ? 1 : 0));
}
std::size_t OverlayHash::operator()(const Timer& timer) const {
  const auto at = static_cast<std::uint64_t>(timer.at.time_since_epoch().count());
  return mix(mix(at, timer.contact.value),
             timer.key.subject << 2 | static_cast<std::uint64_t>(timer.key.kind));
}
std::size_t OverlayHash::operator()(const std::pair<DeliveryKey, std::uint32_t>& attempt) const {
  return mix(attempt.first.value, attempt.second);
}

template <class Key, class Row, class Hash>
typename Layer<Key, Row, Hash>::Entry& Overlay::touch(Layer<Key, Row, Hash>& layer,
                                                      const Key& key) {
  auto& entry = layer.map[key];
  if (entry.since == 0) entry.since = generation;
  entry.newest = generation;
  ++changes;
  return entry;
}

namespace {
/// New keys are the greatest: they go to the end without a search.
template <class Key>
void insert_last(std::set<Key>& keys, const Key& key) {
  keys.emplace_hint(keys.end(), key);
}
}  // namespace

void Overlay::index(RunKey key, const RunRow& row) {
  if (row.live)
    ++live_runs_of[row.contact];
  else if (!lists_only)
    insert_last(ended_runs, key);
}

void Overlay::unindex(RunKey key, const RunRow& row) {
  if (!row.live) {
    ended_runs.erase(key);
    return;
  }
  const auto live = live_runs_of.find(row.contact);
  if (--live->second == 0) live_runs_of.erase(live);
}

void Overlay::put(RunKey key, const RunRow& row) {
  const bool known = runs.map.contains(key);
  auto& entry = touch(runs, key);
  const bool stored = known ? entry.row.stored : replaying || key <= last_run;
  if (known)
    unindex(key, entry.row);
  else
    runs_of[row.contact].push_back(key);
  entry.row = row;
  entry.row.stored = stored;
  index(key, row);
  last_run = std::max(last_run, key);
}

void Overlay::drop(Layer<RunKey, RunRow>& layer, RunKey key) {
  const auto found = layer.map.find(key);
  unindex(key, found->second.row);
  const auto owned = runs_of.find(found->second.row.contact);
  std::erase(owned->second, key);
  if (owned->second.empty()) runs_of.erase(owned);
  layer.map.erase(found);
}

void Overlay::index(DeliveryKey key, const DeliveryColumns& columns) {
  const EndpointKey& endpoint = columns.endpoint;
  insert_last(deliveries_in[{endpoint.scenario, endpoint.node, columns.state}], key);
  if (lists_only) return;
  if (columns.state == DeliveryState::Pending) pending_of.emplace(columns.contact, key);
  if (columns.due) due[endpoint].insert({.due = *columns.due, .delivery = key});
}

void Overlay::unindex(DeliveryKey key, const DeliveryColumns& columns) {
  const EndpointKey& endpoint = columns.endpoint;
  const auto place = deliveries_in.find({endpoint.scenario, endpoint.node, columns.state});
  place->second.erase(key);
  if (place->second.empty()) deliveries_in.erase(place);
  if (lists_only) return;
  if (columns.state == DeliveryState::Pending) pending_of.erase({columns.contact, key});
  if (!columns.due) return;
  const auto queue = due.find(endpoint);
  queue->second.erase({.due = *columns.due, .delivery = key});
  if (queue->second.empty()) due.erase(queue);
}

void Overlay::put(DeliveryKey key, const DeliveryRow& row) {
  const bool known = deliveries.map.contains(key);
  auto& entry = touch(deliveries, key);
  if (known) unindex(key, entry.row.columns);
  entry.row = row;
  index(key, row.columns);
}

void Overlay::drop(Layer<DeliveryKey, DeliveryRow>& layer, DeliveryKey key) {
  const auto found = layer.map.find(key);
  unindex(key, found->second.row.columns);
  layer.map.erase(found);
}

void Overlay::put(DeliveryKey key, const Bytes& request) {
  touch(requests, key).row = request;
  if (lists_only) return;
  if (request.body.empty())
    bodies.erase(key);
  else
    insert_last(bodies, key);
}

void Overlay::drop(Layer<DeliveryKey, Bytes>& layer, DeliveryKey key) {
  bodies.erase(key);
  layer.map.erase(key);
}

void Overlay::put(const Timer& timer, bool set) {
  touch(timers, timer).row.set = set;
  if (set)
    timers_set.insert(timer);
  else
    timers_set.erase(timer);
}

void Overlay::drop(Layer<Timer, TimerRow, OverlayHash>& layer, const Timer& timer) {
  timers_set.erase(timer);
  layer.map.erase(timer);
}

void Overlay::put(const IdentityChange& change) {
  if (change.kind == IdentityChange::Kind::Email) {
    touch(emails, change.value).row.holders[change.contact] = !change.removed;
    return;
  }
  // A removal names the contact that loses the id: it may have moved on to another one before.
  IdRow& row = touch(ids, change.value).row;
  if (!change.removed)
    row = {.decided = true, .holder = change.contact};
  else if (!row.decided)
    row.removed.push_back(change.contact);
  else if (row.holder == change.contact)
    row.holder = {};
}

bool Overlay::apply(std::string_view journal_row) {
  Decoder in{journal_row};
  if (in.byte() != kJournalFormat) return false;
  last_seq = std::max(last_seq, in.number());
  last_contact.value = std::max(last_contact.value, in.number());
  for (;;) {
    const std::uint8_t section = in.byte();
    if (section == static_cast<std::uint8_t>(Section::End)) return in.ok() && in.at_end();
    if (section > static_cast<std::uint8_t>(Section::Counters)) return false;
    if (!apply(static_cast<Section>(section), in)) return false;
  }
}

bool Overlay::apply(Section section, Decoder& in) {
  for (std::size_t rows = in.count(); rows > 0 && in.ok(); --rows) {
    switch (section) {
      case Section::End:
        return false;
      case Section::Contacts:
      case Section::Engagements: {
        const ContactKey key{in.number()};
        touch(section == Section::Contacts ? contacts : engagements, key).row = {in.text()};
        if (lists_only && section == Section::Contacts) insert_last(contact_keys, key);
        last_contact = std::max(last_contact, key);
        break;
      }
      case Section::Ledger: {
        LedgerKey key{.contact = {in.number()}, .scenario = {in.small_number()}};
        key.test = in.flag();
        key.key = in.string();
        touch(ledger, key).row = {in.text()};
        ledger_scenarios.insert(key.scenario);
        break;
      }
      case Section::Runs: {
        const RunKey key{in.number()};
        RunRow row{.contact = {in.number()}};
        row.live = in.flag();
        row.body = in.text();
        put(key, row);
        break;
      }
      case Section::Deliveries: {
        const DeliveryKey key{in.number()};
        DeliveryRow row{.columns = get_columns(in)};
        row.body = in.text();
        put(key, row);
        break;
      }
      case Section::Requests: {
        const DeliveryKey key{in.number()};
        put(key, Bytes{in.text()});
        break;
      }
      case Section::Attempts: {
        const DeliveryKey key{in.number()};
        const std::uint32_t number = in.small_number();
        touch(attempts, std::pair{key, number}).row = {in.text()};
        break;
      }
      case Section::TimersCleared:
      case Section::TimersSet: {
        const Timer timer = get_timer(in);
        if (!lists_only) put(timer, section == Section::TimersSet);
        break;
      }
      case Section::Seen: {
        const Hash128 key = get_hash(in);
        const Hash128 fingerprint = get_hash(in);
        const Date day = get_day(in);
        if (!lists_only) touch(seen, key).row = {.fingerprint = fingerprint, .day = day};
        break;
      }
      case Section::Identities:
        put(get_identity(in));
        break;
      case Section::Counters: {
        CounterKey key{.scenario = {in.small_number()}, .node = {in.small_number()}};
        key.version = in.small_number();
        key.test = in.flag();
        const std::string_view body = in.text();
        if (!lists_only) touch(counters, key).row = {body};
        break;
      }
    }
  }
  return in.ok();
}
}  // namespace onward
