#include "engine/control/authored.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/core/base/clipped.h"
#include "engine/store/packed_text.h"

namespace onward {
namespace {
bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::ranges::any_of(
      diagnostics, [](const Diagnostic& found) { return found.severity == Severity::Error; });
}
}  // namespace

Status may_apply(const ScenarioBook& book, std::string_view id) {
  const ScenarioEntry* entry = book.find_entry(id);
  if (entry == nullptr) return {};
  if (entry->record->deleted)
    return fail(ErrorKind::Conflict, "id_used",
                fmt::format("the id \"{}\" belonged to a draft that was deleted; ids are never "
                            "used again",
                            id));
  if (entry->record->state == ScenarioState::Archived) return archived_error(id);
  return {};
}

Status may_copy(const ScenarioBook& book, std::string_view id, const std::string& new_id) {
  const auto entry = book.known(id);
  if (!entry) return tl::make_unexpected(entry.error());
  if (!valid_id(new_id))
    return fail(
        ErrorKind::Invalid, "invalid_id",
        fmt::format("\"{}\" is no id: letters, digits, - and _, at most 64", clipped(new_id)));
  if (book.find_entry(new_id) != nullptr)
    return fail(ErrorKind::Conflict, "id_used",
                fmt::format("there is, or was, a scenario \"{}\"; choose another id", new_id));
  return {};
}

Result<Authored> author_text(const ScenarioBook& book, std::string id, std::string text,
                             RulesFormat format, bool of_stored) {
  if (Status free = may_apply(book, id); !free) return tl::make_unexpected(std::move(free.error()));
  const ScenarioEntry* entry = book.find_entry(id);
  Authored made{.id = std::move(id),
                .text = std::move(text),
                .format = format,
                .rules = book.reader().rules()};
  if (entry != nullptr) {
    made.key = entry->record->key;
    made.newest = entry->record->newest;
    // One that cannot be read counts as different, so that its author can apply it again.
    const auto stored = book.reader().text_of(*entry, made.newest);
    made.unchanged = stored && *stored == made.text;
    if (made.unchanged) made.format = entry->versions.at(made.newest)->format;
  }
  auto loaded = book.reader().read(made.id, made.text,
                                   {.format = made.format,
                                    .stored = made.unchanged || of_stored,
                                    .names = entry == nullptr ? nullptr : entry->names.get()});
  if (!loaded) return tl::make_unexpected(std::move(loaded.error()));
  made.diagnostics = std::move(loaded->diagnostics);
  made.refused = loaded->scenario == nullptr || has_errors(made.diagnostics);
  if (made.refused) return made;
  if (made.unchanged) {
    made.names = entry->names;
    made.built = entry->find_built(made.newest);
    return made;
  }
  if (entry != nullptr) {
    made.nodes = entry->record->nodes;
    made.kinds = entry->record->kinds;
  }
  loaded->scenario->number_nodes(made.nodes);
  for (const ScenarioNode& node : loaded->scenario->nodes)
    if (entry == nullptr || entry->names->find(node.id) == nullptr)
      made.kinds.emplace_back(node.id, std::string{node.kind->name});
  made.names = std::make_shared<const NodeNames>(made.nodes, made.kinds);
  made.built = std::move(loaded->scenario);
  if (made.text.size() > kTextPart) made.packed = pack_text(made.text);
  return made;
}

Result<Authored> author_duplicate(const ScenarioBook& book, std::string_view id,
                                  const std::string& new_id) {
  if (Status free = may_copy(book, id, new_id); !free)
    return tl::make_unexpected(std::move(free.error()));
  const ScenarioEntry& original = *book.find_entry(id);
  const Version newest = original.record->newest;
  auto text = book.reader().text_of(original, newest);
  if (text) text = with_scenario_id(*text, new_id);
  if (!text) return tl::make_unexpected(text.error());
  auto made = author_text(book, new_id, std::move(*text), original.versions.at(newest)->format,
                          /*of_stored=*/true);
  if (!made) return made;
  made->copy_of = id;
  made->copied = newest;
  return made;
}

Result<std::vector<Diagnostic>> validate_text(const ScenarioBook& book, const std::string& id,
                                              const std::string& text) {
  const ScenarioEntry* entry = book.find_entry(id);
  auto loaded =
      book.reader().read(id, text, {.names = entry == nullptr ? nullptr : entry->names.get()});
  if (!loaded) return tl::make_unexpected(std::move(loaded.error()));
  return std::move(loaded->diagnostics);
}

bool is_current(const ScenarioBook& book, const Authored& made) {
  const auto newest = [&book](std::string_view id) {
    const ScenarioEntry* entry = book.find_entry(id);
    return entry == nullptr ? std::pair{ScenarioKey{}, Version{0}}
                            : std::pair{entry->record->key, entry->record->newest};
  };
  return made.rules == book.reader().rules() &&
         newest(made.id) == std::pair{made.key, made.newest} &&
         (made.copy_of.empty() || newest(made.copy_of).second == made.copied);
}
}  // namespace onward
