// Texts with placeholders. The first byte says where the text will stand. What is rendered keeps to
// the rules of its place, whatever the contact's values are.
#include <algorithm>
#include <cctype>

#include "engine/core/base/value.h"
#include "engine/core/template/template.h"
#include "tests/fuzz/target.h"

namespace onward {
namespace {
bool is_url_safe(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c > 0x20 && c < 0x7f) || c == kSecretOpen || c == kSecretClose;
  });
}
}  // namespace
}  // namespace onward

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  static const Awkward awkward;
  if (size == 0) return 0;
  const auto use = static_cast<TemplateUse>(data[0] % 4);
  const std::string_view text = text_of(data + 1, size - 1);
  Diagnostics diagnostics;
  const Template compiled = Template::compile(text, {}, use, "url", diagnostics);
  if (diagnostics.has_errors()) return 0;
  const TemplateSubject subject{awkward.contact, awkward.engagement, &awkward.event,
                                "run_1",         "welcome",          "Welcome"};
  const std::string rendered = compiled.render(subject);
  must(rendered == compiled.render(subject), "rendering has no memory");
  const bool in_url = use == TemplateUse::UrlPath || use == TemplateUse::UrlQuery;
  // Literals are the author's; only what placeholders add is ours to escape.
  if (in_url && is_url_safe(text))
    must(is_url_safe(rendered), "values are percent-encoded in URLs");
  if (use == TemplateUse::Body) must(compiled.secrets().empty(), "no secret stands in a body");
  // Scenario files that are no UTF-8 are refused before any text of theirs comes here; and our own
  // reader takes no NUL, which JSON can hold.
  if (use == TemplateUse::Body && valid_utf8(text) && text.find('\0') == std::string_view::npos) {
    const auto again = parse_json(to_json(compiled.render_value(subject, true)));
    must(again.has_value(), "a body is JSON");
  }
  return 0;
}
