#pragma once
// The headers of a webhook: the author's, and those that say who asks.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/delivery/delivery.h"
#include "engine/core/scenario/settings.h"
#include "engine/core/template/template.h"

namespace onward {
/// Immutable once read.
class WebhookHeaders {
 public:
  /// Reads `headers` and `auth`; reports names that are none or that the engine itself sends.
  explicit WebhookHeaders(Settings& settings);

  struct Rendered {
    std::string_view broken;  ///< The header whose value would break the request; mostly empty.
    bool fits = true;         ///< False: all together are longer than `most`.
  };
  /// Appends the headers up to the first whose value would break the request (a control character,
  /// over 8 KiB), or with which names and values are longer than `most` bytes together.
  Rendered render_to(std::vector<Header>& out, const TemplateSubject& subject,
                     std::size_t most) const;
  /// Whether the author sets `name` himself; case does not matter.
  bool has(std::string_view name) const;
  std::vector<std::string> secrets() const;
  /// The credential that `auth` names, or empty.
  const std::string& credential() const { return credential_; }

 private:
  struct Basic {
    Template username;
    Template password;
  };
  void read_headers(Settings& settings);
  void read_auth(Settings& settings);
  void read_basic(Settings& settings, const Tree& tree);

  std::vector<std::pair<std::string, Template>> headers_;
  std::optional<Basic> basic_;
  std::optional<Template> bearer_;
  std::string credential_;
};
}  // namespace onward
