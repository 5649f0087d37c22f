#include <fmt/core.h>

#include <charconv>

#include "engine/core/base/clipped.h"
#include "engine/core/base/hash.h"
#include "engine/core/scenario/scenario.h"
#include "nodes/nodes.h"

namespace onward {
namespace {
constexpr std::size_t kWaysMin = 2;
constexpr std::size_t kWaysMax = 100;
constexpr std::uint64_t kWeightMax = 1'000'000;

/// "50", or "50%"; nothing where it is no whole number from 1.
std::optional<std::uint64_t> parse_weight(std::string_view text) {
  if (text.ends_with('%')) text.remove_suffix(1);
  std::uint64_t weight = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return weight >= 1 && weight <= kWeightMax ? std::optional{weight} : std::nullopt;
}

/// Sends each contact one of several ways, by chance and always the same.
class Split final : public Node {
 public:
  explicit Split(Settings& settings) : salt_{"\n" + std::string{settings.node()}} {
    const Tree* tree = settings.find("ways");
    if (!tree || !tree->is_map() || tree->entries.size() < kWaysMin ||
        tree->entries.size() > kWaysMax) {
      settings.error(
          tree ? tree->at : settings.at(), tree ? "wrong_type" : "missing_key",
          fmt::format("\"ways\" wants {} to {} ways and their weights, such as {{ a: 50, "
                      "b: 50 }}, found {}",
                      kWaysMin, kWaysMax, found(tree)));
      return;
    }
    for (const Tree::Entry& entry : tree->entries) read_way(settings, entry);
  }

  Outcome enter(const Visit& visit) const override {
    // Never by the run or the clock: whoever comes again goes the same way. Each node by its own
    // name, so that two of them divide contacts independently.
    const Hash128 place = hash128(std::string{visit.scenario} + salt_);
    const auto total = static_cast<double>(ways_.back().upto);
    const double point = chance_of(place.low ^ place.high, visit.contact.key.value) * total;
    for (const Way& way : ways_)
      if (point < static_cast<double>(way.upto)) return leave_by(way.name);
    return leave_by(ways_.back().name);
  }

 private:
  struct Way {
    std::string name;
    std::uint64_t upto = 0;  ///< Sum of the weights up to and with this one.
  };

  static std::string found(const Tree* tree) {
    if (!tree) return "nothing";
    return tree->is_map() ? fmt::format("{}", tree->entries.size()) : describe(*tree);
  }

  void read_way(Settings& settings, const Tree::Entry& entry) {
    if (!valid_id(entry.key))
      settings.error(
          entry.key_at, "bad_id",
          fmt::format("\"{}\" is no name of a way: use letters, digits, \"-\" and \"_\", "
                      "a letter or digit first, at most 64",
                      clipped(entry.key)));
    const auto weight = entry.value.is_scalar() ? parse_weight(entry.value.text) : std::nullopt;
    if (!weight)
      settings.error(
          entry.value.at, "wrong_type",
          fmt::format("the way \"{}\" wants a weight from 1 to {} in whole numbers, such "
                      "as 50 or 50%, found {}",
                      clipped(entry.key), kWeightMax, describe(entry.value)));
    ways_.push_back({entry.key, (ways_.empty() ? 0 : ways_.back().upto) + weight.value_or(1)});
  }

  std::string salt_;
  std::vector<Way> ways_;
};

/// The ways that can be ports: whatever is wrong with the others is told by the constructor.
std::vector<std::string> split_ports(const Tree& node) {
  std::vector<std::string> ports;
  const Tree::Entry* ways = node.find("ways");
  if (!ways || ways->value.entries.size() > kWaysMax) return ports;
  for (const Tree::Entry& way : ways->value.entries) ports.push_back(way.key);
  return ports;
}
}  // namespace

NodeKind split_kind() {
  return {.name = "split",
          .family = NodeFamily::Condition,
          .summary = "Sends each contact one of several ways, by chance and always the same.",
          .settings = {{"ways",
                        SettingType::Map,
                        "The ways and their weights: { a: 50, b: 50 }",
                        /*required=*/true,
                        {},
                        R"({"type": "object", "minProperties": 2, "maxProperties": 100,
                            "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"},
                            "additionalProperties": {"anyOf": [
                              {"type": "integer", "minimum": 1, "maximum": 1000000},
                              {"type": "string", "pattern": "^[0-9]+%?$"}]}})"}},
          .ports_of = split_ports,
          .ports_in_next = true,
          .make = make_node<Split>};
}
}  // namespace onward
