#pragma once
// What a running engine replies, as a value that a test waits for.
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/host/runtime.h"

namespace onward {
/// Calls `ask` with a reply, and returns what that is given, later.
template <class T, class Ask>
std::future<Result<T>> ask_later(Ask ask) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  ask(Reply<T>{[promise](Result<T> given) { promise->set_value(std::move(given)); }});
  return future;
}

/// The same, when it is given. Throws after a minute without.
template <class T, class Ask>
Result<T> asked(Ask ask) {
  auto future = ask_later<T>(std::move(ask));
  if (future.wait_for(std::chrono::minutes{1}) != std::future_status::ready)
    throw std::runtime_error("a call was not answered");
  return future.get();
}

inline Result<std::vector<EventAnswer>> post(Runtime& runtime, std::vector<EventInput> events) {
  return asked<std::vector<EventAnswer>>([&](Reply<std::vector<EventAnswer>> reply) {
    runtime.intake().events(std::move(reply), std::move(events));
  });
}

inline Result<ApplyAnswer> apply(Runtime& runtime, ApplyRequest request) {
  return asked<ApplyAnswer>([&](Reply<ApplyAnswer> reply) {
    runtime.authoring().apply(std::move(reply), std::move(request));
  });
}

/// The reply to a command or a question of the cell.
template <class T, class Act>
Result<T> asked_of_cell(Runtime& runtime, Act act) {
  return asked<T>([&](Reply<T> reply) { runtime.calls().post(std::move(reply), std::move(act)); });
}

inline Result<ScenarioInfo> activate(Runtime& runtime, std::string id) {
  return asked<ScenarioInfo>([&](Reply<ScenarioInfo> reply) {
    runtime.calls().post_after(id, std::move(reply), [id](Cell& cell) {
      return cell.scenarios().activate(id, std::nullopt);
    });
  });
}

inline Result<std::vector<ScenarioInfo>> list_scenarios(Runtime& runtime) {
  return asked_of_cell<std::vector<ScenarioInfo>>(
      runtime, [](Cell& cell) -> Result<std::vector<ScenarioInfo>> { return cell.views().list(); });
}

inline Result<ScenarioStats> stats_of(Runtime& runtime, std::string id, Version version = 0) {
  return asked<ScenarioStats>([&](Reply<ScenarioStats> reply) {
    runtime.authoring().stats(std::move(reply), std::move(id), version);
  });
}
}  // namespace onward
