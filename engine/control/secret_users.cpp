#include "engine/control/secret_users.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/core/scenario/secret_hosts.h"

namespace onward {
namespace {
std::vector<std::string> names_in(const Node& node, SecretKind kind) {
  return kind == SecretKind::Secret ? node.secrets() : node.credentials();
}

/// Adds the origins to which `scenario` sends a secret or a credential; false: it does not name it.
bool add_origins(std::set<std::string>& origins, const Scenario& scenario, SecretKind kind,
                 std::string_view name) {
  bool named = false;
  for (const ScenarioNode& node : scenario.nodes) {
    const std::vector<std::string> names = names_in(*node.node, kind);
    if (std::ranges::find(names, name) == names.end()) continue;
    named = true;
    if (const DeliveryPolicy* policy = node.node->delivery_policy()) origins.insert(policy->origin);
  }
  return named;
}
}  // namespace

std::vector<SecretUser> users_of(const ScenarioBook& book, SecretKind kind, std::string_view name,
                                 const Counters& counters) {
  std::set<std::pair<ScenarioKey, Version>> pending;
  for (const auto& [key, row] : counters)
    if (row[Counter::Pending] != 0) pending.emplace(key.scenario, key.version);
  std::vector<SecretUser> users;
  for (const auto& [id, entry] : book.entries()) {
    const ScenarioRecord& record = *entry->record;
    if (record.deleted) continue;
    const bool archived = record.state == ScenarioState::Archived;
    bool names = false;
    SecretUser user{.id = id};
    for (const auto& [version, built] : entry->built) {
      std::set<std::string> origins;
      if (!add_origins(origins, *built, kind, name)) continue;
      const bool asked = pending.contains({record.key, version});
      if (archived && !asked) continue;
      names = true;
      user.live = user.live || asked || record.state != ScenarioState::Draft;
      user.origins.merge(origins);
    }
    if (names) users.push_back(std::move(user));
  }
  return users;
}

std::vector<std::string> unknown_secrets(const ScenarioBook& book, std::string_view id) {
  std::vector<std::string> unknown;
  const auto scenario = book.newest(id);
  if (!scenario) return unknown;
  const auto check = [&](std::string_view what, const std::vector<std::string>& names,
                         const auto& known) {
    for (const std::string& name : names)
      if (known && !known->contains(name)) unknown.push_back(fmt::format("{} \"{}\"", what, name));
  };
  check("secret", scenario->secrets(), book.reader().context().secrets);
  check("credential", scenario->credentials(), book.reader().context().credentials);
  return unknown;
}

std::vector<std::string> refused_hosts(const ScenarioBook& book, std::string_view id) {
  std::vector<std::string> refused;
  const auto scenario = book.newest(id);
  if (!scenario) return refused;
  for (const ScenarioNode& node : scenario->nodes) {
    const DeliveryPolicy* policy = node.node->delivery_policy();
    if (policy == nullptr) continue;
    const auto check = [&](SecretKind kind, const std::optional<SecretNames>& known) {
      if (!known) return;
      for (const std::string& name : names_in(*node.node, kind))
        if (const auto found = known->find(name);
            found != known->end() && !found->second.permits(policy->origin))
          refused.push_back(
              fmt::format("node \"{}\": {}", node.id,
                          refused_host_text(to_string(kind), name, found->second, policy->origin)));
    };
    check(SecretKind::Secret, book.reader().context().secrets);
    check(SecretKind::Credential, book.reader().context().credentials);
  }
  return refused;
}
}  // namespace onward
