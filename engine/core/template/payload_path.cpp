// Payload paths, and a contact's fields by any of their names.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/core/base/utf8.h"
#include "engine/core/template/lookup.h"
#include "engine/core/template/template.h"

namespace onward {
std::optional<PayloadPath> PayloadPath::compile(std::string_view text, Position at,
                                                std::string_view what, Diagnostics& diagnostics) {
  if (!text.starts_with("$.")) return std::nullopt;
  const std::string_view name = text.substr(2);
  const std::size_t dot = std::min(name.find('.'), name.size());
  PayloadPath made;
  made.root_ = name.substr(0, dot);
  made.path_ = name.substr(std::min(dot + 1, name.size()));
  const auto error = [&](std::size_t offset, const std::string& sentence, std::string nearest) {
    const int before = count_characters(text.substr(0, offset));
    diagnostics.error(Position{at.line, at.column + before}, "unknown_path",
                      std::string{what} + ": " + sentence, std::move(nearest));
  };
  constexpr std::array<std::string_view, 5> kPathRoots{"subscriber", "contact", "event", "scenario",
                                                       "run"};
  if (std::find(kPathRoots.begin(), kPathRoots.end(), made.root_) == kPathRoots.end()) {
    error(2,
          quoted(text) +
              " is not known; paths begin with $.subscriber., $.event., $.scenario. "
              "or $.run.",
          diagnostics.nearest(made.root_, kPathRoots));
  } else if (!is_path(made.path_) && text != "$.event") {
    error(2, quoted(text) + " names no value", {});
  } else if (made.root_ == "subscriber" || made.root_ == "contact") {
    const auto lookup = find_contact_lookup(made.path_);
    if (!lookup)
      error(3 + dot,
            "a contact has no field " + quoted(made.path_) +
                "; fields of your own are $.subscriber.custom.…",
            diagnostics.nearest(made.path_, contact_names()));
    else
      note_custom_field(*lookup, at, diagnostics);
  } else if (made.root_ == "run" && made.path_ != "id") {
    error(2, quoted(text) + " is not known; there is $.run.id", "$.run.id");
  } else if (made.root_ == "scenario" && made.path_ != "id" && made.path_ != "title") {
    error(2, quoted(text) + " is not known; there are $.scenario.id and $.scenario.title",
          "$.scenario.id");
  }
  return made;
}

Value PayloadPath::read(const TemplateSubject& subject) const {
  Value scratch;
  const Value& found = find(subject, scratch);
  return &found == &scratch ? std::move(scratch) : Value{found};
}

const Value& PayloadPath::find(const TemplateSubject& subject, Value& scratch) const {
  static const Value kNull;
  const auto text = [&](std::string_view of) -> const Value& { return scratch = of; };
  if (root_ == "run") return text(subject.run);
  if (root_ == "scenario")
    return text(path_ == "title" ? subject.scenario_title : subject.scenario);
  if (root_ == "event" && path_.empty()) return subject.event ? subject.event->data : kNull;
  const auto lookup =
      root_ == "event" ? std::optional{event_lookup(path_)} : find_contact_lookup(path_);
  if (!lookup) return kNull;
  std::size_t looked_at = 0;
  const Value* found =
      lookup->find(subject.contact, subject.engagement, root_ == "event" ? subject.event : nullptr,
                   scratch, &looked_at);
  charge_lookup(subject.room, looked_at);
  return found ? *found : kNull;
}

Value contact_value(const Contact& contact, const Engagement& engagement, std::string_view name) {
  const auto lookup = find_contact_lookup(name);
  if (!lookup) return {};
  Value scratch;
  const Value* found = lookup->find(contact, engagement, nullptr, scratch);
  return found ? *found : Value{};
}

bool known_contact_field(std::string_view name, std::string* nearest) {
  if (find_contact_lookup(name)) return true;
  if (nearest) *nearest = nearest_name(name, contact_names());
  return false;
}

}  // namespace onward
