#pragma once
// How a node kind reads what its author wrote: typed, with every mistake reported at its place.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/core/scenario/secret_hosts.h"
#include "engine/core/segment/segment.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/tree.h"
#include "engine/core/template/template.h"

namespace onward {
enum class SettingType : std::uint8_t {
  Text,
  Number,
  Flag,
  Duration,
  Instant,
  EventNames,
  Segment,
  Template,
  TemplateMap,
  Url,
  Choice,
  TextList,
  NumberList,
  Map,
};

/// One key of a node kind: from this row come checks, schema, documentation and forms.
struct SettingSpec {
  std::string_view key;
  SettingType type = SettingType::Text;
  std::string_view summary;  ///< One sentence, with an example.
  bool required = false;
  std::vector<std::string_view> choices = {};  ///< Of Choice and TextList, where they are closed.
  std::string_view schema = {};  ///< JSON Schema (draft-07) where the type's own is too wide.
};

class CustomFields;

/// Secrets, or credentials, by name, and the hosts to which each may be sent.
using SecretNames = std::map<std::string, SecretHosts, std::less<>>;

/// What a reader knows besides the tree: nothing here is required offline.
struct AuthorContext {
  std::string timezone = "UTC";                           ///< The scenario's.
  std::optional<SecretNames> secrets;                     ///< Nothing: not known here.
  std::optional<SecretNames> credentials = std::nullopt;  ///< The same.

  const CustomFields* custom_fields = nullptr;  ///< Declared ones; null: not known here.
  /// The reason why this server's policy refuses all requests to an origin such as
  /// "https://crm.example.com:443", independent of DNS; empty if it may be called. No function: the
  /// policy is not known here. Any thread.
  std::function<std::string(std::string_view origin)> refuses_origin = {};
  bool undeclared_warns = false;  ///< Undeclared ones are warnings, not mistakes.
  /// Whether mistakes in `tests` count: not in a stored version, which is not checked again.
  bool check_tests = true;
  /// The text is a stored version, or a copy of one: bounds of memory do not refuse it.
  bool stored = false;
  /// The rules that bind the text: the stored format of a stored version, else the newest. Readers
  /// below `load_scenario` ask `Diagnostics::format`, which is made from it.
  RulesFormat format = kNewestFormat;
};

/// The settings of one node. Getters report a wrong type at its place and return a harmless
/// default, so that a constructor goes on and all mistakes are found in one pass. Keys that the
/// kind does not list are reported by the loader, not here.
class Settings {
 public:
  /// All arguments must outlive this object. `node` is the node's id, for messages.
  Settings(std::string_view node, const Tree& map, std::span<const SettingSpec> specs,
           const AuthorContext& context, Diagnostics& diagnostics);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const Tree* find(std::string_view key) const;

  /// Supported: std::string, std::int64_t, bool, Duration, Instant, std::vector<std::string>,
  /// std::vector<std::int64_t>.
  template <class T>
  T required(std::string_view key);
  template <class T>
  std::optional<T> optional(std::string_view key);

  /// Canonical event names; a wrong one is reported with the nearest.
  std::vector<std::string> event_names(std::string_view key);
  /// The compiled segment of `key`; an always-true one where the key is missing.
  Segment segment(std::string_view key);
  /// One of the setting's choices; the first where the key is missing.
  std::string choice(std::string_view key);

  const AuthorContext& context() const { return *context_; }
  Diagnostics& diagnostics() { return *diagnostics_; }
  std::string_view node() const { return node_; }
  Position at() const { return map_->at; }
  /// Reports at `at`: `node "pause": <message>`.
  void error(Position at, std::string code, std::string message, std::string nearest = {});
  void warning(Position at, std::string code, std::string message, std::string nearest = {});
  /// As `Diagnostics::error_since`: a warning where the text is held to older rules.
  bool error_since(RulesFormat since, Position at, std::string code, std::string message,
                   std::string nearest = {});
  /// See Diagnostics::nearest.
  std::string nearest(std::string_view name, std::span<const std::string_view> candidates) {
    return diagnostics_->nearest(name, candidates);
  }
  std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
    return diagnostics_->nearest(name, candidates);
  }

 private:
  const SettingSpec* spec(std::string_view key) const;
  void missing(std::string_view key);

  std::string_view node_;
  const Tree* map_;
  std::span<const SettingSpec> specs_;
  const AuthorContext* context_;
  Diagnostics* diagnostics_;
};

/// Canonical names of events, from a name or a list of names; a wrong one is reported with the
/// nearest. `what` names the key for messages: `node "start": "event"`.
std::vector<std::string> read_event_names(const Tree& tree, std::string_view what,
                                          Diagnostics& diagnostics);
}  // namespace onward
