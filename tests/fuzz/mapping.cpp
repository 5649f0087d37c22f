// Paths of payload maps: `$.subscriber.x`, and dotted paths into events.
#include "engine/core/template/template.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace onward;
  static const Awkward awkward;
  const std::string_view text = text_of(data, size);
  (void)awkward.event.data.find_path(text);
  (void)contact_value(awkward.contact, awkward.engagement, text);
  Diagnostics diagnostics;
  const auto path = PayloadPath::compile(text, {}, "payload", diagnostics);
  must(!path || text.starts_with("$."), "a path begins with $.");
  if (!path || diagnostics.has_errors()) return 0;
  const TemplateSubject subject{awkward.contact, awkward.engagement, &awkward.event,
                                "run_1",         "welcome",          "Welcome"};
  must(parse_json(to_json(path->read(subject))).has_value(), "what a path reads is JSON");
  return 0;
}
