#include "tests/store/conformance.h"

#include <cstdlib>
#include <stdexcept>

#include "engine/store/memory/memory_store.h"

namespace onward {
TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "onward-store-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
  path_ = name;
}
TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string name_of(Way way) {
  switch (way) {
    case Way::Memory:
      return "memory";
    case Way::Sqlite:
      return "sqlite, unfolded";
    case Way::SqliteFolded:
      return "sqlite, folded";
    case Way::SqliteRiding:
      return "sqlite, folds ride along";
    case Way::SqliteReopened:
      return "sqlite, reopened";
    case Way::SqliteCrashed:
      return "sqlite, after a crash";
    case Way::SqlitePlainRows:
      return "sqlite, plain rows";
  }
  return {};
}

Subject::Subject(Way way) : way_{way} {
  if (durable()) folders_.push_back(std::make_unique<TempFolder>());
  open();
}
Subject::~Subject() {
  store_.reset();
  dead_.clear();
}

void Subject::open() {
  if (!durable()) {
    store_ = make_memory_store();
    return;
  }
  SqliteOptions options{.folder = folders_.back()->path(), .durable = false};
  if (way_ == Way::SqliteRiding) {
    options.fold_after = 1;
    options.fold_slice = Duration{0};
  }
  options.dedupe_memory = std::size_t{1} << 20;
  options.plain_rows = way_ == Way::SqlitePlainRows;
  store_ = must(open_sqlite_store(options));
}

void Subject::commit(const Commit& commit) {
  must(store_->commit(commit));
  if (way_ == Way::SqliteFolded) must(store_->fold());
  if (way_ == Way::SqliteReopened) reopen();
  if (way_ == Way::SqliteCrashed) crash();
}

std::unique_ptr<ReadModel> Subject::reader() { return must(store_->open_reader()); }

void Subject::reopen() {
  if (!durable()) return;
  store_.reset();
  open();
}

void Subject::crash() {
  if (!durable()) return;
  auto next = std::make_unique<TempFolder>();
  for (const char* name : {"onward.db", "onward.db-wal"})
    if (std::filesystem::exists(folders_.back()->path() / name))
      std::filesystem::copy(folders_.back()->path() / name, next->path() / name);
  dead_.push_back(std::move(store_));
  folders_.push_back(std::move(next));
  open();
}

void throw_error(const Error& error) {
  throw std::runtime_error{error.code + ": " + error.message};
}
void must(Status status) {
  if (!status) throw_error(status.error());
}

Instant at(std::int64_t seconds) {
  return Instant{std::chrono::seconds{1'777'000'000}} + std::chrono::seconds{seconds};
}

Contact a_contact(std::uint64_t key, std::string id, std::string email) {
  Contact contact{.key = {key}};
  if (!id.empty()) contact.id = ExternalId{.text = std::move(id)};
  if (!email.empty()) contact.fields.emplace_back(Field::Email, Value{std::move(email)});
  contact.fields.emplace_back(Field::FirstName, Value{"Ada"});
  contact.custom.emplace_back("plan", Value{"gold"});
  contact.groups = {"lead", "vip"};
  contact.created_at = at(0);
  contact.updated_at = at(5);
  return contact;
}

Run a_run(std::uint64_t key, std::uint64_t contact, RunState state) {
  Run run;
  run.key = {key};
  run.scenario = {1};
  run.version = 2;
  run.contact = {contact};
  run.state = state;
  run.started = at(10);
  if (!run.live()) run.ended = at(20);
  if (run.live())
    run.event = std::make_shared<const Event>(
        Event{.type = "order", .at = at(9), .data = ValueMap{{"total", Value{12.5}}}});
  run.path = {{.node = {1}, .at = at(10), .port = "next"},
              {.node = {3}, .at = at(11), .note = "x"}};
  return run;
}

Delivery a_delivery(std::uint64_t key, std::uint64_t contact, std::int64_t due) {
  Delivery delivery{.key = {key}};
  delivery.endpoint = {.scenario = {1}, .node = {3}, .version = 2};
  delivery.contact = {contact};
  delivery.run = {key + 1};
  delivery.created = at(10);
  delivery.deadline = at(10 + 12 * 3600);
  delivery.due = at(due);
  return delivery;
}

Request a_request(std::string body) {
  return {.url = "https://crm.example.com/hooks",
          .headers = {{"Content-Type", "application/json"}, {"X-Api-Key", "{{ secret.crm }}"}},
          .body = std::move(body)};
}

IdentityChange id_change(std::string id, std::uint64_t contact, bool removed) {
  return {.kind = IdentityChange::Kind::Id,
          .value = std::move(id),
          .contact = {contact},
          .removed = removed};
}
IdentityChange email_change(std::string email, std::uint64_t contact, bool removed) {
  return {.kind = IdentityChange::Kind::Email,
          .value = std::move(email),
          .contact = {contact},
          .removed = removed};
}

bool same(const Run& a, const Run& b) {
  const bool events = !a.event == !b.event && (!a.event || *a.event == *b.event);
  return a.key == b.key && a.scenario == b.scenario && a.version == b.version &&
         a.entry_key == b.entry_key && a.test == b.test && a.contact == b.contact &&
         a.state == b.state && a.reason == b.reason && a.started == b.started &&
         a.ended == b.ended && a.wake_at == b.wake_at && events && a.path == b.path;
}
bool same(const std::vector<Run>& a, const std::vector<Run>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same(a[i], b[i])) return false;
  return true;
}
bool same(const std::shared_ptr<const Request>& a, const std::shared_ptr<const Request>& b) {
  return !a == !b && (!a || *a == *b);
}
bool same(const IdentityMatch& a, const IdentityMatch& b) {
  if (a.by_id != b.by_id || a.by_email.size() != b.by_email.size()) return false;
  for (std::size_t i = 0; i < a.by_email.size(); ++i)
    if (a.by_email[i].contact != b.by_email[i].contact ||
        a.by_email[i].has_id != b.by_email[i].has_id)
      return false;
  return true;
}
}  // namespace onward
