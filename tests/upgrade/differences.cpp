#include "tests/upgrade/differences.h"

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace onward {
namespace {
std::string shown(const Value& value) {
  std::string text = to_json(value);
  constexpr std::size_t kShown = 120;
  if (text.size() > kShown) text = text.substr(0, kShown) + "…";
  return text;
}

std::string below(const std::string& path, std::string_view part) {
  return path.empty() ? std::string{part} : path + "." + std::string{part};
}

void compare(const std::string& path, const Value& was, const Value& is,
             std::vector<ValueDifference>& found) {
  if (was.map() && is.map()) {
    for (const auto& [name, value] : *was.map()) {
      const Value* now = is.find(name);
      if (now == nullptr)
        found.push_back({below(path, name), "was " + shown(value) + ", is missing"});
      else
        compare(below(path, name), value, *now, found);
    }
    for (const auto& [name, value] : *is.map())
      if (was.find(name) == nullptr)
        found.push_back({below(path, name), "was missing, is " + shown(value)});
    return;
  }
  if (was.list() && is.list() && was.list()->size() == is.list()->size()) {
    for (std::size_t i = 0; i < was.list()->size(); ++i)
      compare(below(path, std::to_string(i)), (*was.list())[i], (*is.list())[i], found);
    return;
  }
  if (!(was == is)) found.push_back({path, "was " + shown(was) + ", is " + shown(is)});
}

bool matches(std::string_view pattern, std::string_view path) {
  while (true) {
    const std::string_view wanted = pattern.substr(0, pattern.find('.'));
    const std::string_view part = path.substr(0, path.find('.'));
    if (wanted != "*" && wanted != part) return false;
    const bool more = wanted.size() < pattern.size();
    if (more != (part.size() < path.size())) return false;
    if (!more) return true;
    pattern.remove_prefix(wanted.size() + 1);
    path.remove_prefix(part.size() + 1);
  }
}
}  // namespace

std::vector<ValueDifference> value_differences(const Value& was, const Value& is) {
  std::vector<ValueDifference> found;
  compare("", was, is, found);
  return found;
}

std::vector<IntendedDifference> read_intended(const std::string& json) {
  const auto value = parse_json(json);
  if (!value || !value->list()) throw std::runtime_error{"the differences must be a JSON list"};
  std::vector<IntendedDifference> intended;
  for (const Value& item : *value->list()) {
    const Value* path = item.find("path");
    const Value* why = item.find("why");
    if (path == nullptr || path->text() == nullptr || why == nullptr || why->text() == nullptr)
      throw std::runtime_error{"a difference must have a \"path\" and a \"why\""};
    const Value* file = item.find("file");
    intended.push_back({.path = *path->text(),
                        .why = *why->text(),
                        .file = file == nullptr || file->text() == nullptr ? "" : *file->text()});
  }
  return intended;
}

std::vector<ValueDifference> unintended(std::vector<ValueDifference> all, std::string_view file,
                                        std::vector<IntendedDifference>& intended) {
  std::erase_if(all, [&](const ValueDifference& one) {
    bool meant = false;
    for (IntendedDifference& known : intended)
      if ((known.file.empty() || known.file == file) && matches(known.path, one.path))
        meant = known.met = true;
    return meant;
  });
  return all;
}
}  // namespace onward
