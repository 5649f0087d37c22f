#include "tests/store/world.h"

#include <iterator>

#include "tests/store/conformance.h"

namespace onward {
namespace {
std::uint32_t below(std::mt19937& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}
bool chance(std::mt19937& random, std::uint32_t percent) { return below(random, 100) < percent; }

template <class Map>
typename Map::iterator any_of(std::mt19937& random, Map& map) {
  return std::next(map.begin(), below(random, static_cast<std::uint32_t>(map.size())));
}

constexpr std::uint32_t kEmails = 4, kScenarios = 3;
std::string email_number(std::uint32_t n) { return "p" + std::to_string(n) + "@example.org"; }
std::string id_number(std::uint32_t n) { return "c" + std::to_string(n); }
}  // namespace

Instant World::now() const { return at(clock_); }

Commit World::next(std::uint32_t seed) {
  Random random{seed};
  Commit commit;
  ++seq_;
  ordinal_ = 0;
  clock_ += below(random, 20) == 0 ? 86'400 : 7;
  using Change = void (World::*)(Random&, Commit&);
  constexpr Change kChanges[] = {
      &World::change_contact,  &World::change_contact,  &World::change_ledger,
      &World::start_run,       &World::start_run,       &World::advance_run,
      &World::advance_run,     &World::settle_delivery, &World::settle_delivery,
      &World::settle_delivery, &World::change_timer,    &World::see_event,
      &World::count,           &World::author};
  change_contact(random, commit);
  for (std::uint32_t i = below(random, 12); i > 0; --i)
    (this->*kChanges[below(random, std::size(kChanges))])(random, commit);
  if (chance(random, 8)) forget(random, commit);
  commit.last_seq = seq_;
  commit.last_contact = {last_contact_};
  return commit;
}

void World::rename(Random& random, Contact& contact, Commit& commit) {
  const auto change = [&](IdentityChange::Kind kind, std::string value, bool removed) {
    commit.identities.push_back({kind, std::move(value), contact.key, removed});
  };
  if (chance(random, 60)) {
    const std::string old = contact.email();
    const std::string fresh = chance(random, 80) ? email_number(below(random, kEmails)) : "";
    if (old != fresh) {
      if (!old.empty()) change(IdentityChange::Kind::Email, old, true);
      if (!fresh.empty()) change(IdentityChange::Kind::Email, fresh, false);
      contact.set(Field::Email, fresh.empty() ? Value{} : Value{fresh});
    }
  }
  if (!contact.id && chance(random, 40)) {
    contact.id = ExternalId{.text = id_number(static_cast<std::uint32_t>(contact.key.value)),
                            .numeric = chance(random, 50)};
    change(IdentityChange::Kind::Id, contact.id->text, false);
  } else if (contact.id && chance(random, 10)) {
    change(IdentityChange::Kind::Id, contact.id->text, true);
    contact.id.reset();
  }
}

void World::change_contact(Random& random, Commit& commit) {
  if (contacts_.empty() || chance(random, 30)) {
    const ContactKey key{++last_contact_};
    contacts_[key] = Contact{.key = key, .created_at = now(), .updated_at = now()};
  }
  Contact& contact = any_of(random, contacts_)->second;
  rename(random, contact, commit);
  contact.updated_at = now();
  contact.set_custom("n", Value{static_cast<std::int64_t>(random())});
  commit.contacts.push_back(contact);
  if (chance(random, 30))
    commit.engagements.push_back(
        {contact.key, {.mailings = {{.mailing = "m", .received = now()}}, .opened_last = now()}});
}

void World::change_ledger(Random& random, Commit& commit) {
  LedgerEntry entry{any_of(random, contacts_)->first,
                    {.scenario = {1 + below(random, kScenarios)},
                     .key = chance(random, 30) ? "k" : "",
                     .test = chance(random, 30),
                     .entries = below(random, 9),
                     .last_entry = now()}};
  entry.row.visited.insert({1 + below(random, 200)});
  commit.ledger.push_back(entry);
}

void World::ask_for_delivery(Random& random, Run& run, Commit& commit) {
  const DeliveryKey key{numbered(seq_, ordinal_++)};
  Delivery delivery{.key = key};
  delivery.endpoint = {
      .scenario = run.scenario, .node = {1 + below(random, 2)}, .version = 1 + below(random, 2)};
  delivery.test = run.test;
  delivery.contact = run.contact;
  delivery.run = run.key;
  delivery.created = now();
  delivery.deadline = now() + std::chrono::hours{12};
  delivery.due = at(clock_ + below(random, 50));
  commit.deliveries.push_back(delivery);
  commit.requests.push_back(
      {key, std::make_shared<const Request>(a_request(std::string(below(random, 300), 'b')))});
  deliveries_[key] = delivery;
  run.path.push_back({.node = delivery.endpoint.node, .at = now(), .delivery = key});
}

void World::start_run(Random& random, Commit& commit) {
  Run run;
  run.key = {numbered(seq_, ordinal_++)};
  run.scenario = {1 + below(random, kScenarios)};
  run.version = 1;
  run.test = chance(random, 20);
  run.contact = any_of(random, contacts_)->first;
  run.entry_key = chance(random, 20) ? "k" : "";
  run.started = now();
  run.event = std::make_shared<const Event>(Event{.type = "joined", .at = now()});
  run.path.push_back({.node = {9}, .at = now(), .port = "next"});
  if (chance(random, 60)) ask_for_delivery(random, run, commit);
  runs_[run.key] = run;
  if (chance(random, 50)) {
    run.state = RunState::Done;
    run.ended = now();
    runs_.erase(run.key);
  }
  commit.runs.push_back(run);
}

void World::advance_run(Random& random, Commit& commit) {
  if (runs_.empty()) return;
  const auto place = any_of(random, runs_);
  Run run = place->second;
  if (chance(random, 50)) ask_for_delivery(random, run, commit);
  run.state = chance(random, 30) ? RunState::Parked : RunState::Waiting;
  run.reason = run.state == RunState::Parked ? "cascade" : "";
  run.wake_at = run.state == RunState::Waiting ? std::optional{at(clock_ + 99)} : std::nullopt;
  place->second = run;
  if (chance(random, 50)) {
    run.state = RunState::Exited;
    run.wake_at.reset();
    run.ended = now();
    runs_.erase(place);
  }
  commit.runs.push_back(run);
}

void World::settle_delivery(Random& random, Commit& commit) {
  if (deliveries_.empty()) return;
  Delivery& delivery = any_of(random, deliveries_)->second;
  if (forgotten_.contains(delivery.contact)) return;
  if (!delivery.pending()) {
    if (!chance(random, 30)) return;
    delivery.state = DeliveryState::Pending;
    delivery.due = now();
    delivery.settled.reset();
    ++delivery.series;
    delivery.series_from = delivery.attempts;
  } else if (chance(random, 20)) {
    delivery.parked = !delivery.parked;
  } else {
    if (delivery.last) commit.attempts.push_back({delivery.key, *delivery.last});
    delivery.last = Attempt{.number = ++delivery.attempts,
                            .started = now(),
                            .took = Duration{below(random, 900)},
                            .status = chance(random, 50) ? 503 : 0,
                            .response = chance(random, 50) ? "busy" : ""};
    delivery.due = at(clock_ + below(random, 90));
    if (chance(random, 50)) {
      delivery.state = static_cast<DeliveryState>(1 + below(random, 3));
      delivery.due.reset();
      delivery.parked = false;
      delivery.settled = now();
    }
  }
  commit.deliveries.push_back(delivery);
}

void World::change_timer(Random& random, Commit& commit) {
  if (!timers_.empty() && chance(random, 40)) {
    const auto place = timers_.begin() + below(random, static_cast<std::uint32_t>(timers_.size()));
    commit.timers_cleared.push_back(*place);
    timers_.erase(place);
    return;
  }
  const Timer timer{.at = at(clock_ + below(random, 30)),
                    .contact = any_of(random, contacts_)->first,
                    .key = {static_cast<TimerKind>(below(random, 3)), below(random, 5)}};
  commit.timers_set.push_back(timer);
  timers_.push_back(timer);
}

void World::see_event(Random& random, Commit& commit) {
  Hash128 key{random(), random()};
  if (!seen_.empty() && chance(random, 20))
    key = seen_[below(random, static_cast<std::uint32_t>(seen_.size()))];
  commit.seen.push_back({key, {random(), random()}, now()});
  seen_.push_back(key);
}

void World::count(Random& random, Commit& commit) {
  CounterRow row;
  row.add(Counter::Visits, below(random, 1000));
  if (chance(random, 30)) row.add("yes", below(random, 5));
  commit.counters.push_back({{.scenario = {1 + below(random, kScenarios)},
                              .node = {below(random, 3)},
                              .version = below(random, 2),
                              .test = chance(random, 20)},
                             row});
}

void World::author(Random& random, Commit& commit) {
  const ScenarioKey key{1 + below(random, kScenarios)};
  commit.control.scenarios.push_back({.key = key,
                                      .id = "s" + std::to_string(key.value),
                                      .newest = 1 + below(random, 3),
                                      .created = now()});
  commit.control.versions.push_back({key, 1 + below(random, 3), std::string(below(random, 99), 'y'),
                                     now(), 1 + below(random, 3)});
  commit.control.tokens.push_back(
      {.sha256 = std::to_string(below(random, 3)), .name = "t", .removed = chance(random, 30)});
  commit.control.admin.push_back({.kind = AdminKind::Field,
                                  .name = std::to_string(below(random, 4)),
                                  .content = std::string(below(random, 9), 'z'),
                                  .removed = chance(random, 30)});
  if (commit.control.admin.back().removed) commit.control.admin.back().content.clear();
}

void World::forget(Random& random, Commit& commit) {
  if (contacts_.size() < 2) return;
  const ContactKey contact = any_of(random, contacts_)->first;
  contacts_.erase(contact);
  forgotten_.insert(contact);
  commit.forgotten.push_back(contact);
  for (auto run = runs_.begin(); run != runs_.end();) {
    if (run->second.contact != contact) {
      ++run;
      continue;
    }
    run->second.state = RunState::Stopped;
    run->second.ended = now();
    commit.runs.push_back(run->second);
    run = runs_.erase(run);
  }
  for (auto& [key, delivery] : deliveries_) {
    if (delivery.contact != contact || !delivery.pending()) continue;
    delivery.state = DeliveryState::Cancelled;
    delivery.due.reset();
    commit.deliveries.push_back(delivery);
  }
}

std::string World::difference(Store& a, Store& b) const {
  for (std::uint64_t key = 1; key <= last_contact_ + 1; ++key) {
    LoadQuery query{.contact = {key}};
    for (std::uint32_t scenario = 1; scenario <= kScenarios; ++scenario) {
      if (scenario != 2) query.ledger.push_back({scenario});
      query.keyed.emplace_back(ScenarioKey{scenario}, "k");
    }
    const auto left = must(a.load({&query, 1})).at(0);
    const auto right = must(b.load({&query, 1})).at(0);
    const std::string contact = "contact " + std::to_string(key);
    if (left.has_value() != right.has_value()) return contact;
    if (left && !(left->contact == right->contact)) return contact + ": fields";
    if (left && !(left->engagement == right->engagement)) return contact + ": statistics";
    if (left && !(left->ledger == right->ledger)) return contact + ": ledger";
    if (left && !same(left->live, right->live)) return contact + ": live runs";
    if (must(a.pending_of({key})) != must(b.pending_of({key}))) return contact + ": pending";
  }
  for (std::uint32_t id = 0; id <= last_contact_; ++id) {
    const IdentityQuery query{.id = id_number(id), .email = email_number(id % (kEmails + 1))};
    if (!same(must(a.identify({&query, 1})).at(0), must(b.identify({&query, 1})).at(0)))
      return "identity of " + query.id + ", " + query.email;
  }
  if (must(a.seen(seen_, now())) != must(b.seen(seen_, now()))) return "seen events";
  for (const auto& [key, delivery] : deliveries_) {
    const auto left = must(a.deliveries({&key, 1})).at(0);
    const auto right = must(b.deliveries({&key, 1})).at(0);
    if (!left || !right || !(left->delivery == right->delivery) ||
        !same(left->request, right->request))
      return "delivery " + std::to_string(key.value);
  }
  for (const std::size_t limit : {1, 3, 100}) {
    if (must(a.timers_due(at(clock_ + 5), limit)) != must(b.timers_due(at(clock_ + 5), limit)))
      return "timers";
    for (std::uint32_t place = 0; place < kScenarios * 4; ++place) {
      const EndpointKey endpoint{
          .scenario = {1 + place / 4}, .node = {1 + place % 2}, .version = 1 + place / 2 % 2};
      DueDelivery after = kBeforeAllDue;
      for (int page = 0; page < 3; ++page) {
        const auto rows = must(a.due(endpoint, after, at(clock_ + 20), limit));
        if (rows != must(b.due(endpoint, after, at(clock_ + 20), limit)))
          return "queue of endpoint " + std::to_string(place);
        if (!rows.empty()) after = rows.back();
      }
      if (must(a.next_due(endpoint, now())) != must(b.next_due(endpoint, now())))
        return "next due of endpoint " + std::to_string(place);
    }
  }
  for (std::uint32_t place = 0; place < kScenarios * 8; ++place) {
    const ScenarioKey scenario{1 + place / 8};
    const NodeNumber node{1 + place % 2};
    const auto state = static_cast<DeliveryState>(place / 2 % 4);
    DeliveryKey after;
    for (bool more = true; more;) {
      const auto left = must(a.deliveries_of(scenario, node, state, after, 2));
      if (left != must(b.deliveries_of(scenario, node, state, after, 2)))
        return "deliveries of a node";
      more = left.size() == 2;
      if (more) after = left.back();
    }
  }
  if (a.next_timer() != b.next_timer()) return "next timer";
  const auto left = must(a.due_endpoints());
  const auto right = must(b.due_endpoints());
  if (left.size() != right.size()) return "endpoints";
  for (std::size_t i = 0; i < left.size(); ++i)
    if (left[i].endpoint != right[i].endpoint || left[i].due != right[i].due) return "endpoints";
  const Snapshot one = must(a.snapshot());
  const Snapshot two = must(b.snapshot());
  if (one.counters != two.counters) return "counters";
  if (one.last_seq != two.last_seq || one.last_contact != two.last_contact) return "sequences";
  if (one.control.scenarios != two.control.scenarios ||
      one.control.versions != two.control.versions || one.control.tokens != two.control.tokens)
    return "scenarios";
  if (one.control.admin != two.control.admin) return "administrative records";
  return {};
}

std::string World::difference(ReadModel& a, ReadModel& b) const {
  for (std::uint64_t key = 1; key <= last_contact_; ++key) {
    const std::string contact = "contact " + std::to_string(key);
    if (must(a.contact({key})) != must(b.contact({key}))) return contact;
    std::string cursor;
    do {
      const auto left = must(a.runs({key}, 2, cursor));
      const auto right = must(b.runs({key}, 2, cursor));
      if (!same(left.runs, right.runs) || left.next != right.next) return contact + ": runs";
      cursor = left.next;
    } while (!cursor.empty());
  }
  for (std::uint64_t key = 1; key <= last_contact_; ++key)
    if (must(a.ledger({key})) != must(b.ledger({key})))
      return "contact " + std::to_string(key) + ": ledger";
  std::string place_of_runs;
  do {
    const auto left = must(a.live_runs({}, 3, place_of_runs));
    const auto right = must(b.live_runs({}, 3, place_of_runs));
    if (!same(left.runs, right.runs) || left.next != right.next) return "live runs";
    place_of_runs = left.next;
  } while (!place_of_runs.empty());
  for (ContactKey after;;) {
    const auto left = must(a.contacts(after, 3));
    const auto right = must(b.contacts(after, 3));
    if (left.contacts != right.contacts || left.more != right.more) return "contacts";
    if (!left.more) break;
    after = left.contacts.back().first.key;
  }
  for (std::uint32_t place = 0; place < kScenarios * 2; ++place) {
    for (int state = -1; state < 4; ++state) {
      const auto wanted = state < 0 ? std::nullopt : std::optional{DeliveryState(state)};
      std::string cursor;
      do {
        const ScenarioKey scenario{1 + place / 2};
        const NodeNumber node{1 + place % 2};
        const auto left = must(a.deliveries(scenario, node, wanted, 3, cursor));
        const auto right = must(b.deliveries(scenario, node, wanted, 3, cursor));
        if (left.deliveries != right.deliveries || left.next != right.next) return "deliveries";
        cursor = left.next;
      } while (!cursor.empty());
    }
  }
  for (const auto& [key, delivery] : deliveries_) {
    const auto left = must(a.delivery(key));
    const auto right = must(b.delivery(key));
    if (!left || !right || !(left->delivery == right->delivery) ||
        left->attempts != right->attempts || !same(left->request, right->request))
      return "detail of delivery " + std::to_string(key.value);
  }
  return {};
}
}  // namespace onward
