#include "tests/upgrade/world.h"
#include "engine/query/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "engine/api/event_json.h"
#include "engine/api/views.h"
#include "engine/query/queries.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

template <class T>
T must(Result<T> result, std::string_view what) {
  if (!result)
    throw std::runtime_error(
        fmt::format("{}: {} ({})", what, result.error().message, result.error().code));
  return std::move(*result);
}
void must(const Status& status, std::string_view what) {
  if (!status) throw std::runtime_error(fmt::format("{}: {}", what, status.error().message));
}

std::string_view word(EventAnswer::Kind kind) {
  switch (kind) {
    case EventAnswer::Kind::Accepted:
      return "accepted";
    case EventAnswer::Kind::Duplicate:
      return "duplicate";
    case EventAnswer::Kind::Conflict:
      return "conflict";
    case EventAnswer::Kind::Rejected:
      return "rejected";
    case EventAnswer::Kind::Unavailable:
      return "unavailable";
  }
  return {};
}

/// Any list longer than this is a mistake of the suite.
constexpr std::size_t kAll = 500;

Value scenario_of(Cell& engine, const std::string& id, bool whole) {
  const ScenarioVersions versions = must(engine.views().versions(id), id);
  ValueMap texts, numbers;
  for (const VersionInfo& version : versions.versions) {
    const std::string name = std::to_string(version.version);
    VersionText text = must(engine.control().scenarios.version(id, version.version), id);
    text.text = must(engine.control().scenarios.text(id, version.version), id);
    texts.emplace_back(name, view_of(text));
    numbers.emplace_back(name, view_of(must(engine.views().stats(id, version.version), id)));
  }
  ValueMap all{{"info", view_of(must(engine.views().info(id), id))},
               {"versions", view_of(versions)},
               {"stats", view_of(must(engine.views().stats(id, 0), id))}};
  if (whole) {
    if (numbers.size() > 1) all.emplace_back("stats_of_versions", std::move(numbers));
    all.emplace_back("texts", std::move(texts));
  }
  return all;
}

Value journey_of(const RunPage& page, const Epochs& epochs) {
  ValueList runs, refused;
  for (const RunView& run : page.runs) runs.push_back(view_of(run, epochs));
  for (const RefusedView& one : page.refused) refused.push_back(view_of(one));
  return ValueMap{{"runs", std::move(runs)}, {"refused", std::move(refused)}};
}
}  // namespace

RuntimeOptions options_of(const std::filesystem::path& folder) {
  return {.account_id = 42,
          .keep_bodies = 24h * 30,
          .keep_runs = 24h * 400,
          .key_file = folder / "secret.key"};
}

World::World(const std::filesystem::path& folder, Instant now, CommitListener commits)
    : clock_{now}, answering_{[](const DeliveryTask&) { return AttemptReply{}; }} {
  // A flush happens where the suite asks for one, so that a folder is the same whenever it is made.
  auto store = must(open_sqlite_store({.folder = folder, .fold_age = 24h * 365, .durable = false}),
                    "the store");
  if (commits) store = make_watched_store(std::move(store), std::move(commits));
  simulation_ = must(
      Simulation::open(std::move(store), node_kinds(), clock_, *this, options_of(folder)), "open");
}

std::unique_ptr<ReadModel> World::reader() {
  must(engine().store().fold(), "flush");
  return must(engine().store().open_reader(), "a reader");
}

std::string World::post(std::string_view json) {
  EventPost post = must(parse_events(json, EventForm::Json, clock_.now(), /*history=*/false), json);
  if (post.events.size() != 1) throw std::runtime_error{fmt::format("no event: {}", json)};
  const auto answers = must(simulation_->send(std::move(post.events)), json);
  return std::string{word(answers.at(0).kind)};
}

void World::put(std::string_view id, std::string_view json) {
  Value object = must(parse_json(json), json);
  object.set("id", id);
  ContactInput read = must(parse_contact(object), json);
  must(simulation_->take(PatchInput{.who = std::move(read.who), .patch = std::move(read.patch)},
                         /*create=*/true),
       json);
}

void World::command(std::string_view id, Command command) {
  const auto contact = must(engine().contacts().find_contact({.id = std::string{id}}), id);
  if (!contact) throw std::runtime_error{fmt::format("no contact {}", id)};
  must(simulation_->take(CommandInput{.contact = *contact, .command = std::move(command)}), id);
}

std::size_t World::resume_parked() {
  const auto runs = must(reader()->live_runs({.state = RunState::Parked}, kAll, ""), "parked runs");
  for (const Run& run : runs.runs)
    must(simulation_->take(CommandInput{.contact = run.contact, .command = ResumeRun{run.key}}),
         "resume");
  return runs.runs.size();
}

void World::until(Instant at) { must(simulation_->run_until(at), "time passes"); }
void World::work() { must(simulation_->work(), "work"); }

void World::submit(std::vector<DeliveryTask> tasks) {
  for (DeliveryTask& task : tasks) tasks_.push_back(std::move(task));
}

void World::withdraw(std::vector<DeliveryKey> deliveries) {
  std::erase_if(tasks_, [&](const DeliveryTask& task) {
    return std::ranges::find(deliveries, task.delivery) != deliveries.end();
  });
}

std::vector<AttemptResult> World::answers(Instant now) {
  std::vector<AttemptResult> results;
  std::erase_if(tasks_, [&](const DeliveryTask& task) {
    const auto reply = answering_(task);
    if (!reply) return false;
    results.push_back({.delivery = task.delivery,
                       .number = task.number,
                       .started = now,
                       .took = 12ms,
                       .status = reply->status,
                       .code = reply->code,
                       .error = reply->code.empty() ? "" : "the test says " + reply->code,
                       .retry_after = reply->retry_after,
                       .response = reply->response,
                       .permanent = reply->permanent,
                       .local = reply->local});
    return true;
  });
  return results;
}

Value answers_of(const std::filesystem::path& folder, Instant now) {
  const VirtualClock clock{now};
  ScriptedReceiver nobody;
  auto store = must(open_sqlite_store({.folder = folder, .durable = false}), "the store");
  const auto engine =
      must(Cell::open(std::move(store), node_kinds(), nobody, clock, options_of(folder)), "open");
  return answers_of(*engine, /*whole=*/true);
}

Value answers_of(Cell& engine, bool whole) {
  must(engine.store().fold(), "flush");
  const auto reader = must(engine.store().open_reader(), "a reader");
  const auto directory = make_directory(engine.control().scenarios);
  const Epochs& epochs = engine.context().epochs;

  ValueMap scenarios;
  for (const ScenarioInfo& info : engine.views().list())
    scenarios.emplace_back(info.id, scenario_of(engine, info.id, whole));

  ValueList contacts;
  for (const ContactAnswer& answer :
       must(query_contacts(*reader, "", kAll, ""), "contacts").contacts) {
    ContactName name;
    if (answer.contact.id)
      name.id = answer.contact.id->text;
    else if (const Value* email = answer.contact.get(Field::Email))
      name.email = *email->text();
    Value view = view_of(must(engine.contacts().contact(name), "a contact"));
    view.set("journey",
             journey_of(must(query_runs(*reader, *directory, name, kAll, ""), "runs"), epochs));
    contacts.push_back(std::move(view));
  }

  ValueList live;
  for (const RunView& run :
       must(query_live_runs(*reader, *directory, {}, kAll, ""), "live runs").runs)
    live.push_back(view_of(run, epochs));

  ValueList deliveries;
  for (const DeliveryView& one :
       must(query_deliveries(*reader, *directory, {}, kAll, ""), "deliveries").deliveries)
    deliveries.push_back(
        whole ? view_of(must(query_delivery(*reader, *directory, one.delivery.key), "a delivery"),
                        epochs, /*whole=*/true)
              : view_of(one, epochs, /*whole=*/false));

  ValueList log;
  for (const LogLine& line :
       must(query_logs(*reader, *engine.recent(), "", Instant{}, kAll, ""), "the log").lines)
    log.push_back(view_of(line, epochs));

  ValueMap secrets;
  for (const SecretKind kind : {SecretKind::Secret, SecretKind::Credential}) {
    ValueList list;
    for (const SecretInfo& info : engine.secrets().list(kind)) list.push_back(view_of(info, kind));
    secrets.emplace_back(std::string{to_string(kind)}, std::move(list));
  }

  ValueList fields, tokens, paused;
  for (const CustomField& field : engine.control().fields->all()) {
    fields.push_back(to_value(field));
    fields.back().set("name", field.name);
  }
  for (const TokenRecord& token : engine.control().tokens->all())
    tokens.push_back(
        ValueMap{{"name", token.name},
                 {"role", to_string(token.role)},
                 {"created", format_instant(token.created)},
                 {"expires", token.expires ? Value{format_instant(*token.expires)} : Value{}}});
  for (const auto& [place, node] : engine.control().switches)
    paused.push_back(ValueMap{{"scenario", directory->scenario(place.first)},
                              {"node", directory->node(place.first, place.second)},
                              {"paused", node.paused},
                              {"since", format_instant(node.since)}});

  return ValueMap{{"scenarios", std::move(scenarios)},
                  {"contacts", std::move(contacts)},
                  {"live_runs", std::move(live)},
                  {"deliveries", std::move(deliveries)},
                  {"log", std::move(log)},
                  {"secrets", std::move(secrets)},
                  {"fields", std::move(fields)},
                  {"tokens", std::move(tokens)},
                  {"paused", std::move(paused)}};
}
}  // namespace onward
