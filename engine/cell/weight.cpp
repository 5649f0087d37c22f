#include "engine/cell/weight.h"

#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace onward {
namespace {
/// Of a text beside the object: short ones are kept within it.
std::size_t owned(const std::string& text) {
  constexpr std::size_t kWithin = 15;
  return text.size() <= kWithin ? 0 : text.size() + 1;
}

/// Of a value beside the object.
std::size_t owned(const Value& value) {
  if (const std::string* text = value.text()) return owned(*text);
  std::size_t bytes = 0;
  if (const ValueList* list = value.list())
    for (const Value& item : *list) bytes += weight_of(item);
  if (const ValueMap* map = value.map())
    for (const auto& [name, member] : *map) bytes += sizeof(name) + owned(name) + weight_of(member);
  return bytes;
}

std::size_t owned(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += sizeof(text) + owned(text);
  return bytes;
}

std::size_t owned(const std::vector<std::pair<Field, Value>>& fields) {
  std::size_t bytes = 0;
  for (const auto& field : fields) bytes += sizeof(field) + owned(field.second);
  return bytes;
}

std::size_t owned(const std::vector<std::pair<std::string, Value>>& named) {
  std::size_t bytes = 0;
  for (const auto& one : named) bytes += sizeof(one) + owned(one.first) + owned(one.second);
  return bytes;
}

std::size_t owned(const std::optional<ExternalId>& id) { return id ? owned(id->text) : 0; }

std::size_t owned(const ContactRef& who) { return owned(who.id) + owned(who.email); }

std::size_t owned(const ContactPatch& patch) {
  return owned(patch.fields) + owned(patch.custom) + (patch.groups ? owned(*patch.groups) : 0) +
         owned(patch.groups_add) + owned(patch.groups_remove);
}
}  // namespace

std::size_t weight_of(const Value& value) { return sizeof(value) + owned(value); }

std::size_t weight_of(const Contact& contact) {
  return sizeof(contact) + owned(contact.id) + owned(contact.fields) + owned(contact.custom) +
         owned(contact.groups);
}

std::size_t weight_of(const Input& input) {
  std::size_t bytes = sizeof(input);
  if (const auto* event = std::get_if<EventInput>(&input))
    bytes += owned(event->source) + owned(event->id) + owned(event->who) + owned(event->patch) +
             owned(event->event.type) + owned(event->event.data);
  else if (const auto* patch = std::get_if<PatchInput>(&input))
    bytes += owned(patch->who) + owned(patch->patch);
  return bytes;
}

std::size_t weight_of(const Request& request) {
  std::size_t bytes =
      sizeof(request) + owned(request.method) + owned(request.url) + owned(request.body);
  for (const Header& header : request.headers)
    bytes += sizeof(header) + owned(header.first) + owned(header.second);
  return bytes;
}
}  // namespace onward
