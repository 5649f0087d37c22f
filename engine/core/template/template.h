#pragma once
// Text with placeholders: `Hello {{ contact.first_name | default: "there" }}`. Checked at load, one
// pass at rendering, values are never expanded again.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/base/value.h"
#include "engine/core/base/work_budget.h"
#include "engine/core/contact/contact.h"
#include "engine/core/contact/engagement.h"
#include "engine/core/contact/event.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
/// Where the text will stand; decides escaping and whether secrets may be named.
enum class TemplateUse : std::uint8_t {
  Body,      ///< A JSON value; typed where the text is one whole placeholder. No secrets.
  Header,    ///< Text; secrets allowed.
  UrlPath,   ///< Percent-encoded, "/" as well unless `| path`; secrets allowed.
  UrlQuery,  ///< Percent-encoded; secrets allowed.
};

/// What placeholders read. Nothing is owned; all parts but `contact` and `engagement` may be
/// missing.
struct TemplateSubject {
  const Contact& contact;
  const Engagement& engagement;
  const Event* event = nullptr;
  std::string_view run;       ///< "run_…"
  std::string_view scenario;  ///< Id.
  std::string_view scenario_title;
  /// Bytes that may still be rendered: look-ups take of it what they compare. Null: not counted.
  WorkBudget* room = nullptr;
};

/// Rendered text keeps a secret as a reference, `\x01name\x02`, until the attempt. No value can
/// pass itself off as one: in URLs its control characters are encoded, in headers they become 0x7f,
/// and literals with control characters are mistakes. Whoever resolves the reference inside a URL
/// percent-encodes the secret.
inline constexpr char kSecretOpen = '\x01';
inline constexpr char kSecretClose = '\x02';
/// A header value that is one reference to a name with this before it, `\x01credential:crm\x02`,
/// stands for the whole header of that credential.
inline constexpr std::string_view kCredentialPrefix = "credential:";
/// What stands between these two is put in base64 once its secrets are known: `\x03jane:…\x04`.
inline constexpr char kBase64Open = '\x03';
inline constexpr char kBase64Close = '\x04';

/// Whether a rendered header value holds a control character (below 0x20, or 0x7f) besides the
/// references to secrets: such a delivery is born failed.
bool has_control_characters(std::string_view header);

/// `{{ contact.<field> }}`, `{{ event.<path> }}` (`event.type` and `event.at` are the event's own
/// where its data has no such member), `{{ run.id }}`, `{{ scenario.id }}`, `{{ scenario.title }}`,
/// `{{ secret.<name> }}`, or a text in quotes, `{{ "{{" }}`. Filters follow "|": `default: "there"`
/// (a text, number, true, false or null; taken where the value is missing or empty) and, in a URL's
/// path, `path`, which leaves "/" as it is.
///
/// Immutable after compile; copies share.
class Template {
 public:
  /// Reports every mistake (unclosed, unknown root, field or filter, a secret where none may stand)
  /// at its column inside the text that begins at `at`.
  static Template compile(std::string_view text, Position at, TemplateUse use,
                          std::string_view what, Diagnostics& diagnostics);

  /// The text, escaped for its use. Missing values are empty.
  std::string render(const TemplateSubject& subject) const;
  /// Appends it, and stops when `out` becomes longer than `most`, as onward::append_json does.
  /// False if it stopped.
  [[nodiscard]] bool render_to(std::string& out, const TemplateSubject& subject,
                               std::size_t most) const;
  /// As render; one whole placeholder keeps its JSON type (missing is null) when `typed`.
  Value render_value(const TemplateSubject& subject, bool typed) const;
  /// Whether the text is one whole placeholder for a value.
  bool is_value() const;
  /// The value of one that is; it may stand in `scratch`.
  const Value& find_value(const TemplateSubject& subject, Value& scratch) const;

  bool constant() const;
  std::vector<std::string> secrets() const;

  struct Part;  ///< Opaque.

 private:
  std::shared_ptr<const std::vector<Part>> parts_;
  TemplateUse use_ = TemplateUse::Body;
};

/// A `$.subscriber.x`, `$.event.x`, `$.scenario.x` or `$.run.id` path of a payload map (seed S0).
/// Keeps its JSON type, missing is null.
class PayloadPath {
 public:
  /// Nothing where `text` does not begin with "$."; mistakes are reported.
  static std::optional<PayloadPath> compile(std::string_view text, Position at,
                                            std::string_view what, Diagnostics& diagnostics);
  Value read(const TemplateSubject& subject) const;
  /// The same value, which may stand in `scratch`.
  const Value& find(const TemplateSubject& subject, Value& scratch) const;

 private:
  std::string root_;
  std::string path_;
};

/// A contact's field by the name an author uses ("first_name", "custom.plan", "id", "groups",
/// "consent.type", a statistic, or an alias), as it goes out; null where unset.
Value contact_value(const Contact& contact, const Engagement& engagement, std::string_view name);
/// Whether there can be such a field; `nearest` gets the known name closest to a wrong one.
bool known_contact_field(std::string_view name, std::string* nearest = nullptr);

/// A part of a text: bytes from `from` to before `to`.
struct PlaceholderSpan {
  std::size_t from = 0;
  std::size_t to = 0;
};
/// Where the placeholders of a text are, from "{{" to behind "}}", as Template::compile reads them:
/// "}}" in a quoted text ends none. One that is not closed goes to the end of the text.
std::vector<PlaceholderSpan> placeholder_spans(std::string_view text);

/// Rendered text with its secrets as an author writes them: `{{ secret.crm_key }}`.
std::string with_secret_references(std::string_view text);

/// Percent-encodes all but RFC 3986's unreserved characters (and "/" where `keep_slash`).
std::string percent_encode(std::string_view text, bool keep_slash = false);
/// Appends the same, and stops as append_json does. False if it stopped.
[[nodiscard]] bool append_percent_encoded(std::string& out, std::string_view text, bool keep_slash,
                                          std::size_t most);
/// Takes from `room`, if there is one, what a look-up compared.
void charge_lookup(WorkBudget* room, std::size_t looked_at);
}  // namespace onward
