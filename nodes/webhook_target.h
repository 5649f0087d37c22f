#pragma once
// Where a webhook goes: its URL with placeholders, and the pairs of its query.
#include <string>
#include <utility>
#include <vector>

#include "engine/core/scenario/settings.h"
#include "engine/core/template/template.h"

namespace onward {
/// Immutable once read. Scheme, host and port are constants, so that what was checked is what is
/// called; values are percent-encoded and cannot leave the path or the query.
class WebhookTarget {
 public:
  /// Reads `url` and `query`; reports what is wrong with them.
  explicit WebhookTarget(Settings& settings);

  /// Appends the URL, and stops when it becomes longer than `most`, as onward::append_json does.
  /// False if it stopped.
  [[nodiscard]] bool render_to(std::string& url, const TemplateSubject& subject,
                               std::size_t most) const;
  /// "https://crm.example.com:443"; empty where the URL is wrong.
  const std::string& origin() const { return origin_; }
  std::vector<std::string> secrets() const;

 private:
  void read_url(Settings& settings);
  void read_query(Settings& settings);

  std::string origin_;
  std::string front_;                                    // scheme, host and port, as written
  std::vector<Template> parts_;                          // of path and query, in order
  std::string separator_ = "?";                          // before the first pair of `query`
  std::vector<std::pair<std::string, Template>> pairs_;  // "name=" and value
  std::vector<Template> query_text_;                     // `query` as a text; at most one
};
}  // namespace onward
