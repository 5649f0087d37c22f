#include "tests/chaos/clients.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "tests/chaos/promises.h"

namespace onward::chaos {
namespace {
constexpr Duration kForgetSlack = std::chrono::hours{48};
}  // namespace

std::int64_t Clients::add(Told told) {
  const std::int64_t number = count() + 1;
  told_.emplace(number, std::move(told));
  ++figures.events;
  return number;
}

Task Clients::post(std::vector<std::int64_t> numbers) {
  ++figures.posts;
  std::erase_if(open_, [](const auto& open) { return open->answered; });
  auto open = std::make_shared<Open>(Open{.numbers = std::move(numbers)});
  open_.push_back(open);
  EventsTask job;
  for (const std::int64_t number : open->numbers) {
    EventInput& input = std::get<EventInput>(job.inputs.emplace_back(told_.at(number).input));
    if (told_.at(number).untimed) input.event.at = clock_.now();
  }
  job.done = [this, open](std::vector<EventAnswer> answers) {
    open->answered = true;
    if (answers.size() != open->numbers.size())
      broken(promise::kAnswers, "a post has another number of answers than of events");
    for (std::size_t i = 0; i < answers.size(); ++i) answered(open->numbers[i], answers[i]);
  };
  return job;
}

bool Clients::taken_lately(const Told& told) const {
  return told.taken && clock_.latest() - *told.taken < dedupe_for_;
}

void Clients::accepted(std::int64_t number, Told& told) {
  ++figures.accepted;
  const Told& first = told.of == 0 ? told : told_.at(told.of);
  const bool has_id = !told.input.id.empty();
  if (has_id && taken_lately(first))
    broken(promise::kOnce, fmt::format("event {} was taken again", number));
  // Had it been taken before nobody answered, it would be a repeat now.
  if (has_id && (!told.asked || clock_.latest() - *told.asked < dedupe_for_)) told.maybe = 0;
  told.taken = clock_.now();
  told.taken_steady = clock_.steady();
  if (!told.input.history) ++told.certain;
}

void Clients::answered(std::int64_t number, const EventAnswer& answer) {
  Told& told = told_.at(number);
  const bool has_id = !told.input.id.empty();
  switch (answer.kind) {
    case EventAnswer::Kind::Accepted:
      return accepted(number, told);
    case EventAnswer::Kind::Duplicate:
      ++figures.duplicates;
      // The stores keep whole days, in spans of half the time that they remember.
      if (told.of == 0 && told.taken_steady && told.maybe == 0 &&
          clock_.steady() - *told.taken_steady > 2 * dedupe_for_ + kForgetSlack &&
          clock_.now() - *told.taken > 2 * dedupe_for_ + kForgetSlack)
        broken(promise::kForgets,
               fmt::format("event {} is a repeat of {}", number, format_instant(*told.taken)));
      if (!has_id || (!told.taken && told.maybe == 0))
        broken(promise::kAnswers, fmt::format("event {} is called a repeat", number));
      if (!told.taken) {
        told.taken = told.asked.value_or(clock_.now());
        if (!told.input.history) told.certain = 1;
        told.maybe = 0;
      }
      return;
    case EventAnswer::Kind::Conflict:
      ++figures.conflicts;
      if (!has_id) broken(promise::kAnswers, fmt::format("event {} is in conflict", number));
      return;
    case EventAnswer::Kind::Rejected:
      ++figures.rejected;
      return;
    case EventAnswer::Kind::Unavailable:
      ++figures.unanswered;
      if (answer.code == "engine_stopped" && told.maybe++ == 0) told.asked = clock_.now();
      return;
  }
}

void Clients::lost() {
  for (const auto& open : std::exchange(open_, {})) {
    if (open->answered) continue;
    for (const std::int64_t number : open->numbers) {
      ++figures.unanswered;
      Told& told = told_.at(number);
      if (told.maybe++ == 0) told.asked = clock_.now();
    }
  }
}

std::vector<std::int64_t> Clients::unknown() const {
  std::vector<std::int64_t> numbers;
  for (const auto& [number, told] : told_)
    if (told.maybe > 0 && !told.input.id.empty()) numbers.push_back(number);
  return numbers;
}

void Clients::check(const Shadow& shadow) const {
  for (const auto& [number, told] : told_) {
    const auto found = shadow.effects.find(number);
    const int effects = found == shadow.effects.end() ? 0 : found->second;
    const int most = told.certain + (told.input.history ? 0 : told.maybe);
    if (effects < told.certain || effects > most)
      broken(effects < told.certain ? promise::kDurable : promise::kOnce,
             fmt::format("event {} was taken {} times (and perhaps {}), and took effect {} times",
                         number, told.certain, told.maybe, effects));
  }
}
}  // namespace onward::chaos
