#pragma once
// How much work one input may cause. Counted in steps and bytes, never in time, so that server,
// simulator and replay decide alike.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/core/base/ids.h"

namespace onward {
/// Steps of all conditions that one input evaluates. A step takes at most some 5 ns (regular
/// expressions made for it: 9 ns; see segment.cpp), so these take at most some 50 ms.
inline constexpr std::uint64_t kInputStepsMax = 10'000'000;
/// Of those, the steps of one scenario: half, so that no scenario takes all from the others.
inline constexpr std::uint64_t kScenarioStepsMax = kInputStepsMax / 2;
/// Steps that a look at a live run counts as: what it waits for and what may end it.
inline constexpr std::uint64_t kLookSteps = 10;
/// Looks at live runs by one input: at most some 50 ms. Beyond them the events that the input
/// causes reach no run.
inline constexpr std::uint64_t kInputLooksMax = 1'000'000;
/// Bytes that one input may render for requests and for changes of its contact.
inline constexpr std::uint64_t kInputRenderMax = std::uint64_t{4} << 20;

/// An amount of work that is left. Plain; one thread.
class WorkBudget {
 public:
  explicit WorkBudget(std::uint64_t amount) : left_{amount} {}

  /// Takes `amount`. False, and nothing is taken, if less is left.
  bool spend(std::uint64_t amount) {
    if (amount > left_) return false;
    left_ -= amount;
    return true;
  }
  /// Takes `amount`, or what is left: the work is done already.
  void charge(std::uint64_t amount) { left_ -= amount < left_ ? amount : left_; }
  std::uint64_t left() const { return left_; }

 private:
  std::uint64_t left_;
};

/// The steps of one input's conditions: in all, and of each scenario.
class ConditionWork {
 public:
  /// The budget of a scenario. Valid until that of another one is asked for.
  WorkBudget& of(ScenarioKey scenario) {
    if (scenario != scenario_) change_to(scenario);
    return open_;
  }

  /// Of all scenarios so far.
  std::uint64_t spent() const { return kInputStepsMax - total_ + (opened_ - open_.left()); }

 private:
  struct Account {
    ScenarioKey scenario;
    std::uint64_t spent = 0;
  };
  /// A scenario that spent less in a row is not written down, so accounts stay few: `total_` is
  /// exact, and bounds what is forgotten.
  static constexpr std::uint64_t kWorthAnAccount = kScenarioStepsMax / 1'000;

  void change_to(ScenarioKey scenario) {
    const std::uint64_t spent = opened_ - open_.left();
    total_ -= spent;
    if (spent >= kWorthAnAccount) account_of(scenario_).spent += spent;
    scenario_ = scenario;
    opened_ = kScenarioStepsMax;
    for (const Account& account : accounts_)
      if (account.scenario == scenario) opened_ -= account.spent;
    opened_ = opened_ < total_ ? opened_ : total_;
    open_ = WorkBudget{opened_};
  }
  Account& account_of(ScenarioKey scenario) {
    for (Account& account : accounts_)
      if (account.scenario == scenario) return account;
    return accounts_.emplace_back(Account{.scenario = scenario});
  }

  std::uint64_t total_ = kInputStepsMax;
  std::vector<Account> accounts_;
  ScenarioKey scenario_{};
  std::uint64_t opened_ = kScenarioStepsMax;
  WorkBudget open_{kScenarioStepsMax};
};
}  // namespace onward
