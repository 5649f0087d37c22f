#include "tests/upgrade/finish.h"

#include <stdexcept>

#include "engine/core/journey/stats.h"
#include "engine/store/recount.h"
#include "engine/store/sqlite/store_view.h"
#include "tests/upgrade/world.h"

namespace onward {
namespace {
using namespace std::chrono_literals;

constexpr int kRounds = 5;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error{result.error().message};
  return std::move(*result);
}

/// As `onward doctor` compares them.
void recount(const std::filesystem::path& folder, Instant now, std::vector<std::string>& broken) {
  auto view = must(StoreView::open(folder));
  for (const std::string& fault : must(view->integrity())) broken.push_back(fault);
  const Recount rows = must(view->recount(now));
  for (const std::string& one : differences(must(view->snapshot()), rows)) broken.push_back(one);
  for (const OddRows* odd :
       {&rows.without_request, &rows.without_timer, &rows.without_run, &rows.without_version})
    if (odd->count > 0)
      broken.push_back("rows in which something is missing, such as " + odd->first);
}

void check(World& world, std::vector<std::string>& broken) {
  if (std::string found = check_counters(world.engine().context().counters); !found.empty())
    broken.push_back(std::move(found));
}
}  // namespace

Instant left_at() { return parse_instant("2026-04-20T12:00:00Z").value(); }

std::string answers_text(const Value& answers) {
  std::string text = "{";
  for (const auto& [section, content] : *answers.map()) {
    text += (text.size() == 1 ? "\n" : ",\n") + to_json(Value{section}) + ": ";
    std::string items;
    if (content.map())
      for (const auto& [name, item] : *content.map())
        items += (items.empty() ? "\n" : ",\n") + to_json(Value{name}) + ": " + to_json(item);
    if (content.list())
      for (const Value& item : *content.list())
        items += (items.empty() ? "\n" : ",\n") + to_json(item);
    text += (content.map() ? "{" : "[") + items + (content.map() ? "}" : "]");
  }
  return text + "\n}\n";
}

Finished finish(const std::filesystem::path& folder) {
  Finished finished;
  recount(folder, left_at(), finished.broken);
  {
    finished.at_start = answers_of(folder, left_at());
    World world{folder, left_at()};
    check(world, finished.broken);
    constexpr const char* kSeen =
        R"({"type": "subscription", "id": "dup-2", "source": "shop", "at": "2026-04-19T08:00:00Z",
            "contact": {"id": "jan", "email": "jan@example.org"}, "data": {"form": "late"}})";
    std::string other = kSeen;
    other.replace(other.find("late"), 4, "else");
    finished.repeats = {world.post(kSeen), world.post(other)};
    world.until(left_at() + 24h);
    check(world, finished.broken);
  }
  recount(folder, left_at() + 24h, finished.broken);
  {
    World world{folder, left_at() + 24h};
    Cell& engine = world.engine();
    for (const auto& [scenario, node] :
         {std::pair{"paused", "tell"}, std::pair{"welcome", "tell_crm"}})
      must(engine.deliveries().switch_node(scenario, node, /*pause=*/false, "operator"));
    world.work();
    // One that was parked for its depth continues as far as one input may go, and is parked again.
    for (int round = 0; round < kRounds && world.resume_parked() > 0; ++round) world.work();
    world.until(left_at() + 24h * 180);
    check(world, finished.broken);
    finished.at_end = answers_of(engine, /*whole=*/false);
  }
  recount(folder, left_at() + 24h * 180, finished.broken);
  return finished;
}
}  // namespace onward
