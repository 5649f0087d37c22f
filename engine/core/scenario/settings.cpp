#include "engine/core/scenario/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "engine/core/base/text.h"
#include "engine/core/base/time_zone.h"
#include "engine/core/contact/vocabulary.h"

namespace onward {
namespace {
/// An event's name that is so close to a known one is most likely a slip.
constexpr std::size_t kSlipEdits = 2;

/// What each type reads from a tree, and how a message names what it wants.
template <class T>
struct SettingsReader;

template <>
struct SettingsReader<std::string> {
  static constexpr std::string_view kWants = "a text";
  static std::optional<std::string> read(const Tree& tree, const AuthorContext&) {
    if (!tree.is_scalar()) return std::nullopt;
    return tree.text;
  }
};

template <>
struct SettingsReader<std::int64_t> {
  static constexpr std::string_view kWants = "a whole number";
  static std::optional<std::int64_t> read(const Tree& tree, const AuthorContext&) {
    if (!tree.is_scalar()) return std::nullopt;
    const Value value = to_value(tree);
    const auto* number = value.get_if<std::int64_t>();
    return number ? std::optional{*number} : std::nullopt;
  }
};

template <>
struct SettingsReader<bool> {
  static constexpr std::string_view kWants = "true or false";
  static std::optional<bool> read(const Tree& tree, const AuthorContext&) {
    if (!tree.is_scalar()) return std::nullopt;
    const Value value = to_value(tree);
    const auto* flag = value.get_if<bool>();
    return flag ? std::optional{*flag} : std::nullopt;
  }
};

template <>
struct SettingsReader<Duration> {
  static constexpr std::string_view kWants = "a duration such as 90s, 2h or 3d";
  static std::optional<Duration> read(const Tree& tree, const AuthorContext&) {
    return tree.is_scalar() ? parse_duration(tree.text) : std::nullopt;
  }
};

template <>
struct SettingsReader<Instant> {
  static constexpr std::string_view kWants = "a time such as 2026-05-01T09:00";
  static std::optional<Instant> read(const Tree& tree, const AuthorContext& context) {
    return tree.is_scalar() ? parse_instant_in(tree.text, context.timezone) : std::nullopt;
  }
};

/// A list, or one item alone.
template <class Item>
struct SettingsReader<std::vector<Item>> {
  static constexpr std::string_view kWants =
      std::is_same_v<Item, std::string> ? "a text or a list of texts" : "a list of whole numbers";
  static std::optional<std::vector<Item>> read(const Tree& tree, const AuthorContext& context) {
    std::vector<Item> items;
    const auto take = [&](const Tree& item) {
      auto value = SettingsReader<Item>::read(item, context);
      if (!value) return false;
      items.push_back(*std::move(value));
      return true;
    };
    if (!tree.is_list()) return take(tree) ? std::optional{items} : std::nullopt;
    for (const Tree& item : tree.items)
      if (!take(item)) return std::nullopt;
    return items;
  }
};

/// The item that is wrong in a list, for the place of the message; else the tree itself.
template <class Item>
const Tree& culprit(const Tree& tree, const AuthorContext& context) {
  for (const Tree& item : tree.items)
    if (!SettingsReader<Item>::read(item, context)) return item;
  return tree;
}

/// What notices, of the contacts kept here, that for which an event is known but never raised here.
std::string_view watched_by(std::string_view event) {
  if (event == "consent_expired") return "trigger_date with field: consent.expires_at";
  if (event == "consent_expiring")
    return "trigger_date with field: consent.expires_at and an offset such as -30d";
  if (event == "date_reached") return "trigger_date";
  if (event == "segment_matched") return "trigger_segment";
  return {};
}
}  // namespace

Settings::Settings(std::string_view node, const Tree& map, std::span<const SettingSpec> specs,
                   const AuthorContext& context, Diagnostics& diagnostics)
    : node_{node}, map_{&map}, specs_{specs}, context_{&context}, diagnostics_{&diagnostics} {}

const Tree* Settings::find(std::string_view key) const {
  const Tree::Entry* entry = map_->find(key);
  return entry ? &entry->value : nullptr;
}

void Settings::error(Position at, std::string code, std::string message, std::string nearest) {
  if (diagnostics_->full()) return diagnostics_->error(at, {}, {});
  diagnostics_->error(at, std::move(code), fmt::format("node \"{}\": {}", node_, message),
                      std::move(nearest));
}

void Settings::warning(Position at, std::string code, std::string message, std::string nearest) {
  if (diagnostics_->full()) return diagnostics_->warning(at, {}, {});
  diagnostics_->warning(at, std::move(code), fmt::format("node \"{}\": {}", node_, message),
                        std::move(nearest));
}

bool Settings::error_since(RulesFormat since, Position at, std::string code, std::string message,
                           std::string nearest) {
  return diagnostics_->error_since(since, at, std::move(code),
                                   fmt::format("node \"{}\": {}", node_, message),
                                   std::move(nearest));
}

const SettingSpec* Settings::spec(std::string_view key) const {
  const auto found = std::find_if(specs_.begin(), specs_.end(),
                                  [&](const SettingSpec& spec) { return spec.key == key; });
  return found == specs_.end() ? nullptr : &*found;
}

void Settings::missing(std::string_view key) {
  const SettingSpec* found = spec(key);
  error(at(), "missing_key",
        found ? fmt::format("\"{}\" is missing ({})", key, found->summary)
              : fmt::format("\"{}\" is missing", key));
}

template <class T>
T Settings::required(std::string_view key) {
  if (!has(key)) {
    missing(key);
    return T{};
  }
  return optional<T>(key).value_or(T{});
}

template <class T>
std::optional<T> Settings::optional(std::string_view key) {
  const Tree* tree = find(key);
  if (!tree) return std::nullopt;
  auto value = SettingsReader<T>::read(*tree, *context_);
  if (value) return value;
  const Tree* wrong = tree;
  if constexpr (std::is_same_v<T, std::vector<std::string>>)
    wrong = &culprit<std::string>(*tree, *context_);
  if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
    wrong = &culprit<std::int64_t>(*tree, *context_);
  error(wrong->at, std::is_same_v<T, Duration> ? "bad_duration" : "wrong_type",
        fmt::format("\"{}\" wants {}, found {}", key, SettingsReader<T>::kWants, describe(*wrong)));
  return std::nullopt;
}

template std::string Settings::required(std::string_view);
template std::int64_t Settings::required(std::string_view);
template bool Settings::required(std::string_view);
template Duration Settings::required(std::string_view);
template Instant Settings::required(std::string_view);
template std::vector<std::string> Settings::required(std::string_view);
template std::vector<std::int64_t> Settings::required(std::string_view);
template std::optional<std::string> Settings::optional(std::string_view);
template std::optional<std::int64_t> Settings::optional(std::string_view);
template std::optional<bool> Settings::optional(std::string_view);
template std::optional<Duration> Settings::optional(std::string_view);
template std::optional<Instant> Settings::optional(std::string_view);
template std::optional<std::vector<std::string>> Settings::optional(std::string_view);
template std::optional<std::vector<std::int64_t>> Settings::optional(std::string_view);

std::vector<std::string> Settings::event_names(std::string_view key) {
  const Tree* tree = find(key);
  if (!tree) {
    if (const SettingSpec* found = spec(key); found && found->required) missing(key);
    return {};
  }
  return read_event_names(*tree, fmt::format("node \"{}\": \"{}\"", node_, key), *diagnostics_);
}

Segment Settings::segment(std::string_view key) {
  const Tree* tree = find(key);
  if (!tree) {
    if (const SettingSpec* found = spec(key); found && found->required) missing(key);
    return {};
  }
  return Segment::compile(*tree, fmt::format("node \"{}\": \"{}\"", node_, key), context_->timezone,
                          *diagnostics_);
}

std::string Settings::choice(std::string_view key) {
  const SettingSpec* found = spec(key);
  if (!found || found->choices.empty()) return {};
  const std::string fallback{found->choices.front()};
  const Tree* tree = find(key);
  if (!tree) return fallback;
  const auto& choices = found->choices;
  if (tree->is_scalar() && std::find(choices.begin(), choices.end(), tree->text) != choices.end())
    return tree->text;
  error(tree->at, "unknown_choice",
        fmt::format("\"{}\" wants one of {}; found {}", key, join(choices), describe(*tree)),
        diagnostics_->nearest(tree->text, std::span{choices}));
  return fallback;
}

std::vector<std::string> read_event_names(const Tree& tree, std::string_view what,
                                          Diagnostics& diagnostics) {
  std::vector<std::string_view> known;
  for (const EventName& row : onward::event_names()) known.push_back(row.name);
  std::vector<std::string> names;
  std::unordered_set<std::string> taken;
  const auto take = [&](const Tree& item) {
    if (item.is_scalar() && item.text == kAnyEvent) {
      if (taken.insert(item.text).second) names.emplace_back(kAnyEvent);
      return;
    }
    const auto name = item.is_scalar() ? canonical_event(item.text) : std::nullopt;
    if (!name) {
      diagnostics.error(
          item.at, "bad_event_name",
          fmt::format("{} wants the name of an event (small letters, digits and \"_\") or a "
                      "list of them, found {}",
                      what, describe(item)),
          diagnostics.nearest(item.text, known));
      return;
    }
    const std::string nearest =
        find_event(*name) ? std::string{} : diagnostics.nearest(*name, known, kSlipEdits);
    if (!nearest.empty())
      diagnostics.warning(
          item.at, "unfamiliar_event",
          fmt::format("{}: \"{}\" is none of the events that Onward knows, so it is taken as one "
                      "of your own",
                      what, *name),
          nearest);
    if (const std::string_view watched = watched_by(*name); !watched.empty())
      diagnostics.warning(
          item.at, "event_from_outside",
          fmt::format("{}: \"{}\" comes only from systems that report it; for the contacts kept "
                      "here use kind: {}",
                      what, *name, watched));
    if (taken.insert(*name).second) names.push_back(*name);
  };
  if (!tree.is_list()) {
    take(tree);
  } else {
    for (const Tree& item : tree.items) take(item);
    if (tree.items.empty())
      diagnostics.error(tree.at, "wrong_type", fmt::format("{} is empty", what));
  }
  return names;
}
}  // namespace onward
