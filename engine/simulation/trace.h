#pragma once
// What happens in a simulation, told one thing after the other.
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/core/base/value.h"
#include "engine/simulation/simulation.h"

namespace onward {
/// One thing that happened, to one contact.
struct TraceStep {
  enum class Kind {
    Enters,    ///< A run starts, at `node`.
    NotLetIn,  ///< A trigger matched, and no run started: `detail` says why.
    Leaves,    ///< `node` was left by `port`.
    Waits,     ///< At `node`, until `until` where time alone ends it.
    Asks,      ///< `node` asks for a request: `detail` is method and URL.
    Accepted,  ///< That request was, with `detail`.
    Refused,   ///< An attempt was; the next one is at `until`.
    Failed,    ///< The request is given up; `detail` says why.
    Ends,      ///< The run does; `detail` is its state and reason.
    Parks,     ///< The run cannot go on by itself: `detail`.
  };
  Kind kind = Kind::Enters;
  Instant at{};
  std::string contact;  ///< The caller's id, else the address.
  std::string scenario, run, node, port, detail;
  std::optional<Instant> until;
  std::string node_kind;  ///< "wait"; for who wants to leave some out.
};
std::string_view to_string(TraceStep::Kind kind);
/// {"at", "contact", "scenario", "run", "what", …}: a line of NDJSON.
Value to_value(const TraceStep& step);
/// "2026-05-01T09:00:00Z c1 welcome: enters by signed_up"
std::string to_text(const TraceStep& step);

/// Makes steps of commits. Belongs to the thread of the simulation.
class Trace {
 public:
  explicit Trace(std::function<void(const TraceStep&)> tell) : tell_{std::move(tell)} {}
  /// Names come from here; nothing is told before. Must outlive the trace.
  void begin(const Cell& engine) { engine_ = &engine; }
  /// Who the input that is taken now is about: refused entries are counted, not listed.
  void about(std::string contact) { about_ = std::move(contact); }
  void take(const Commit& commit);

 private:
  struct Progress {
    std::size_t left = 0;  ///< Steps of the path that were left.
    std::size_t come = 0;  ///< Steps that were reached.
  };
  using Requests = std::unordered_map<DeliveryKey, const Request*>;

  void take_run(const Run& run, const Requests& requests, Instant now);
  void take_delivery(const Delivery& delivery, Instant now);
  void take_refusals(const Commit& commit);
  TraceStep step_of(TraceStep::Kind kind, const Run& run, Instant at) const;
  void name_node(TraceStep& step, ScenarioKey scenario, NodeNumber node) const;
  std::string name_of(ContactKey contact) const;

  std::function<void(const TraceStep&)> tell_;
  const Cell* engine_ = nullptr;
  std::string about_;
  std::unordered_map<ContactKey, std::string> contacts_;
  std::unordered_map<RunKey, Progress> runs_;
  std::map<CounterKey, std::map<std::string, std::int64_t, std::less<>>> refusals_;
};
}  // namespace onward
