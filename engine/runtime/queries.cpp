#include "engine/runtime/queries.h"

#include <pthread.h>

#include <utility>

#include <fmt/format.h>

namespace onward {
std::string Directory::scenario(ScenarioKey key) const {
  const auto found = scenarios.find(key);
  return found == scenarios.end() ? std::string{} : found->second.id;
}

std::string Directory::node(ScenarioKey key, NodeNumber number) const {
  const auto found = scenarios.find(key);
  if (found == scenarios.end()) return {};
  const auto name = found->second.nodes.find(number);
  return name == found->second.nodes.end() ? std::string{} : name->second;
}

std::shared_ptr<const Directory> make_directory(const ScenarioBook& book) {
  auto directory = std::make_shared<Directory>();
  for (const ScenarioInfo& info : book.list()) {
    const ScenarioRecord* record = book.find(info.id);
    Directory::Scenario& scenario = directory->scenarios[record->key];
    scenario.id = record->id;
    for (const auto& [id, number] : record->nodes) scenario.nodes[number] = id;
    directory->by_id[record->id] = record->key;
  }
  return directory;
}

namespace {
Result<ContactKey> find_contact(StoreReader& reader, const ContactName& who) {
  const auto match = reader.identify({.id = who.id, .email = who.email});
  if (!match) return tl::make_unexpected(match.error());
  if (!who.id.empty() && match->by_id) return *match->by_id;
  if (who.id.empty() && !match->by_email.empty()) return match->by_email.front().contact;
  return fail(
      ErrorKind::NotFound, "unknown_contact",
      fmt::format("there is no contact {}", who.id.empty() ? "with the address " + who.email
                                                           : "with the id \"" + who.id + "\""));
}

std::string name_of(StoreReader& reader, ContactKey key) {
  const auto contact = reader.contact(key);
  if (!contact || !*contact) return {};
  const Contact& found = (*contact)->first;
  if (found.id) return found.id->text;
  return "email:" + found.email();
}

Runtime::DeliveryView view_of(const Directory& directory, Delivery delivery, std::string contact) {
  const EndpointKey endpoint = delivery.endpoint;
  return {.delivery = std::move(delivery),
          .scenario = directory.scenario(endpoint.scenario),
          .node = directory.node(endpoint.scenario, endpoint.node),
          .contact = std::move(contact)};
}
}  // namespace

Result<Runtime::RunPage> query_runs(StoreReader& reader, const Directory& directory,
                                    const ContactName& who, std::size_t limit,
                                    std::string_view cursor) {
  const auto contact = find_contact(reader, who);
  if (!contact) return tl::make_unexpected(contact.error());
  auto list = reader.runs(*contact, limit, cursor);
  if (!list) return tl::make_unexpected(std::move(list.error()));
  Runtime::RunPage page{.next = std::move(list->next)};
  for (Run& run : list->runs) {
    Runtime::RunView view{.scenario = directory.scenario(run.scenario)};
    for (const PathStep& step : run.path)
      view.node_ids.push_back(directory.node(run.scenario, step.node));
    view.run = std::move(run);
    page.runs.push_back(std::move(view));
  }
  return page;
}

Result<Runtime::DeliveryPage> query_deliveries(StoreReader& reader, const Directory& directory,
                                               const std::string& scenario, const std::string& node,
                                               std::optional<DeliveryState> state,
                                               std::size_t limit, std::string_view cursor) {
  const auto key = directory.by_id.find(scenario);
  if (key == directory.by_id.end())
    return fail(ErrorKind::NotFound, "unknown_scenario",
                fmt::format("there is no scenario \"{}\"", scenario));
  NodeNumber number;
  std::vector<std::string> names;
  for (const auto& [candidate, id] : directory.scenarios.at(key->second).nodes) {
    names.push_back(id);
    if (id == node) number = candidate;
  }
  if (!number) {
    const std::string nearest = nearest_name(node, names);
    return fail(ErrorKind::NotFound, "unknown_node",
                fmt::format("scenario \"{}\" has no node \"{}\"{}", scenario, node,
                            nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
  }
  auto list = reader.deliveries(key->second, number, state, limit, cursor);
  if (!list) return tl::make_unexpected(std::move(list.error()));
  Runtime::DeliveryPage page{.next = std::move(list->next)};
  for (Delivery& delivery : list->deliveries) {
    std::string contact = name_of(reader, delivery.contact);
    page.deliveries.push_back(view_of(directory, std::move(delivery), std::move(contact)));
  }
  return page;
}

Result<Runtime::DeliveryView> query_delivery(StoreReader& reader, const Directory& directory,
                                             DeliveryKey key) {
  auto detail = reader.delivery(key);
  if (!detail) return tl::make_unexpected(std::move(detail.error()));
  if (!*detail) return fail(ErrorKind::NotFound, "unknown_delivery", "there is no such delivery");
  std::string contact = name_of(reader, (*detail)->delivery.contact);
  Runtime::DeliveryView view =
      view_of(directory, std::move((*detail)->delivery), std::move(contact));
  view.request = std::move((*detail)->request);
  view.attempts = std::move((*detail)->attempts);
  return view;
}

namespace {
/// Contacts that one page looks at in search of a group's: the reader serves others, too.
constexpr std::size_t kSearchedMax = 5'000;
constexpr std::size_t kSearchedAtOnce = 500;
}  // namespace

Result<Runtime::ContactPage> query_contacts(StoreReader& reader, const std::string& group,
                                            std::size_t limit, std::string_view cursor) {
  ContactKey after;
  if (!cursor.empty()) {
    const auto number = from_base32(cursor);
    if (!number)
      return fail(ErrorKind::Invalid, "bad_cursor", "the cursor is not one that a list gave out");
    after = {*number};
  }
  Runtime::ContactPage page;
  for (std::size_t searched = 0; searched < kSearchedMax;) {
    auto list = reader.contacts(after, group.empty() ? limit : kSearchedAtOnce);
    if (!list) return tl::make_unexpected(std::move(list.error()));
    searched += list->contacts.size();
    bool left = list->more;
    for (std::size_t i = 0; i < list->contacts.size() && page.contacts.size() < limit; ++i) {
      auto& [contact, engagement] = list->contacts[i];
      after = contact.key;
      left = list->more || i + 1 < list->contacts.size();
      if (group.empty() || contact.in_group(group))
        page.contacts.push_back(
            {.contact = std::move(contact), .engagement = std::move(engagement)});
    }
    page.next = left ? to_base32(after.value) : std::string{};
    if (!left || group.empty() || page.contacts.size() == limit) break;
  }
  return page;
}

ReaderThread::ReaderThread(std::unique_ptr<StoreReader> reader)
    : reader_{std::move(reader)}, thread_{[this] { run(); }} {}

ReaderThread::~ReaderThread() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ReaderThread::ask(Query query) {
  {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(std::move(query));
  }
  wake_.notify_one();
}

void ReaderThread::run() {
  ::pthread_setname_np(::pthread_self(), "onward-reader");
  while (true) {
    std::vector<Query> queries;
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      queries.swap(waiting_);
    }
    for (Query& query : queries) query(*reader_);
  }
}
}  // namespace onward
