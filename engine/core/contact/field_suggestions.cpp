#include "engine/core/contact/field_suggestions.h"

#include <fmt/format.h>

#include "engine/core/base/clipped.h"

namespace onward {
Error undeclared_field(std::string_view name, std::string_view nearest) {
  return {ErrorKind::Invalid, "undeclared_field",
          nearest.empty()
              ? fmt::format("\"custom.{}\" is not declared on this server, which takes declared "
                            "custom fields only",
                            clipped(name))
              : fmt::format("\"custom.{}\" is not declared on this server; perhaps \"custom.{}\" "
                            "was meant",
                            clipped(name), nearest)};
}

Result<Value> FieldSuggestions::check(const CustomFields& declared, std::string_view name,
                                      const Value& value) {
  if (declared.free() || value.is_null() || declared.find(name)) return declared.check(name, value);
  for (const auto& [known, error] : known_)
    if (known == name) return tl::make_unexpected(error);
  if (known_.size() >= kNamesMax) return tl::make_unexpected(undeclared_field(name, {}));
  known_.emplace_back(name, declared.check(name, value).error());
  return tl::make_unexpected(known_.back().second);
}
}  // namespace onward
