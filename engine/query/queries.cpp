#include "engine/query/queries.h"

#include "engine/core/source/suggestion.h"
#include "engine/guard/thread_priority.h"
#include "engine/store/unreadable.h"

#include <pthread.h>

#include <algorithm>
#include <queue>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/core/contact/contact_size.h"
#include "engine/core/source/diagnostic.h"
#include "engine/guard/guarded.h"
#include "engine/store/unreadable.h"

namespace onward {
std::string Directory::scenario(ScenarioKey key) const {
  const auto found = scenarios.find(key);
  return found == scenarios.end() ? std::string{} : found->second.id;
}

std::string Directory::node(ScenarioKey key, NodeNumber number) const {
  const auto found = scenarios.find(key);
  if (found == scenarios.end()) return {};
  const NodeNames::Named* named = found->second.nodes->find(number);
  return named == nullptr ? std::string{} : named->id;
}

std::shared_ptr<const Directory> make_directory(const ScenarioBook& book) {
  auto directory = std::make_shared<Directory>();
  for (const ScenarioRecord* record : book.records()) {
    directory->scenarios[record->key] = {.id = record->id, .nodes = book.names(record->id)};
    directory->by_id[record->id] = record->key;
  }
  return directory;
}

namespace {
Result<ContactKey> find_contact(ReadModel& reader, const ContactName& who) {
  const auto match = reader.identify({.id = who.id, .email = who.email});
  if (!match) return tl::make_unexpected(match.error());
  std::optional<ContactKey> found = match->by_id;
  if (who.id.empty() && !match->by_email.empty()) found = match->by_email.front().contact;
  if (found) {
    const auto contact = reader.contact(*found);
    if (!contact) return tl::make_unexpected(contact.error());
    if (*contact && goes_by((*contact)->first, who.id, who.email)) return *found;
    return tl::make_unexpected(damaged_name_error());
  }
  return fail(
      ErrorKind::NotFound, "unknown_contact",
      fmt::format("there is no contact {}", who.id.empty() ? "with the address " + who.email
                                                           : "with the id \"" + who.id + "\""));
}

/// Empty: the contact is forgotten, or it cannot be read.
Result<std::string> name_of(ReadModel& reader, ContactKey key) {
  const auto contact = reader.contact(key);
  if (!contact && contact.error().code != kUnreadableRow)
    return tl::make_unexpected(contact.error());
  if (!contact || !*contact) return std::string{};
  const Contact& found = (*contact)->first;
  if (found.id) return found.id->text;
  return "email:" + found.email();
}

DeliveryView view_of(const Directory& directory, Delivery delivery, std::string contact) {
  const EndpointKey endpoint = delivery.endpoint;
  return {.delivery = std::move(delivery),
          .scenario = directory.scenario(endpoint.scenario),
          .node = directory.node(endpoint.scenario, endpoint.node),
          .contact = std::move(contact)};
}
}  // namespace

namespace {
/// Deliveries that one search looks at.
constexpr std::size_t kDeliveriesSearched = 20'000;
/// The clock may have been set back a little while deliveries were made.
constexpr Duration kClockPlay = std::chrono::hours{1};
/// Rows of the log that are read at once.
constexpr std::size_t kLogChunk = 1'000;

Result<ScenarioKey> scenario_of(const Directory& directory, const std::string& id) {
  const auto key = directory.by_id.find(id);
  if (key != directory.by_id.end()) return key->second;
  std::vector<std::string> names;
  for (const auto& [name, number] : directory.by_id) names.push_back(name);
  return fail(ErrorKind::NotFound, "unknown_scenario",
              fmt::format("there is no scenario \"{}\"{}", clipped(id),
                          did_you_mean(nearest_name(id, names))));
}

Result<NodeNumber> node_of(const Directory& directory, ScenarioKey scenario,
                           const std::string& node) {
  const Directory::Scenario& home = directory.scenarios.at(scenario);
  if (const NodeNames::Named* named = home.nodes->find(node)) return named->number;
  std::vector<std::string> names;
  for (const NodeNames::Named& named : home.nodes->all()) names.push_back(named.id);
  return fail(ErrorKind::NotFound, "unknown_node",
              fmt::format("scenario \"{}\" has no node \"{}\"{}", home.id, clipped(node),
                          did_you_mean(nearest_name(node, names))));
}

using NodePlaces = std::vector<std::pair<ScenarioKey, NodeNumber>>;

/// The nodes that a query means.
Result<NodePlaces> places_of(const Directory& directory, const std::string& scenario,
                             const std::string& node) {
  NodePlaces places;
  if (scenario.empty()) {
    if (!node.empty())
      return fail(ErrorKind::Invalid, "no_scenario", "a node is named together with its scenario");
    for (const auto& [key, home] : directory.scenarios)
      for (const NodeNames::Named& named : home.nodes->all())
        places.emplace_back(key, named.number);
    return places;
  }
  const auto key = scenario_of(directory, scenario);
  if (!key) return tl::make_unexpected(key.error());
  if (!node.empty()) {
    const auto number = node_of(directory, *key, node);
    if (!number) return tl::make_unexpected(number.error());
    places.emplace_back(*key, *number);
    return places;
  }
  for (const NodeNames::Named& named : directory.scenarios.at(*key).nodes->all())
    places.emplace_back(*key, named.number);
  return places;
}

/// The deliveries of several nodes, merged, newest first. Each node is read once at the start, and
/// again only when all its rows were returned, then twice as many rows. So the number of look-ups
/// does not depend on how many deliveries the caller takes, and it is bounded.
class NewestFirst {
 public:
  enum class Step : std::uint8_t { Delivery, End, Limit };

  /// `rows`: about so many are needed.
  NewestFirst(ReadModel& reader, const NodePlaces& places, std::optional<DeliveryState> state,
              std::size_t rows)
      : reader_{reader}, state_{state} {
    const std::size_t each = rows / std::max<std::size_t>(places.size(), 1);
    for (const auto& [scenario, node] : places)
      nodes_.push_back({.scenario = scenario,
                        .number = node,
                        .chunk = std::clamp(each, kNodeRowsMin, kNodeRowsMax)});
  }

  /// Reads the first deliveries of each node after `cursor`.
  Status start(std::string_view cursor) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].next = cursor;
      if (Status done = read(i); !done) return done;
    }
    return {};
  }

  /// `delivery` is set with Step::Delivery. Step::Limit: no more look-ups are allowed.
  Result<Step> next(Delivery& delivery) {
    while (!first_.empty()) {
      const std::size_t i = first_.top().second;
      Node& node = nodes_[i];
      place_ = first_.top().first;
      if (node.used < node.rows.size()) {
        first_.pop();
        delivery = std::move(node.rows[node.used++]);
        push(i);
        return Step::Delivery;
      }
      if (look_ups_ == kLookUpsMax) return Step::Limit;
      ++look_ups_;
      node.chunk = std::min(node.chunk * 2, kNodeRowsMax);
      first_.pop();
      if (Status done = read(i); !done) return tl::make_unexpected(std::move(done.error()));
    }
    return Step::End;
  }

  bool at_end() const { return first_.empty(); }
  /// After `next`: the cursor to what it has not returned yet.
  std::string cursor() const { return to_base32(place_.value); }

 private:
  static constexpr std::size_t kNodeRowsMin = 4, kNodeRowsMax = 500;
  /// Besides the first one of each node.
  static constexpr std::size_t kLookUpsMax = 1'000;

  struct Node {
    ScenarioKey scenario;
    NodeNumber number;
    std::size_t chunk = 0;  ///< Rows that are read at once.
    std::vector<Delivery> rows;
    std::size_t used = 0;  ///< Of `rows`.
    std::string next;      ///< The cursor to what follows `rows`; empty: nothing.
  };

  Status read(std::size_t i) {
    Node& node = nodes_[i];
    auto list = reader_.deliveries(node.scenario, node.number, state_, node.chunk, node.next);
    if (!list) return tl::make_unexpected(std::move(list.error()));
    node.rows = std::move(list->deliveries);
    node.used = 0;
    node.next = std::move(list->next);
    push(i);
    return {};
  }

  void push(std::size_t i) {
    const Node& node = nodes_[i];
    if (node.used < node.rows.size())
      first_.emplace(node.rows[node.used].key, i);
    else if (const auto last = from_base32(node.next))
      first_.emplace(DeliveryKey{*last}, i);
  }

  ReadModel& reader_;
  const std::optional<DeliveryState> state_;
  std::vector<Node> nodes_;
  /// Each node under its next delivery, or under its last one where it must be read again.
  std::priority_queue<std::pair<DeliveryKey, std::size_t>> first_;
  DeliveryKey place_;
  std::size_t look_ups_ = 0;
};

RunView view_of(const Directory& directory, Run run) {
  RunView view{.scenario = directory.scenario(run.scenario)};
  for (const PathStep& step : run.path)
    view.node_ids.push_back(directory.node(run.scenario, step.node));
  view.run = std::move(run);
  return view;
}
}  // namespace

Result<RunPage> query_runs(ReadModel& reader, const Directory& directory, const ContactName& who,
                           std::size_t limit, std::string_view cursor) {
  const auto contact = find_contact(reader, who);
  if (!contact) return tl::make_unexpected(contact.error());
  auto list = reader.runs(*contact, limit, cursor);
  if (!list) return tl::make_unexpected(std::move(list.error()));
  RunPage page{.next = std::move(list->next)};
  for (Run& run : list->runs) {
    RunView view = view_of(directory, std::move(run));
    for (const PathStep& step : view.run.path) {
      std::optional<Delivery>& shown = view.deliveries.emplace_back();
      if (!step.delivery) continue;
      auto detail = reader.delivery(*step.delivery);
      if (!detail) return tl::make_unexpected(std::move(detail.error()));
      if (*detail) shown = std::move((*detail)->delivery);
    }
    page.runs.push_back(std::move(view));
  }
  if (!cursor.empty()) return page;
  const auto ledger = reader.ledger(*contact);
  if (!ledger) return tl::make_unexpected(ledger.error());
  for (const LedgerRow& row : *ledger)
    for (const Refusal& refusal : row.refusals)
      page.refused.push_back(
          {.scenario = directory.scenario(row.scenario), .test = row.test, .refusal = refusal});
  return page;
}

Result<ReadModel::RunFilter> filter_of(const Directory& directory, const RunQuery& which) {
  ReadModel::RunFilter filter{.state = which.state, .reason = which.reason};
  if (which.scenario.empty()) {
    if (!which.node.empty())
      return fail(ErrorKind::Invalid, "no_scenario", "a node is named together with its scenario");
    return filter;
  }
  const auto key = scenario_of(directory, which.scenario);
  if (!key) return tl::make_unexpected(key.error());
  filter.scenario = *key;
  if (which.node.empty()) return filter;
  const auto node = node_of(directory, *key, which.node);
  if (!node) return tl::make_unexpected(node.error());
  filter.node = *node;
  return filter;
}

Result<RunPage> query_live_runs(ReadModel& reader, const Directory& directory,
                                const RunQuery& which, std::size_t limit, std::string_view cursor) {
  const auto filter = filter_of(directory, which);
  if (!filter) return tl::make_unexpected(filter.error());
  auto list = reader.live_runs(*filter, limit, cursor);
  if (!list) return tl::make_unexpected(std::move(list.error()));
  RunPage page{.next = std::move(list->next)};
  for (Run& run : list->runs) {
    auto contact = name_of(reader, run.contact);
    if (!contact) return tl::make_unexpected(std::move(contact.error()));
    page.runs.push_back(view_of(directory, std::move(run)));
    page.runs.back().contact = std::move(*contact);
  }
  return page;
}

Result<DeliveryPage> query_deliveries(ReadModel& reader, const Directory& directory,
                                      const DeliveryQuery& which, std::size_t limit,
                                      std::string_view cursor) {
  const auto places = places_of(directory, which.scenario, which.node);
  if (!places) return tl::make_unexpected(places.error());
  DeliveryPage page{.next = std::string{cursor}};
  if (limit == 0) return page;
  const bool searches = !which.code.empty() || which.until;
  NewestFirst newest{reader, *places, which.state, searches ? kDeliveriesSearched : limit};
  if (Status done = newest.start(cursor); !done)
    return tl::make_unexpected(std::move(done.error()));
  Delivery delivery;
  for (std::size_t searched = 0; searched < kDeliveriesSearched; ++searched) {
    const auto step = newest.next(delivery);
    if (!step) return tl::make_unexpected(step.error());
    if (*step == NewestFirst::Step::Limit) break;
    // Older ones follow: none of them can be meant.
    if (*step == NewestFirst::Step::End ||
        (which.since && delivery.created < *which.since - kClockPlay)) {
      page.next.clear();
      return page;
    }
    if (!fits(which, delivery)) continue;
    auto contact = name_of(reader, delivery.contact);
    if (!contact) return tl::make_unexpected(std::move(contact.error()));
    page.deliveries.push_back(view_of(directory, std::move(delivery), std::move(*contact)));
    if (page.deliveries.size() == limit) break;
  }
  page.next = newest.at_end() ? std::string{} : newest.cursor();
  return page;
}

namespace {
/// What `next` of a page of the log says: the last line of each kind that was given out.
struct LogPlace {
  std::uint64_t activity = 0, recent = 0;
};

Result<LogPlace> read_place(std::string_view cursor) {
  const std::size_t dot = cursor.find('.');
  const auto activity = from_base32(cursor.substr(0, dot));
  const auto recent =
      dot == std::string_view::npos ? std::nullopt : from_base32(cursor.substr(dot + 1));
  if (!activity || !recent)
    return fail(ErrorKind::Invalid, "bad_cursor", "the cursor is not one that a log gave out");
  return LogPlace{*activity, *recent};
}

using Numbered = std::vector<std::pair<std::uint64_t, LogLine>>;

/// Changes after number `after` and not before `since`, oldest first, at most `limit` of the
/// newest where that is given.
Result<Numbered> changes_after(ReadModel& reader, const std::string& scenario, std::uint64_t after,
                               std::optional<Instant> since, std::optional<std::size_t> limit) {
  Numbered lines;
  std::string cursor;
  do {
    auto list = reader.activity(scenario, limit.value_or(kLogChunk), cursor);
    if (!list) return tl::make_unexpected(std::move(list.error()));
    cursor = std::move(list->next);
    for (auto& [number, row] : list->rows) {
      if (number <= after || (since && row.at < *since)) {
        cursor.clear();
        break;
      }
      lines.emplace_back(number, LogLine{.at = row.at,
                                         .what = std::move(row.what),
                                         .scenario = std::move(row.scenario),
                                         .node = std::move(row.node),
                                         .who = std::move(row.who),
                                         .text = std::move(row.text)});
    }
  } while (!cursor.empty() && !limit);
  std::ranges::reverse(lines);
  return lines;
}
}  // namespace

Result<LogPage> query_logs(ReadModel& reader, const RecentLog& recent, const std::string& scenario,
                           std::optional<Instant> since, std::size_t limit,
                           std::string_view cursor) {
  LogPlace place;
  if (!cursor.empty()) {
    const auto given = read_place(cursor);
    if (!given) return tl::make_unexpected(given.error());
    place = *given;
  }
  const bool newest = cursor.empty() && !since;
  auto changes = changes_after(reader, scenario, place.activity, since,
                               newest ? std::optional{limit} : std::nullopt);
  if (!changes) return tl::make_unexpected(std::move(changes.error()));
  // One more than a page: whether there is more shows in it.
  const RecentLog::Filter filter{.scenario = scenario, .since = since};
  Numbered met =
      newest ? recent.newest(filter, limit) : recent.after(place.recent, filter, limit + 1);

  // Merged, not sorted: each kind keeps its order, so that the place behind a line is a place in
  // both.
  LogPage page;
  std::size_t skip = changes->size() + met.size();
  skip = newest && skip > limit ? skip - limit : 0;
  auto change = changes->begin();
  auto meeting = met.begin();
  while (change != changes->end() || meeting != met.end()) {
    if (page.lines.size() == limit) {
      page.more = true;
      break;
    }
    const bool first = meeting == met.end() ||
                       (change != changes->end() && change->second.at <= meeting->second.at);
    auto& from = first ? change : meeting;
    (first ? place.activity : place.recent) = from->first;
    if (skip > 0)
      --skip;
    else
      page.lines.push_back(std::move(from->second));
    ++from;
  }
  page.next = to_base32(place.activity) + "." + to_base32(place.recent);
  return page;
}

Result<DeliveryView> query_delivery(ReadModel& reader, const Directory& directory,
                                    DeliveryKey key) {
  auto detail = reader.delivery(key);
  if (!detail) return tl::make_unexpected(std::move(detail.error()));
  if (!*detail) return fail(ErrorKind::NotFound, "unknown_delivery", "there is no such delivery");
  auto contact = name_of(reader, (*detail)->delivery.contact);
  if (!contact) return tl::make_unexpected(std::move(contact.error()));
  DeliveryView view = view_of(directory, std::move((*detail)->delivery), std::move(*contact));
  view.request = std::move((*detail)->request);
  view.attempts = std::move((*detail)->attempts);
  return view;
}

namespace {
/// Contacts that one page looks at in search of a group's: the reader serves others, too.
constexpr std::size_t kSearchedMax = 5'000;
constexpr std::size_t kReadAtOnce = 50;
/// A page ends before the contact with which it would be larger; it has at least one.
constexpr std::size_t kPageBytesMax = std::size_t{8} << 20;
}  // namespace

Result<ContactPage> query_contacts(ReadModel& reader, const std::string& group, std::size_t limit,
                                   std::string_view cursor) {
  ContactKey after;
  if (!cursor.empty()) {
    const auto number = from_base32(cursor);
    if (!number)
      return fail(ErrorKind::Invalid, "bad_cursor", "the cursor is not one that a list gave out");
    after = {*number};
  }
  ContactPage page;
  std::size_t bytes = 0;
  for (std::size_t searched = 0; searched < kSearchedMax;) {
    auto list = reader.contacts(
        after, group.empty() ? std::min(limit - page.contacts.size(), kReadAtOnce) : kReadAtOnce);
    if (!list) return tl::make_unexpected(std::move(list.error()));
    searched += list->contacts.size();
    bool left = list->more;
    bool full = false;
    for (std::size_t i = 0; i < list->contacts.size() && page.contacts.size() < limit; ++i) {
      auto& [contact, engagement] = list->contacts[i];
      const bool shown = (contact.id || !contact.email().empty()) &&  // Else it cannot be read.
                         (group.empty() || contact.in_group(group));
      const std::size_t size = shown ? stored_bytes(contact) + stored_bytes(engagement) : 0;
      full = !page.contacts.empty() && bytes + size > kPageBytesMax;
      if (full) break;
      after = contact.key;
      left = list->more || i + 1 < list->contacts.size();
      if (!shown) continue;
      bytes += size;
      page.contacts.push_back({.contact = std::move(contact), .engagement = std::move(engagement)});
    }
    left = left || full;
    page.next = left ? to_base32(after.value) : std::string{};
    if (!left || full || page.contacts.size() == limit) break;
  }
  return page;
}

namespace {
/// Passes calls to another reader until `stopping`, then answers each with an error. One call is
/// short, so a query that makes many of them ends soon.
class StoppableReader final : public ReadModel {
 public:
  StoppableReader(std::unique_ptr<ReadModel> reader, const std::atomic<bool>& stopping)
      : reader_{std::move(reader)}, stopping_{stopping} {}

  void hold() override { reader_->hold(); }
  void release() override { reader_->release(); }
  Result<IdentityMatch> identify(const IdentityQuery& query) override {
    return ask([&] { return reader_->identify(query); });
  }
  Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey key) override {
    return ask([&] { return reader_->contact(key); });
  }
  Result<RunList> runs(ContactKey contact, std::size_t limit, std::string_view cursor) override {
    return ask([&] { return reader_->runs(contact, limit, cursor); });
  }
  Result<DeliveryList> deliveries(ScenarioKey scenario, NodeNumber node,
                                  std::optional<DeliveryState> state, std::size_t limit,
                                  std::string_view cursor) override {
    return ask([&] { return reader_->deliveries(scenario, node, state, limit, cursor); });
  }
  Result<std::optional<DeliveryDetail>> delivery(DeliveryKey key) override {
    return ask([&] { return reader_->delivery(key); });
  }
  Result<ActivityList> activity(std::string_view scenario, std::size_t limit,
                                std::string_view cursor) override {
    return ask([&] { return reader_->activity(scenario, limit, cursor); });
  }
  Result<RunList> live_runs(const RunFilter& filter, std::size_t limit,
                            std::string_view cursor) override {
    return ask([&] { return reader_->live_runs(filter, limit, cursor); });
  }
  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    return ask([&] { return reader_->version_text(scenario, version); });
  }
  Result<std::vector<LedgerRow>> ledger(ContactKey contact) override {
    return ask([&] { return reader_->ledger(contact); });
  }
  Result<ContactList> contacts(ContactKey after, std::size_t limit) override {
    return ask([&] { return reader_->contacts(after, limit); });
  }

 private:
  template <class Ask>
  std::invoke_result_t<Ask> ask(Ask ask) {
    if (stopping_) return fail(ErrorKind::Unavailable, "stopping", "the server is stopping");
    return ask();
  }

  std::unique_ptr<ReadModel> reader_;
  const std::atomic<bool>& stopping_;
};
}  // namespace

ReaderThread::ReaderThread(std::unique_ptr<ReadModel> reader, LogSink log)
    : reader_{std::make_unique<StoppableReader>(std::move(reader), stopping_)},
      log_{std::move(log)},
      thread_{[this] { run(); }} {}

void ReaderThread::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_one();
}

void ReaderThread::join() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void ReaderThread::ask(Query query) {
  {
    const std::lock_guard lock{mutex_};
    if (stopping_) return;
    waiting_.push_back(std::move(query));
  }
  wake_.notify_one();
}

void ReaderThread::run() {
  ::pthread_setname_np(::pthread_self(), "onward-reader");
  give_way_to_events();
  while (true) {
    std::vector<Query> queries;
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      queries.swap(waiting_);
    }
    // Queries answer with their own exceptions (see Calls::read); one that could not is answered by
    // the end of its `done`.
    reader_->hold();
    for (Query& query : queries)
      (void)guarded("reader.query", log_, [&] { std::exchange(query, {})(*reader_); });
    reader_->release();
  }
}
}  // namespace onward
