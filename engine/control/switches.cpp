#include "engine/control/switches.h"

namespace onward {
namespace {
constexpr std::string_view kPaused = "paused ";
constexpr std::string_view kResuming = "resuming ";
}  // namespace

std::string to_text(const NodeSwitch& node) {
  return std::string{node.paused ? kPaused : kResuming} + format_instant(node.since);
}

std::optional<NodeSwitch> parse_switch(std::string_view text) {
  const bool paused = text.starts_with(kPaused);
  if (!paused && !text.starts_with(kResuming)) return std::nullopt;
  text.remove_prefix(paused ? kPaused.size() : kResuming.size());
  const auto since = parse_instant(text);
  if (!since) return std::nullopt;
  return NodeSwitch{.paused = paused, .since = *since};
}
}  // namespace onward
