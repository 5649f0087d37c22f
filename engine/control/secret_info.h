#pragma once
// Secrets and credentials as people set and see them: never their values.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/time.h"
#include "engine/core/scenario/secret_hosts.h"
#include "engine/secrets/stored_secret.h"

namespace onward {
/// What is to become of a secret or a credential.
struct SecretChange {
  std::string value;                     ///< Empty: it keeps the one it has.
  bool rotate = false;                   ///< The old value stays beside the new one.
  bool drop_old = false;                 ///< Ends that.
  AuthScheme scheme = AuthScheme::None;  ///< Of a credential; None: as it is.
  std::string login;                     ///< Basic: the username. Header: the header's name.
  /// Where it may be sent; nothing: as it is. A new one must have it.
  std::optional<SecretHosts> hosts = std::nullopt;
};
/// All that is ever told of one. Never its value.
struct SecretInfo {
  std::string name;
  bool readable = true;  ///< False: sealed under a master key that is not here.
  Instant set{};
  std::optional<Instant> rotated;  ///< While an old value stays: since when.
  AuthScheme scheme = AuthScheme::None;
  std::string login;
  SecretHosts hosts;                 ///< Where it may be sent.
  std::vector<std::string> used_by;  ///< Scenarios, by id, that are not archived.
  /// The hosts to which these send it, and those of them that `hosts` refuses.
  std::vector<std::string> sent_to, refused_hosts;
};
struct SecretAnswer {
  SecretInfo info;
  bool created = false, changed = false;
};
struct RekeyAnswer {
  std::size_t sealed = 0;      ///< Secrets and credentials under the new key.
  std::size_t unreadable = 0;  ///< Those that no key here opens; the old keys stay for them.
};
}  // namespace onward
