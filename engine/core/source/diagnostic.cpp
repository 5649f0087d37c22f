#include "engine/core/source/diagnostic.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/core/base/url_login.h"
#include "engine/core/source/synonyms.h"

namespace onward {
namespace {
/// Longer names are not compared: nobody means another one by them.
constexpr std::size_t kComparedMax = 64;

/// Edits (insert, delete, replace, swap two neighbours) from `a` to `b`, or anything above `limit`
/// once it is clear that they are more. Adds to `steps` the letters compared.
std::size_t edits(std::string_view a, std::string_view b, std::size_t limit, std::size_t& steps) {
  using Row = std::array<std::size_t, kComparedMax + 1>;
  Row before_last{};
  Row last{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    steps += b.size();
    std::size_t least = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const char ca = lower(a[i - 1]);
      const char cb = lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (ca == cb ? 0 : 1)});
      if (i > 1 && j > 1 && ca == lower(b[j - 2]) && lower(a[i - 2]) == cb)
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      least = std::min(least, row[j]);
    }
    if (least > limit) return limit + 1;
    before_last = last;
    last = row;
  }
  return last[b.size()];
}

std::string folded(std::string_view name) {
  std::string result{name};
  for (char& c : result) c = c == '-' || c == ' ' ? '_' : lower(c);
  return result;
}

/// The first of our words for `name` that is a candidate.
template <class Names>
std::string_view synonym_of(std::string_view name, const Names& candidates) {
  const std::string word = folded(name);
  for (std::string_view rest = synonyms_of(word); !rest.empty();) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    if (std::find(candidates.begin(), candidates.end(), rest.substr(0, space)) != candidates.end())
      return rest.substr(0, space);
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  return {};
}

}  // namespace

template <class Names>
std::string Suggestions::nearest_of(std::string_view name, const Names& candidates,
                                    std::size_t edits_max) {
  if (name.empty() || name.size() > kComparedMax || used_up()) return {};
  if (const auto synonym = synonym_of(name, candidates); !synonym.empty() && synonym != name)
    return std::string{synonym};
  std::string_view best;
  std::size_t best_edits = std::min(edits_max, kComparedMax) + 1;
  for (const std::string_view candidate : candidates) {
    if (used_up()) break;
    ++steps_;
    // A known name that is refused has another fault: to suggest it again helps nobody.
    if (candidate == name) return {};
    if (candidate.size() > kComparedMax) continue;
    const std::size_t letters = std::max(name.size(), candidate.size());
    const std::size_t difference = letters - std::min(name.size(), candidate.size());
    const std::size_t limit = std::min(letters / 3, best_edits - 1);
    if (difference > limit) continue;
    const std::size_t found = edits(name, candidate, limit, steps_);
    if (found > limit) continue;
    best = candidate;
    best_edits = found;
    if (found == 0) break;
  }
  return std::string{best};
}

std::string Suggestions::nearest(std::string_view name,
                                 std::span<const std::string_view> candidates,
                                 std::size_t edits_max) {
  return nearest_of(name, candidates, edits_max);
}

std::string Suggestions::nearest(std::string_view name,
                                 const std::vector<std::string>& candidates) {
  return nearest_of(name, candidates, kComparedMax);
}

std::string Diagnostics::nearest(std::string_view name,
                                 std::span<const std::string_view> candidates,
                                 std::size_t edits_max) {
  return full() ? std::string{} : suggestions_.nearest(name, candidates, edits_max);
}

std::string Diagnostics::nearest(std::string_view name,
                                 const std::vector<std::string>& candidates) {
  return full() ? std::string{} : suggestions_.nearest(name, candidates);
}

void Diagnostics::mention(std::string_view custom_field, Position at) {
  mentions_.push_back({std::string{custom_field}, at});
}

bool Diagnostics::error_since(RulesFormat since, Position at, std::string code, std::string message,
                              std::string nearest) {
  if (format_ >= since) {
    error(at, std::move(code), std::move(message), std::move(nearest));
    return true;
  }
  message += " (this stored version continues to work; a new version must not have it)";
  add({Severity::Warning, at, std::move(code), std::move(message), std::move(nearest), since});
  return false;
}

void Diagnostics::error(Position at, std::string code, std::string message, std::string nearest) {
  add({Severity::Error, at, std::move(code), std::move(message), std::move(nearest), 0});
  ++errors_;
}

void Diagnostics::warning(Position at, std::string code, std::string message, std::string nearest) {
  add({Severity::Warning, at, std::move(code), std::move(message), std::move(nearest), 0});
}

void Diagnostics::add(Diagnostic found) {
  if (full()) {
    ++left_out_;
    return;
  }
  // Messages are kept in logs and sent about.
  if (found.message.find('@') != std::string::npos) found.message = hide_url_logins(found.message);
  found_.push_back(std::move(found));
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> result = found_;
  std::stable_sort(result.begin(), result.end(),
                   [](const Diagnostic& a, const Diagnostic& b) { return a.at < b.at; });
  // The same finding by two ways is told once.
  result.erase(std::unique(result.begin(), result.end()), result.end());
  if (left_out_ > 0) {
    const Severity severity = has_errors() ? Severity::Error : Severity::Warning;
    result.push_back({severity, {}, "more", "and " + std::to_string(left_out_) + " more", {}});
  }
  return result;
}

std::string nearest_name(std::string_view name, std::span<const std::string_view> candidates,
                         std::size_t edits_max) {
  return Suggestions{}.nearest(name, candidates, edits_max);
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  return Suggestions{}.nearest(name, candidates);
}
}  // namespace onward
