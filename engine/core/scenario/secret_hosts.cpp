#include "engine/core/scenario/secret_hosts.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/core/base/clipped.h"

namespace onward {
namespace {
constexpr std::size_t kHostsShown = 5;

/// A host and its port as text; the port is empty if there is none.
struct HostAndPort {
  std::string_view host, port;
};

/// `text` is a host, or "host:port"; an IPv6 address has brackets.
HostAndPort split(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']')) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

HostAndPort split_origin(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  if (scheme != std::string_view::npos) origin.remove_prefix(scheme + 3);
  HostAndPort parts = split(origin);
  if (parts.host.ends_with('.')) parts.host.remove_suffix(1);
  return parts;
}

bool matches(std::string_view entry, const HostAndPort& target) {
  const HostAndPort rule = split(entry);
  if (!rule.port.empty() && rule.port != target.port) return false;
  if (!rule.host.starts_with("*.")) return rule.host == target.host;
  const std::string_view suffix = rule.host.substr(1);
  return target.host.size() > suffix.size() && target.host.ends_with(suffix);
}
}  // namespace

bool SecretHosts::permits(std::string_view origin) const {
  if (rule != Rule::Listed) return true;
  const HostAndPort target = split_origin(origin);
  return !target.host.empty() && std::ranges::any_of(hosts, [&](const std::string& entry) {
    return matches(entry, target);
  });
}

std::string hosts_text(const SecretHosts& hosts) {
  if (hosts.rule != SecretHosts::Rule::Listed) return "any host";
  std::string text;
  for (std::size_t i = 0; i < std::min(hosts.hosts.size(), kHostsShown); ++i)
    text += (i == 0 ? "" : ", ") + hosts.hosts[i];
  if (hosts.hosts.size() > kHostsShown)
    text += fmt::format(" and {} more", hosts.hosts.size() - kHostsShown);
  return text.empty() ? "no host" : text;
}

std::string host_of_origin(std::string_view origin) {
  const HostAndPort parts = split_origin(origin);
  const bool usual = (origin.starts_with("https:") && parts.port == "443") ||
                     (origin.starts_with("http:") && parts.port == "80") || parts.port.empty();
  return usual ? std::string{parts.host} : fmt::format("{}:{}", parts.host, parts.port);
}

std::string allow_command(std::string_view kind, std::string_view name, const SecretHosts& now,
                          std::string_view host) {
  std::string command = fmt::format("onward {} set {} --keep", kind, name);
  if (now.rule == SecretHosts::Rule::Listed) {
    if (now.hosts.size() > kHostsShown) return command + " --host HOST, with all hosts that it has";
    // A shell reads "*" as a pattern.
    for (const std::string& known : now.hosts)
      command += known.starts_with('*') ? fmt::format(" --host \"{}\"", known) : " --host " + known;
  }
  return command + fmt::format(" --host {}", clipped(host));
}

std::string refused_host_text(std::string_view kind, std::string_view name,
                              const SecretHosts& hosts, std::string_view origin) {
  return fmt::format("the {} \"{}\" may not be sent to {}; allowed: {}", kind, name,
                     clipped(host_of_origin(origin)), hosts_text(hosts));
}
}  // namespace onward
