// What may happen in a step of a world.
#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "engine/core/contact/contact.h"
#include "tests/chaos/stage_world.h"

namespace onward::chaos {
namespace {
using namespace std::chrono_literals;

constexpr int kContacts = 7;

Value json(std::string_view text) {
  auto value = parse_json(text);
  if (!value) throw std::logic_error("bad JSON in the harness: " + std::string{text});
  return std::move(*value);
}

ContactInput contact_of(const std::string& who, std::string_view fields) {
  Value object = json(fields);
  object.set("id", who);
  auto read = parse_contact(object);
  if (!read) throw std::logic_error("bad contact in the harness: " + read.error().message);
  return std::move(*read);
}
}  // namespace

std::string World::who(Chance& chance) { return fmt::format("c{}", chance.roll(kContacts)); }

std::string World::contact_patch(Chance& chance) {
  constexpr std::array zones{"Europe/Berlin", "America/Toronto", "Asia/Tokyo"};
  constexpr std::array groups{"out", "vip", "g0", "g1"};
  switch (chance.roll(9)) {
    case 0:
      return fmt::format(R"({{"timezone": "{}"}})", chance.pick(zones));
    case 1:
    case 2:
      return fmt::format(R"({{"custom": {{"spent": {}}}}})", chance.roll(5) * 50);
    case 3:
      return fmt::format(R"({{"groups_add": ["{}"]}})", chance.pick(groups));
    case 4:
      return fmt::format(R"({{"groups": ["{}"]}})", chance.pick(groups));
    case 5:
      return fmt::format(R"({{"birth_date": "1990-05-{:02}"}})", 1 + chance.roll(28));
    case 6:
      return fmt::format(R"({{"email": "c{}@example.org"}})", chance.roll(kContacts));
    case 7:
      return R"({"custom": {"spent": null}})";
    default:
      return "{}";
  }
}

EventInput World::event(Chance& chance, std::int64_t number) {
  constexpr std::array types{"subscription", "subscription", "opened", "viewed",
                             "order",        "unsubscribe",  "noise",  "clicked"};
  const std::string type = chance.pick(types);
  const std::string fields = contact_patch(chance);
  const std::string name = who(chance);
  const std::string data = fmt::format(R"({{"n": {}, "mailing": "m{}", "group": "k{}"}})", number,
                                       chance.roll(2), chance.roll(2));
  ContactInput contact = contact_of(name, fields);
  EventInput input{.who = std::move(contact.who),
                   .patch = std::move(contact.patch),
                   .event = {.type = type, .at = clock_.now(), .data = json(data)}};
  if (!chance.one_in(4)) input.id = fmt::format("e{}", number);
  input.history = chance.one_in(10);
  input.fingerprint = hash128(fmt::format("{} {} {} {}", type, name, fields, data));
  return input;
}

void World::send(std::vector<std::int64_t> numbers) {
  if (!house_.up() || numbers.empty()) return;
  std::vector<Task> jobs;
  jobs.push_back(clients_.post(std::move(numbers)));
  house_.work(std::move(jobs));
}

void World::post(Chance& chance) {
  std::vector<std::int64_t> numbers;
  for (std::uint32_t left = 1 + chance.roll(5); left > 0; --left) {
    Told told{.input = event(chance, clients_.count() + 1), .untimed = chance.one_in(2)};
    numbers.push_back(clients_.add(std::move(told)));
  }
  note(fmt::format("post {} to {}", numbers.front(), numbers.back()));
  send(std::move(numbers));
}

/// An event comes again, alone or twice in one post, or another one under its id.
void World::repeat(Chance& chance) {
  if (clients_.count() == 0) return;
  const std::int64_t number = 1 + chance.roll(static_cast<std::uint64_t>(clients_.count()));
  const Told& told = clients_.at(number);
  if (told.input.id.empty()) return;
  if (chance.one_in(3)) {
    Told other{.input = event(chance, clients_.count() + 1), .of = told.of == 0 ? number : told.of};
    other.input.id = told.input.id;
    const std::int64_t added = clients_.add(std::move(other));
    note(fmt::format("event {} comes under the id of {}", added, number));
    return send({added});
  }
  note(fmt::format("event {} comes again", number));
  std::vector<std::int64_t> numbers(1 + chance.roll(2), number);
  send(std::move(numbers));
}

void World::ask_again(Chance&) {
  const std::vector<std::int64_t> numbers = clients_.unknown();
  if (!numbers.empty()) note(fmt::format("{} events are asked again", numbers.size()));
  for (const std::int64_t number : numbers) send({number});
}

void World::patch(Chance& chance) {
  if (!house_.up()) return;
  const std::string name = who(chance);
  const std::string fields = contact_patch(chance);
  note(fmt::format("patch of {}: {}", name, fields));
  ContactInput contact = contact_of(name, fields);
  std::vector<Task> jobs;
  jobs.emplace_back(ContactTask{.input = PatchInput{.who = std::move(contact.who),
                                                    .patch = std::move(contact.patch),
                                                    .quiet = chance.one_in(4)},
                                .create = true,
                                .done = [](Result<WorkAnswer>) {}});
  house_.work(std::move(jobs));
}

void World::apply_version(Chance& chance) {
  const Plot& plot = chance.pick(plots_);
  const std::uint64_t version = chance.roll(6);
  const bool migrate = chance.one_in(2);
  note(fmt::format("{} gets text {}{}", plot.id, version, migrate ? ", runs move" : ""));
  apply(plot.id, write_scenario(plot, version, start_), /*activate=*/false, migrate);
}

void World::change_life(Chance& chance) {
  const Plot plot = chance.pick(plots_);
  const std::string id = plot.id;
  switch (chance.roll(12)) {
    case 0:
    case 1:
      note("hold " + id);
      return ask([id](Cell& engine) { return engine.scenarios().hold(id); });
    case 2:
    case 3: {
      const std::string email = who(chance) + "@example.org";
      note("test mode of " + id + " for " + email);
      return ask([id, email](Cell& engine) {
        return engine.scenarios().activate(id, std::vector<std::string>{email});
      });
    }
    case 4: {
      if (!chance.one_in(3)) return;
      const bool cancel = chance.one_in(2);
      note("archive " + id);
      return ask([id, cancel](Cell& engine) { return engine.scenarios().archive(id, cancel); });
    }
    case 5:
      note("purge " + id);
      return ask([id](Cell& engine) { return engine.scenarios().purge(id); });
    case 6: {
      if (plots_.size() >= 7) return;
      Plot copy = plot;
      copy.id = fmt::format("d{}", plots_.size());
      note("duplicate " + id + " as " + copy.id);
      promises_.rule(copy.id, copy.reentry);
      plots_.push_back(copy);
      return ask([id, to = copy.id](Cell& engine) { return engine.scenarios().duplicate(id, to); });
    }
    default:
      note("activate " + id);
      return ask([id](Cell& engine) {
        return engine.scenarios().activate(id, std::vector<std::string>{});
      });
  }
}

std::optional<DeliveryKey> World::any_delivery(Chance& chance) const {
  const auto& all = promises_.shadow().deliveries;
  if (all.empty()) return std::nullopt;
  std::vector<DeliveryKey> keys;
  for (const auto& [key, known] : all)
    if (known.row.state != DeliveryState::Accepted) keys.push_back(key);
  if (keys.empty()) return std::nullopt;
  std::ranges::sort(keys);
  return chance.pick(keys);
}

void World::by_hand(Chance& chance) {
  if (chance.one_in(3)) return in_bulk(chance);
  const auto key = any_delivery(chance);
  if (!key) return;
  const bool pending = promises_.shadow().pending.contains(*key);
  if (pending && chance.one_in(2)) return;
  note(fmt::format("{} delivery {}", pending ? "cancel" : "retry", key->value));
  ask([key = *key, pending](Cell& engine) {
    return engine.deliveries().by_hand(pending ? ByHand::Cancel : ByHand::Retry, key);
  });
}

void World::switch_node(Chance& chance) {
  constexpr std::array nodes{"tell", "also", "bulk", "form"};
  const bool audit = chance.one_in(6);
  std::string scenario = audit ? std::string{kAudit} : chance.pick(plots_).id;
  std::string node = audit ? "tell" : chance.pick(nodes);
  // Mostly one that has something to send.
  const Shadow& shadow = promises_.shadow();
  if (!shadow.pending.empty() && !chance.one_in(3)) {
    const EndpointKey& at = shadow.deliveries.at(chance.pick(shadow.pending)).row.endpoint;
    scenario = shadow.scenario(at.scenario)->id;
    node = shadow.name_of(at.scenario, at.node);
  }
  const bool pause = !paused_.contains({scenario, node});
  if (pause)
    paused_.emplace(scenario, node);
  else
    paused_.erase({scenario, node});
  // What ended its window meanwhile makes its last attempt from now on.
  if (!pause) house_.disturb();
  note(fmt::format("{} {}/{}", pause ? "pause" : "resume", scenario, node));
  ask([=](Cell& engine) { return engine.deliveries().switch_node(scenario, node, pause, "jane"); });
}

std::optional<RunKey> World::any_run(Chance& chance) const {
  const auto& live = promises_.shadow().live;
  if (live.empty()) return std::nullopt;
  return *std::next(live.begin(), static_cast<std::ptrdiff_t>(chance.roll(live.size())));
}

void World::command(Chance& chance) {
  const auto key = any_run(chance);
  if (!key || !house_.up()) return;
  const Run& run = promises_.shadow().runs.at(*key).row;
  CommandInput input{.contact = run.contact, .command = EndRun{.run = *key, .reason = "by hand"}};
  const std::uint32_t what = chance.roll(6);
  if (what < 3) input.command = ResumeRun{.run = *key};
  if (what == 5) input.command = Forget{};
  note(fmt::format("command {} of run {}", what, key->value));
  std::vector<Task> jobs;
  jobs.emplace_back(ContactTask{.input = std::move(input), .done = [](Result<WorkAnswer>) {}});
  house_.work(std::move(jobs));
}

void World::change_mood(Chance& chance) {
  const std::string_view host = chance.pick(kHosts);
  const Mood mood = static_cast<Mood>(chance.roll(kMoods));
  note(fmt::format("{} is {}", host, to_string(mood)));
  receivers_.set(host, mood);
}

void World::fail_disk(Chance& chance) {
  house_.disturb();
  DiskFaults& faults = house_.disk().faults;
  switch (chance.roll(4)) {
    case 0:
      note("the disk is full");
      faults.full = true;
      break;
    case 1:
      note("an fsync will fail");
      faults.unsyncable = true;
      break;
    case 2:
      note("a write will fail");
      faults.unwritable = true;
      break;
    default:
      faults.refuse_contact_id = who(chance);
      note("rows of " + faults.refuse_contact_id + " are refused");
  }
  // Something must meet the fault.
  for (std::uint32_t left = 1 + chance.roll(3); left > 0; --left) {
    post(chance);
    house_.pass(Duration{chance.roll(4'000)});
  }
}

void World::set_clock(Chance& chance) {
  constexpr std::array<Duration, 6> jumps{-26h, -3min, 90s, 13h, 25h, -500ms};
  const Duration by = chance.pick(jumps);
  note(fmt::format("the clock jumps by {}", format_duration(by)));
  clock_.jump(by);
  house_.disturb();
}

/// At one of the next places; or now, with all that is written.
void World::crash(Chance& chance) {
  if (!options_.crashes || !house_.up()) return;
  if (chance.one_in(4)) {
    note("the process is killed");
    return house_.die();
  }
  if (house_.disk().on_sqlite() && chance.one_in(2)) {
    house_.disk().faults.cut_at_write = 1 + chance.roll(60);
    note(fmt::format("the power fails at the {}th write", house_.disk().faults.cut_at_write));
    for (int left = 3; left > 0; --left) {
      post(chance);
      house_.pass(Duration{chance.roll(4'000)});
    }
    return;
  }
  const std::uint64_t ahead = 1 + chance.roll(14);
  note(fmt::format("the process will die at the {}th place from here", ahead));
  house_.disk().crash_at(house_.disk().places() + ahead);
  post(chance);
}

void World::act(Chance& chance) {
  constexpr std::array<Act, 30> acts{
      &World::post,          &World::post,          &World::post,          &World::post,
      &World::post,          &World::post,          &World::repeat,        &World::repeat,
      &World::ask_again,     &World::patch,         &World::patch,         &World::patch,
      &World::apply_version, &World::apply_version, &World::change_life,   &World::change_life,
      &World::by_hand,       &World::by_hand,       &World::switch_node,   &World::switch_node,
      &World::command,       &World::change_mood,   &World::fail_disk,     &World::set_clock,
      &World::crash,         &World::change_token,  &World::change_secret, &World::import_rows,
      &World::migrate,       &World::outlive};
  (this->*chance.pick(acts))(chance);
}
}  // namespace onward::chaos
