#include "tools/mutate/mutants.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include <fmt/format.h>

namespace onward::mutate {
namespace {
/// Before every mutated source. A header would have to be found from there.
constexpr std::string_view kSwitch =
    R"(#ifndef ONWARD_MUTANT_SWITCH
#define ONWARD_MUTANT_SWITCH
#include <cstdlib>
namespace onward {
/// Whether the mutant of this number is on.
inline bool is_mutant(int number) {
  static const int chosen = [] {
    const char* given = std::getenv("ONWARD_MUTANT");
    return given == nullptr ? 0 : std::atoi(given);
  }();
  return chosen == number;
}
}  // namespace onward
#endif
#line 1
)";

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// Of a source: from `begin` up to `end`.
struct Stretch {
  std::size_t begin = 0, end = 0;
  auto operator<=>(const Stretch&) const = default;
};

/// Where `wanted` ends if it begins at `at`; nothing where it does not.
std::optional<std::size_t> end_of(std::string_view text, std::size_t at, std::string_view wanted) {
  for (std::size_t i = 0; i < wanted.size();) {
    if (at == text.size()) return std::nullopt;
    if (!is_space(wanted[i])) {
      if (text[at++] != wanted[i++]) return std::nullopt;
      continue;
    }
    if (!is_space(text[at])) return std::nullopt;
    while (i < wanted.size() && is_space(wanted[i])) ++i;
    while (at < text.size() && is_space(text[at])) ++at;
  }
  return at;
}

/// The one place of `wanted` within `in`.
Result<Stretch> find_once(std::string_view source, Stretch in, std::string_view wanted) {
  const std::string_view text = source.substr(0, in.end);
  std::optional<Stretch> found;
  for (std::size_t at = in.begin; at < in.end; ++at) {
    const auto end = end_of(text, at, wanted);
    if (!end) continue;
    if (found)
      return fail(ErrorKind::Invalid, "ambiguous",
                  fmt::format("\"{}\" is there more than once", wanted));
    found = Stretch{at, *end};
  }
  if (!found)
    return fail(ErrorKind::Invalid, "not_found", fmt::format("\"{}\" is not there", wanted));
  return *found;
}

Result<Stretch> place_of(std::string_view source, const Mutant& mutant) {
  Result<Stretch> in = Stretch{0, source.size()};
  if (!mutant.in.empty()) in = find_once(source, *in, mutant.in);
  if (in) in = find_once(source, *in, mutant.original);
  if (!in)
    return fail(ErrorKind::Invalid, in.error().code,
                fmt::format("{}: {} ({})", mutant.file, in.error().message, mutant.name));
  return in;
}

/// All of one place.
std::string replacement(std::string_view original, std::span<const Mutant* const> mutants) {
  std::string text;
  if (mutants.front()->becomes == kNothing) {
    text = "{ ";
    for (const Mutant* mutant : mutants)
      text += fmt::format("if (!is_mutant({})) ", mutant->number);
    text += original;
    return text += " }";
  }
  for (const Mutant* mutant : mutants)
    text += fmt::format("is_mutant({}) ? ({}) : ", mutant->number, mutant->becomes);
  return fmt::format("({}({}))", text, original);
}

tl::unexpected<Error> wrong(std::size_t line, std::string_view what) {
  return fail(ErrorKind::Invalid, "invalid_list", fmt::format("line {}: {}", line, what));
}

/// Why an entry that ends at `line` cannot be one.
Status check_entry(const Mutant& mutant, std::span<const Mutant> before, std::size_t line) {
  for (const auto& [key, value] : {std::pair{"mutant", &mutant.name},
                                   {"file", &mutant.file},
                                   {"original", &mutant.original},
                                   {"becomes", &mutant.becomes}})
    if (value->empty()) return wrong(line, fmt::format("the entry has no \"{}\"", key));
  if (std::ranges::find(before, mutant.name, &Mutant::name) != before.end())
    return wrong(line, fmt::format("there is a mutant \"{}\" already", mutant.name));
  if ((mutant.becomes == kNothing) != mutant.original.ends_with(';'))
    return wrong(line, "a statement ends with \";\" and becomes nothing, an expression does not");
  return {};
}

std::string* member(Mutant& mutant, std::string_view key) {
  if (key == "mutant") return &mutant.name;
  if (key == "file") return &mutant.file;
  if (key == "in") return &mutant.in;
  if (key == "original") return &mutant.original;
  return key == "becomes" ? &mutant.becomes : nullptr;
}
}  // namespace

Result<std::vector<Mutant>> parse_mutants(std::string_view list) {
  std::vector<Mutant> mutants;
  std::optional<Mutant> entry;
  const auto end_entry = [&](std::size_t line) -> Status {
    if (!entry) return {};
    if (Status fits = check_entry(*entry, mutants, line); !fits) return fits;
    entry->number = mutants.size() + 1;
    mutants.push_back(*std::exchange(entry, std::nullopt));
    return {};
  };
  std::size_t number = 0;
  for (std::string_view rest = list; !rest.empty();) {
    ++number;
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.starts_with('#')) continue;
    if (line.empty()) {
      if (Status done = end_entry(number - 1); !done) return tl::make_unexpected(done.error());
      continue;
    }
    const std::size_t colon = std::min(line.find(':'), line.size());
    if (!entry) entry.emplace();
    std::string* to = member(*entry, line.substr(0, colon));
    if (to == nullptr || colon == line.size())
      return wrong(number,
                   "a line is \"mutant:\", \"file:\", \"in:\", \"original:\" or \"becomes:\"");
    if (!to->empty()) return wrong(number, "the entry has this line already");
    *to = trimmed(line.substr(colon + 1));
  }
  if (Status done = end_entry(number); !done) return tl::make_unexpected(done.error());
  return mutants;
}

Result<std::string> with_mutants(std::string_view source, std::span<const Mutant> mutants) {
  std::map<Stretch, std::vector<const Mutant*>> places;
  for (const Mutant& mutant : mutants) {
    const auto place = place_of(source, mutant);
    if (!place) return tl::make_unexpected(place.error());
    places[*place].push_back(&mutant);
  }
  std::string text{kSwitch};
  std::size_t done = 0;
  for (const auto& [place, of] : places) {
    if (place.begin < done)
      return fail(ErrorKind::Invalid, "overlap",
                  fmt::format("{}: \"{}\" overlaps the original of another mutant", of[0]->file,
                              of[0]->original));
    text += source.substr(done, place.begin - done);
    text += replacement(source.substr(place.begin, place.end - place.begin), of);
    done = place.end;
  }
  text += source.substr(done);
  return text;
}
}  // namespace onward::mutate
