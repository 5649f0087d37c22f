#pragma once
// A small model of scenarios, written without a look at the engine: of scenarios from a restricted
// family it foretells each contact's way, to the instant.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/scenario/reentry.h"
#include "tests/chaos/chance.h"

namespace onward::chaos {
struct RouteNode {
  enum class Kind : std::uint8_t { Wait, Reply, Rich, Large, Tag, Tell } kind = Kind::Wait;
  std::string id;
  Duration length{};          ///< Of Wait; the timeout of Reply.
  std::int64_t value;         ///< What Rich and Large compare with, and Tag sets.
  int next = -1, other = -1;  ///< -1: the end.
};
/// One version.
struct RouteText {
  std::string id;
  Reentry reentry;
  std::int64_t from = 0;  ///< Who enters brings at least so much.
  bool stoppable = false;
  std::vector<RouteNode> nodes;
  std::string yaml() const;
};
RouteText make_route(const std::string& id, std::uint64_t seed, std::uint64_t version);

struct RouteEvent {
  std::string contact;
  std::string type;  ///< "go", "step", "stop"
  std::int64_t x = 0;
  std::optional<std::int64_t> spent;  ///< A patch of the contact.
};

class RouteModel {
 public:
  struct Run {
    std::shared_ptr<const RouteText> text;
    std::int64_t x = 0;
    std::uint64_t number = 0;
    std::vector<std::pair<std::string, Instant>> path;
    int at = -1;  ///< Where it waits.
    Instant wake{};
    std::string state = "waiting";  ///< Or "done", "exited".
  };
  /// From now on the newest version.
  void apply(RouteText text) {
    auto made = std::make_shared<const RouteText>(std::move(text));
    newest_[made->id] = made;
  }
  void activate(const std::string& id, bool active) { active_[id] = active; }
  /// Every wait whose time comes by `now` ends: at its own time, or late, at `since`, where nobody
  /// was there before.
  void wake(Instant now, std::optional<Instant> since = std::nullopt);
  void take(const RouteEvent& event, Instant now);

  /// By contact, in the order in which they began.
  const std::map<std::string, std::vector<Run>>& runs() const { return runs_; }
  std::int64_t refused(const std::string& id, const std::string& reason) const;

 private:
  struct Person {
    std::uint64_t number = 0;
    std::optional<std::int64_t> spent;
    std::map<std::string, std::pair<std::uint32_t, Instant>> entries;  ///< And when the last was.
  };
  void enter(const std::string& contact, const RouteText& text, const RouteEvent& event,
             Instant now);
  void walk(const std::string& contact, Run& run, int at, Instant now);

  std::map<std::string, std::shared_ptr<const RouteText>> newest_;
  std::map<std::string, bool> active_;
  std::map<std::string, Person> people_;
  std::map<std::string, std::vector<Run>> runs_;
  std::map<std::pair<std::string, std::string>, std::int64_t> refused_;
  std::uint64_t numbers_ = 0;
};
}  // namespace onward::chaos
