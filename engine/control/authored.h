#pragma once
// Texts that people write, read against a copy of the book. Whatever reads a text takes time: it is
// not to be called on the engine thread while that serves others.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/control/node_names.h"
#include "engine/control/scenario_book.h"
#include "engine/core/base/ids.h"
#include "engine/core/base/result.h"
#include "engine/core/scenario/scenario.h"
#include "engine/core/source/diagnostic.h"

namespace onward {
/// A text that was read, checked and built against one state of the book: what takes time, done
/// before the engine thread decides. Made by any thread.
struct Authored {
  std::string id, text;
  RulesFormat format = kNewestFormat;  ///< The rules that checked it.
  std::vector<Diagnostic> diagnostics;
  bool refused = false;                   ///< There are errors; nothing was built.
  bool unchanged = false;                 ///< It is the newest version, byte for byte.
  std::shared_ptr<const Scenario> built;  ///< With its numbers. Null where refused or unreadable.
  std::vector<std::pair<std::string, NodeNumber>> nodes;   ///< As the record is to have them.
  std::vector<std::pair<std::string, std::string>> kinds;  ///< The same.
  std::shared_ptr<const NodeNames> names;                  ///< Of both.
  // What it was checked against.
  std::uint64_t rules = 0;  ///< See VersionReader::rules.
  ScenarioKey key;
  Version newest = 0;   ///< 0: there was no such scenario.
  std::string copy_of;  ///< A duplicate: its original, and the version of it.
  Version copied = 0;
  std::string packed;  ///< A long text as it is stored (packed_text.h); else empty.
  TextKey apart;       ///< Where the text was stored ahead (Engine::store_text_part).
};

/// Whether `id` may get a new version.
Status may_apply(const ScenarioBook& book, std::string_view id);
/// Whether `id` may be duplicated as `new_id`.
Status may_copy(const ScenarioBook& book, std::string_view id, const std::string& new_id);

/// Reads, checks and builds `text`, and finds what it would change. A new text is held to the
/// rules of `format`. One that is the newest version's, byte for byte, is held to the rules of
/// that version and changes nothing. Reads texts.
/// Bounds of memory do not refuse the copy of a stored text.
Result<Authored> author_text(const ScenarioBook& book, std::string id, std::string text,
                             RulesFormat format = kNewestFormat, bool of_stored = false);
/// The same of a copy of the newest version of `id`. It keeps the format of its original, so what
/// runs can be duplicated. Reads texts.
Result<Authored> author_duplicate(const ScenarioBook& book, std::string_view id,
                                  const std::string& new_id);
/// What is wrong with `text` as a new version of `id`; of an empty `id`, as a scenario of its
/// own. Reads texts.
Result<std::vector<Diagnostic>> validate_text(const ScenarioBook& book, const std::string& id,
                                              const std::string& text);
/// Whether nothing that `made` was checked against has changed.
bool is_current(const ScenarioBook& book, const Authored& made);
}  // namespace onward
