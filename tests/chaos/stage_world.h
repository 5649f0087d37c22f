#pragma once
// The inside of a world: what may happen in a step.
#include <map>

#include "tests/chaos/operators.h"
#include "tests/chaos/world.h"

namespace onward::chaos {
class World {
 public:
  explicit World(const WorldOptions& options);
  void begin();
  void step(int number);
  void end();

  WorldFigures figures() const;
  std::uint64_t trace_hash() const { return promises_.trace_hash(); }

 private:
  using Act = void (World::*)(Chance&);
  void act(Chance& chance);
  void post(Chance& chance);
  void repeat(Chance& chance);
  void ask_again(Chance& chance);
  void patch(Chance& chance);
  void apply_version(Chance& chance);
  void change_life(Chance& chance);
  void by_hand(Chance& chance);
  void switch_node(Chance& chance);
  void command(Chance& chance);
  void change_mood(Chance& chance);
  void fail_disk(Chance& chance);
  void set_clock(Chance& chance);
  void crash(Chance& chance);
  // operator_acts.cpp
  void change_token(Chance& chance);
  void change_secret(Chance& chance);
  void set_secret(std::optional<std::string> value);
  void import_rows(Chance& chance);
  void migrate(Chance& chance);
  void in_bulk(Chance& chance);
  void outlive(Chance& chance);

  EventInput event(Chance& chance, std::int64_t number);
  std::string contact_patch(Chance& chance);
  std::string who(Chance& chance);
  /// Of a question to the engine only a fault of the disk is fatal.
  template <class Ask>
  void ask(Ask ask) {
    house_.call([ask](Cell& engine) -> Status {
      const auto answer = ask(engine);
      if (!answer && answer.error().kind == ErrorKind::Io)
        return tl::make_unexpected(answer.error());
      return {};
    });
  }
  void send(std::vector<std::int64_t> numbers);
  void rest();
  void heal();
  void apply(const std::string& id, const std::string& text, bool activate, bool migrate = false);
  void note(std::string_view what);
  Duration length(Chance& chance) const;
  std::optional<RunKey> any_run(Chance& chance) const;
  std::optional<DeliveryKey> any_delivery(Chance& chance) const;

  WorldOptions options_;
  Chance chance_;
  Instant start_;
  WorldClock clock_;
  Receivers receivers_;
  Promises promises_;
  Operators operators_;
  House house_;
  Duration dedupe_for_;
  Clients clients_;
  std::vector<Plot> plots_;
  std::set<std::pair<std::string, std::string>> paused_;
};
}  // namespace onward::chaos
