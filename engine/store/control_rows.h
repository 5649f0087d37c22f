#pragma once
// Rows of what people set up: scenarios, versions and their texts, tokens, settings, and the log of
// who changed what.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/base/ids.h"
#include "engine/core/base/time.h"
#include "engine/core/scenario/catalog.h"

namespace onward {
struct ScenarioRecord {
  ScenarioKey key;
  std::string id;
  ScenarioState state = ScenarioState::Draft;
  Version newest = 0;
  std::vector<std::string> test_emails;
  std::vector<std::pair<std::string, NodeNumber>> nodes;   ///< Every node id ever, and its number.
  std::vector<std::pair<std::string, std::string>> kinds;  ///< Node id -> kind; never changes.
  Instant created{};
  std::optional<Instant> activated, archived;
  std::optional<Instant> purged;
  bool ever_ran = false;
  bool deleted = false;  ///< A draft taken away; its id stays taken.
  bool operator==(const ScenarioRecord&) const = default;
};
using TextKey = Id<struct TextTag, std::uint32_t>;  ///< A text that is stored in parts.
struct VersionRecord {
  ScenarioKey scenario;
  Version version = 0;
  std::string text;  ///< The YAML, byte for byte.
  Instant created{};
  RulesFormat format = kNewestFormat;  ///< The rules that checked the text.
  TextKey apart;  ///< Under which the packed `text` was stored before; or none.
  bool operator==(const VersionRecord&) const = default;
};
/// A part of a version's packed text (packed_text.h) that is stored before the version is, so that
/// no commit holds much of it. A text under a key that no version names goes when the store is
/// opened.
struct TextPart {
  TextKey text;
  std::uint16_t number = 0;  ///< From 0 on, without a gap.
  std::string bytes;
  bool removed = false;  ///< In a commit: the row goes.
};
/// Longer texts are packed, and stored in parts of this size.
inline constexpr std::size_t kTextPart = std::size_t{64} << 10;

/// Stored by number: append only.
enum class Role : std::uint8_t { Read, Ingest, Author, Admin, Metrics };
std::string_view to_string(Role role);
struct TokenRecord {
  std::string sha256;  ///< Lower-case hex of the token.
  std::string name;
  Role role = Role::Read;
  Instant created{};
  std::optional<Instant> expires = {};  ///< From then on it opens nothing.
  bool removed = false;                 ///< In a commit: the row goes.
  bool operator==(const TokenRecord&) const = default;
};

/// Small things that people set up, or the engine keeps between starts: few, all in memory. What
/// the content means is its owner's business.
enum class AdminKind : std::uint8_t {
  Secret,      ///< Sealed; by name.
  Credential,  ///< Sealed; by name.
  Field,       ///< A declared custom field; by name.
  Switch,      ///< A node that is paused: "scenario/node".
  Pass,        ///< How far a background pass over all contacts has come.
  Setting,
};
struct AdminRecord {
  AdminKind kind = AdminKind::Setting;
  std::string name;
  std::string content;
  bool removed = false;
  bool operator==(const AdminRecord&) const = default;
};

/// What somebody changed, or what the engine did to a scenario: for people to read. The newest
/// 100,000 are kept.
struct Activity {
  Instant at{};
  std::string what;      ///< "scenario.activated", "secret.set"
  std::string scenario;  ///< Id, or empty.
  std::string node;      ///< Id, or empty.
  std::string who;       ///< Name of the token, or "engine".
  std::string text;      ///< For a person; never a secret.
  bool operator==(const Activity&) const = default;
};
inline constexpr std::size_t kActivityMax = 100'000;

/// What somebody changes of all this, as whole rows: applying it twice changes nothing, but for the
/// activity. Later rows of one key win.
struct ControlChange {
  std::vector<ScenarioRecord> scenarios;
  std::vector<TextPart> text_parts;
  std::vector<VersionRecord> versions;
  std::vector<TokenRecord> tokens;
  std::vector<AdminRecord> admin;
  std::vector<Activity> activity;

  bool empty() const;
};

/// What is needed of it in memory at start.
struct ControlSnapshot {
  std::vector<ScenarioRecord> scenarios;
  std::vector<VersionRecord> versions;  ///< Without their texts: see ControlReader::version_text.
  TextKey last_text;                    ///< Greatest used so far.
  std::vector<TokenRecord> tokens;
  std::vector<AdminRecord> admin;  ///< By kind and name.
  bool operator==(const ControlSnapshot&) const = default;
};
}  // namespace onward
