// What operators and importers may do in a step of a world.
#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "engine/core/contact/contact.h"
#include "tests/chaos/stage_world.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

/// A few large ones are taken in parts, with other work in between.
constexpr std::uint32_t kRowsLarge = 120;
}  // namespace

/// The answer counts when it is durable: until then a death leaves it open.
void World::change_token(Chance& chance) {
  if (!house_.up()) return;
  const auto old = operators_.any_token(chance.next());
  const bool issue = !old || chance.one_in(2);
  const std::string name = issue ? operators_.new_token() : *old;
  note(fmt::format("{} {}", issue ? "issue" : "revoke", name));
  operators_.begin_token(name, issue);
  house_.call([this, name, issue](Cell& engine) -> Status {
    const TokenRecord token{.sha256 = Operators::hash_of(name), .name = name, .role = Role::Ingest};
    const auto answer = issue ? engine.access().issue_token(token, "jane")
                              : engine.access().revoke_token(name, "jane");
    if (!answer && answer.error().kind == ErrorKind::Io) return tl::make_unexpected(answer.error());
    house_.when_durable(
        [this, name, done = answer.has_value()] { operators_.end_token(name, done); });
    return {};
  });
}

void World::set_secret(std::optional<std::string> value) {
  if (!house_.up()) return;
  operators_.begin_secret(value);
  house_.call([this, value](Cell& engine) -> Status {
    const std::string name{kSecretName};
    const SecretChange change{.value = value.value_or(""),
                              .hosts = SecretHosts{.rule = SecretHosts::Rule::Any}};
    const auto answer =
        value ? engine.secrets().set(SecretKind::Secret, name, change, "jane")
              : engine.secrets().remove(SecretKind::Secret, name, /*force=*/true, "jane");
    if (!answer && answer.error().kind == ErrorKind::Io) return tl::make_unexpected(answer.error());
    house_.when_durable(
        [this, value, done = answer.has_value()] { operators_.end_secret(value, done); });
    return {};
  });
}

void World::change_secret(Chance& chance) {
  if (chance.one_in(4)) {
    note("a new master key");
    return ask([](Cell& engine) { return engine.secrets().rekey("jane"); });
  }
  const bool remove = operators_.has_secret() && chance.one_in(3);
  note(remove ? "the secret is removed" : "the secret is set");
  set_secret(remove ? std::nullopt : std::optional{operators_.new_value()});
}

void World::import_rows(Chance& chance) {
  if (!house_.up()) return;
  const std::int64_t import = operators_.new_import();
  const std::uint32_t rows = chance.one_in(6) ? kRowsLarge + chance.roll(80) : 1 + chance.roll(8);
  note(fmt::format("import {} of {} rows", import, rows));
  const bool quiet = !chance.one_in(3);
  ImportTask job;
  for (std::uint32_t row = 0; row < rows; ++row) {
    Value custom;
    custom.set(import_field(import), import);
    Value fields;
    fields.set("id", who(chance));
    fields.set("custom", std::move(custom));
    auto contact = parse_contact(fields);
    if (!contact) throw std::logic_error("bad contact in the harness: " + contact.error().message);
    job.inputs.emplace_back(PatchInput{
        .who = std::move(contact->who), .patch = std::move(contact->patch), .quiet = quiet});
  }
  job.done = [this, import](const std::vector<WorkAnswer>& answers) {
    for (const WorkAnswer& answer : answers)
      if (answer.event.kind == EventAnswer::Kind::Accepted)
        operators_.imported(import, answer.contact);
  };
  std::vector<Task> jobs;
  jobs.emplace_back(std::move(job));
  house_.work(std::move(jobs));
}

/// Runs under way go over to another text; who waits where that has no node, to one that it has.
void World::migrate(Chance& chance) {
  const Plot& plot = chance.pick(plots_);
  const std::uint64_t version = chance.roll(6);
  const std::string text = write_scenario(plot, version, start_);
  const Shadow& shadow = promises_.shadow();
  std::set<std::string> places;
  for (const RunKey key : shadow.live) {
    const Run& run = shadow.runs.at(key).row;
    const ScenarioRecord* record = shadow.scenario(run.scenario);
    if (record != nullptr && record->id == plot.id)
      places.insert(shadow.name_of(run.scenario, run.place()));
  }
  const auto has = [&text](const std::string& node) {
    return text.find("  " + node + ": {") != std::string::npos;
  };
  constexpr std::array targets{"wait0", "wait1", "hours", "reply", "calm", "day",
                               "tag6",  "is8",   "tell",  "also",  "bulk", "form"};
  MigrationRequest request{.wanted = true};
  for (const std::string& place : places) {
    if (has(place) && !chance.one_in(8)) continue;
    const std::uint32_t first = chance.roll(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const std::string target = targets.at((first + i) % targets.size());
      if (!has(target) || target == place) continue;
      request.map.emplace_back(place, target);
      break;
    }
  }
  note(fmt::format("{} moves to text {}, {} nodes mapped", plot.id, version, request.map.size()));
  house_.call([id = plot.id, text, request](Cell& engine) -> Status {
    const auto answer = engine.scenarios().apply(id, text, request, "jane");
    if (!answer && answer.error().kind == ErrorKind::Io) return tl::make_unexpected(answer.error());
    return {};
  });
}

/// Each delivery that the command is about changes before it is answered.
void World::in_bulk(Chance& chance) {
  if (!house_.up()) return;
  const auto any = any_delivery(chance);
  if (!any) return;
  const Delivery& one = promises_.shadow().deliveries.at(*any).row;
  const std::string id = promises_.shadow().scenario(one.endpoint.scenario)->id;
  const ByHand act = one.pending() ? ByHand::Cancel : ByHand::Retry;
  // What was cancelled is retried only where somebody says so.
  const DeliveryQuery query{.scenario = id, .state = one.state};
  note(fmt::format("all of {} by hand: {} what is {}", id,
                   act == ByHand::Retry ? "retry" : "cancel", to_string(*query.state)));
  std::map<DeliveryKey, std::uint32_t> meant;  // and the series that it is in
  const Shadow& shadow = promises_.shadow();
  for (const auto& [key, known] : shadow.deliveries) {
    const Delivery& row = known.row;
    const ScenarioRecord* record = shadow.scenario(row.endpoint.scenario);
    const bool fits = row.state == query.state && (row.state != DeliveryState::Failed ||
                                                   row.attempts > 0);  // or it can never be sent
    if (fits && record != nullptr && record->id == id) meant.emplace(key, row.series);
  }
  const auto check = [this, act, state = *query.state, meant = std::move(meant)] {
    const Shadow& now = promises_.shadow();
    for (const auto& [key, series] : meant) {
      const ShadowDelivery& known = now.deliveries.at(key);
      if (known.row.series != series || !now.bodies.contains(key)) continue;
      if (known.row.state == state)
        broken(promise::kBulk,
               fmt::format("delivery {} is still {} after all were {}", key.value, to_string(state),
                           act == ByHand::Cancel ? "cancelled" : "retried"));
    }
  };
  house_.call([id, act, query, check](Cell& engine) -> Status {
    engine.deliveries().by_hand(act, query, false, "jane",
                                [id, check, &engine](const Result<ByHandAnswer>& answer) {
                                  // What is being purged cannot be retried.
                                  const auto info = engine.views().info(id);
                                  if (answer && info && !info->progress) check();
                                });
    return {};
  });
}

/// Events are remembered for a time: a repeat after it is another event, and never earlier.
void World::outlive(Chance& chance) {
  const Duration length = dedupe_for_ + 1h * chance.roll(60);
  note("time passes: " + format_duration(length));
  house_.pass(length);
  for (std::uint32_t left = 1 + chance.roll(3); left > 0; --left) repeat(chance);
}
}  // namespace onward::chaos
