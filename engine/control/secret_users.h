#pragma once
// Which scenarios name a secret or credential, and where they send it.
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/control/scenario_book.h"
#include "engine/core/journey/stats.h"
#include "engine/secrets/stored_secret.h"

namespace onward {
/// Who names a secret or credential.
struct SecretUser {
  std::string id;
  bool live = false;  ///< Active, scheduled or on hold, or with requests that still need it.
  std::set<std::string> origins = {};  ///< Where it sends it.
};
std::vector<SecretUser> users_of(const ScenarioBook& book, SecretKind kind, std::string_view name,
                                 const Counters& counters);
/// Secrets and credentials of the newest version that are not known.
std::vector<std::string> unknown_secrets(const ScenarioBook& book, std::string_view id);
/// A sentence for each of them that a node of the newest version sends to a host that is not
/// allowed.
std::vector<std::string> refused_hosts(const ScenarioBook& book, std::string_view id);
}  // namespace onward
