#pragma once
// All scenarios with their lives and versions: decides what a command may do, and builds the
// catalog.
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/authoring/load.h"
#include "engine/core/journey/migration.h"
#include "engine/core/journey/stats.h"
#include "engine/core/scenario/catalog.h"
#include "engine/core/scenario/node.h"
#include "engine/runtime/runtime.h"
#include "engine/runtime/version_texts.h"
#include "engine/secrets/stored_secret.h"
#include "engine/store/store.h"

namespace onward {
/// Memory of the compiled conditions of all versions that are in use. A version that would go
/// beyond is not taken; what is stored is read all the same.
inline constexpr std::size_t kServerConditionBytesMax = std::size_t{256} << 20;
/// Node ids of one scenario over all its versions: they are never forgotten, since the numbers of a
/// node follow its id, and each change of the scenario's state writes them all.
inline constexpr std::size_t kNodeNamesMax = 20'000;
/// Bytes that memory keeps of the title of an archived scenario; a longer one is cut.
inline constexpr std::size_t kArchivedTitleBytesMax = 4'096;

/// Every node that a scenario ever had, by id and by number. Immutable.
class NodeNames {
 public:
  struct Named {
    std::string id, kind;
    NodeNumber number;
  };
  explicit NodeNames(const std::vector<std::pair<std::string, NodeNumber>>& nodes = {},
                     const std::vector<std::pair<std::string, std::string>>& kinds = {});
  NodeNames(const NodeNames&) = delete;
  NodeNames& operator=(const NodeNames&) = delete;

  const Named* find(std::string_view id) const;
  const Named* find(NodeNumber number) const;
  /// By number.
  const std::vector<Named>& all() const { return all_; }

 private:
  std::vector<Named> all_;
  std::unordered_map<std::string_view, std::size_t> by_id_;  // views into all_
};

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
  std::uint64_t rules = 0;  ///< See ScenarioBook::rules.
  ScenarioKey key;
  Version newest = 0;   ///< 0: there was no such scenario.
  std::string copy_of;  ///< A duplicate: its original, and the version of it.
  Version copied = 0;
  std::string packed;  ///< A long text as it is stored (packed_text.h); else empty.
  TextKey apart;       ///< Where the text was stored ahead (Engine::store_text_part).
};

/// Where the runs of a scenario are, live and test together: what plans and migrations count with.
struct RunCensus {
  struct Sums {
    std::int64_t entered = 0, inside = 0, parked = 0;
  };
  std::map<std::pair<Version, NodeNumber>, std::int64_t> waiting;
  std::map<Version, Sums> versions;

  std::int64_t sum(std::int64_t Sums::*of, Version but = 0) const;
};
RunCensus census_of(const Counters& counters, ScenarioKey scenario);

/// A migration, as far as it can be worked out before the engine thread decides.
struct Moves {
  NodeMap map;
  /// Why runs that wait at a node of a version cannot go over; empty where they can.
  std::map<std::pair<Version, NodeNumber>, std::string> verdicts;
};

/// Rows that a command wants written. Nothing has happened until they are adopted.
struct BookChange {
  std::vector<ScenarioRecord> scenarios;
  std::vector<VersionRecord> versions;
  std::shared_ptr<const Scenario> built;   ///< Of the new version, if any.
  std::shared_ptr<const NodeNames> names;  ///< With it.
  std::vector<Activity> activity;          ///< To be written down with it.
};

/// A version of a scenario.
struct VersionName {
  std::string scenario;
  Version version = 0;
  auto operator<=>(const VersionName&) const = default;
};

/// Those that runs or deliveries under way still need.
using VersionsInUse = std::set<std::pair<ScenarioKey, Version>>;
VersionsInUse versions_in_use(const Counters& counters);

/// A value: the engine thread owns the one that changes, and gives out copies, which cost a pointer
/// a scenario and may be asked by any thread. Whatever reads a text says so: it is not to be called
/// on the engine thread while that serves others. Texts are in the store alone; what is built stays
/// in memory while `catalog` needs it.
/// What the statistics of a scenario are made from, beside its texts.
struct StatsBasis {
  Counters counters;            ///< Of this scenario at least.
  std::set<NodeNumber> paused;  ///< By people.
  Instant as_of{};
};

class ScenarioBook {
 public:
  /// `log` gets an event for a stored version that this program cannot read, and for one that
  /// newer rules would refuse, once each; by any thread.
  ScenarioBook(const NodeKinds& kinds, const Snapshot& snapshot,
               std::shared_ptr<VersionTexts> texts, LogSink log);

  struct Applied {
    ApplyAnswer answer;
    BookChange change;
  };
  /// Reads, checks and builds `text`, and finds what it would change. A new text is held to the
  /// rules of `format`. One that is the newest version's, byte for byte, is held to the rules of
  /// that version and changes nothing. Reads texts.
  /// Bounds of memory do not refuse the copy of a stored text.
  Result<Authored> author(std::string id, std::string text, RulesFormat format = kNewestFormat,
                          bool of_stored = false) const;
  /// The same of a copy of the newest version of `id`. It keeps the format of its original, so what
  /// runs can be duplicated. Reads texts.
  Result<Authored> author_copy(std::string_view id, const std::string& new_id) const;
  /// What is wrong with `text` as a new version of `id`; of an empty `id`, as a scenario of its
  /// own. Reads texts.
  Result<std::vector<Diagnostic>> validate(const std::string& id, const std::string& text) const;
  /// Whether nothing that `made` was checked against has changed.
  bool is_current(const Authored& made) const;
  /// `made` must be current.
  Result<Applied> apply(Authored made, Instant now) const;
  Result<BookChange> activate(std::string_view id,
                              const std::optional<std::vector<std::string>>& test_emails,
                              Instant now) const;
  Result<BookChange> hold(std::string_view id) const;
  Result<BookChange> archive(std::string_view id, Instant now) const;
  Result<BookChange> remove_draft(std::string_view id) const;
  /// What the times in a newest text ask for by `now`: a start, or an end. Of one scenario; asked
  /// again until nothing is due.
  std::optional<BookChange> due(Instant now) const;
  /// When something is due next.
  std::optional<Instant> next_due() const;
  /// What `id` is to become when `text` is applied. Reads texts.
  Result<ScenarioPlan> plan(const std::string& id, const std::string& text,
                            const MigrationRequest& request, const RunCensus& census,
                            Instant now) const;
  /// What there is to know of a migration to what `made` makes before it is decided. Does not read
  /// texts, but may take as long. Invalid where `request` names nodes that are not there.
  Result<Moves> moves(const Authored& made, const MigrationRequest& request,
                      const RunCensus& census) const;
  /// The way over of runs under way to what `made` makes (or to the newest version, where it makes
  /// none); refused where it would strand somebody. Nothing: too many places have come up since
  /// `moves` was made, so it must be made again.
  Result<std::optional<NodeMap>> migration(const Authored& made, const Moves& moves,
                                           const RunCensus& census) const;

  /// The custom fields that scenarios may name from now on.
  void know_fields(std::shared_ptr<const CustomFields> fields);

  /// Takes over what has been committed.
  void adopt(BookChange change);
  /// Texts are noted while they are read, and one that is poison is not; may be null.
  void watch(WorkingFile* working) { working_ = working; }
  /// What files may name from now on.
  void know(AuthorContext context);
  /// Grows when what files may name changes.
  std::uint64_t rules() const { return rules_; }

  /// Versions that `catalog` needs and that are neither built nor known to be unreadable: newest
  /// ones of scenarios that are not archived, and those that runs or deliveries under way need.
  std::vector<VersionName> missing(const VersionsInUse& used) const;
  /// The newest version of `id`, where it is neither built nor known to be unreadable.
  std::optional<VersionName> unread(std::string_view id) const;
  /// The newest version of `id` where even its title is unknown: an archived one that was not read
  /// since the start.
  std::optional<VersionName> untitled(std::string_view id) const;
  /// The same, of any scenario.
  std::optional<VersionName> untitled() const;
  /// The version as it is built or, where it is not, read from its text; null where it cannot be
  /// read, or is not there. Reads texts.
  std::shared_ptr<const Scenario> load(const VersionName& name) const;
  /// The same, where it is built; else null.
  std::shared_ptr<const Scenario> built(const VersionName& name) const;
  bool is_unreadable(const VersionName& name) const;
  /// Takes over what `load` found; null: it cannot be read.
  void adopt(const VersionName& name, std::shared_ptr<const Scenario> scenario);
  /// Of those that are built: those needed (see `missing`), indexed. Releases the others.
  Catalog catalog(const VersionsInUse& used, const std::string& epoch, std::int64_t account_id);

  const ScenarioRecord* find(std::string_view id) const;
  const ScenarioRecord* find(ScenarioKey key) const;
  /// Of all that are not deleted.
  std::vector<const ScenarioRecord*> records() const;
  /// Null where there is no such scenario.
  std::shared_ptr<const NodeNames> names(std::string_view id) const;
  std::shared_ptr<const NodeNames> names(ScenarioKey key) const;
  Result<ScenarioInfo> info(std::string_view id) const;
  std::vector<ScenarioInfo> list() const;
  /// How many nodes a version has is 0 until it was adopted.
  Result<ScenarioVersions> versions(std::string_view id, const Counters& counters) const;
  /// Versions of `id` whose number of nodes is not known.
  std::vector<Version> unsized(std::string_view id) const;
  /// The number of nodes of a version; 0 where it cannot be read. Reads texts.
  std::size_t size_of(const VersionName& name) const;
  void adopt_sizes(std::string_view id, const std::map<Version, std::size_t>& sizes);
  /// A version without its text.
  Result<VersionText> version(std::string_view id, Version version) const;
  /// The text of a version. Reads texts.
  Result<std::string> text(std::string_view id, Version version) const;
  /// What is in memory of all versions.
  struct Held {
    std::size_t built = 0;  ///< Versions.
    std::size_t text_bytes = 0;
  };
  Held held() const;
  VersionTexts& texts() const { return *texts_; }
  /// `scenario`: the version that is asked for (of 0: the newest), which only the caller can read
  /// where it is not built; may be null.
  Result<ScenarioStats> stats(std::string_view id, Version version, const StatsBasis& basis,
                              std::shared_ptr<const Scenario> scenario = {}) const;
  /// Whether a node sends webhooks and is in the newest version, or was visited in an older one; of
  /// an archived scenario, whose newest version is not in memory: whether it sends webhooks.
  bool is_sending(const ScenarioRecord& record, NodeNumber node, const Counters& counters) const;
  /// Ids of all nodes that send webhooks, in any version.
  std::vector<std::string> sending_nodes(const ScenarioRecord& record) const;

  /// Who names a secret or credential.
  struct User {
    std::string id;
    bool live = false;  ///< Active, scheduled or on hold, or with requests that still need it.
    std::set<std::string> origins = {};  ///< Where it sends it.
  };
  std::vector<User> users_of(SecretKind kind, std::string_view name,
                             const Counters& counters) const;
  /// Secrets and credentials of the newest version that are not known.
  std::vector<std::string> unknown_secrets(std::string_view id) const;
  /// A sentence for each of them that a node of the newest version sends to a host that is not
  /// allowed.
  std::vector<std::string> refused_hosts(std::string_view id) const;
  /// The newest version; null where it cannot be read.
  std::shared_ptr<const Scenario> newest(std::string_view id) const;
  /// The title as memory keeps it.
  static std::string kept_title(const Scenario& scenario);

 private:
  /// Immutable, and replaced as a whole: copies of the book share it.
  struct Entry {
    std::shared_ptr<const ScenarioRecord> record;
    std::shared_ptr<const NodeNames> names;
    std::map<Version, std::shared_ptr<const VersionRecord>> versions;  // without their texts
    std::map<Version, std::shared_ptr<const Scenario>> built;
    std::set<Version> unreadable;          // found out by trying
    std::map<Version, std::size_t> sizes;  // nodes, once they have been counted
    std::optional<std::string> title;      // of the newest version, once it was built
  };
  const Entry* entry_of(std::string_view id) const;
  void replace(Entry entry);
  /// Puts a version that was built into `entry`.
  static void keep(Entry& entry, Version version, std::shared_ptr<const Scenario> scenario);
  Result<const Entry*> known(std::string_view id) const;
  /// Whether `id` may get a new version.
  Status may_apply(std::string_view id) const;
  Status may_copy(std::string_view id, const std::string& new_id) const;
  /// Reads, checks and builds; an empty `id` is that of the text.
  Result<Loaded> read(std::string_view id, std::string_view text, RulesFormat format,
                      bool stored) const;
  /// Whether the conditions of one more version fit beside those in memory.
  Status has_room(const Scenario& added) const;
  std::optional<ScenarioNext> next_of(const Entry& entry) const;
  /// Why runs that wait at `node` of `version` cannot go over, as a sentence without its subject;
  /// empty where they can.
  std::string verdict(const Entry& entry, const Migration& migration, const Scenario& to,
                      Version version, NodeNumber node) const;
  std::vector<std::string> stranded(const Entry& entry, Version newest, const Moves& moves,
                                    const RunCensus& census) const;
  ScenarioInfo info_of(const Entry& entry) const;
  Result<std::string> text_of(const Entry& entry, Version version) const;
  StatsSide side(const Entry& entry, const StatsBasis& basis, bool test, Version version,
                 const Scenario* scenario) const;
  std::shared_ptr<const Scenario> build(const Entry& entry, Version version) const;
  /// Logs once what newer rules would refuse in a version.
  void log_outdated(const Entry& entry, const VersionRecord& version,
                    const std::vector<Diagnostic>& found) const;

  const NodeKinds& kinds_;
  std::shared_ptr<VersionTexts> texts_;
  LogSink log_;
  std::map<std::string, std::shared_ptr<const Entry>, std::less<>> entries_;  // by id
  std::map<ScenarioKey, std::string> ids_;
  std::shared_ptr<const AuthorContext> context_ = std::make_shared<const AuthorContext>();
  WorkingFile* working_ = nullptr;
  std::shared_ptr<const CustomFields> fields_;
  std::uint64_t rules_ = 0;

  /// Versions that were logged, so that each is once; shared by all copies.
  struct Logged {
    std::mutex mutex;
    std::set<std::pair<ScenarioKey, Version>> unreadable, outdated;  // guarded by mutex
  };
  bool is_first(std::set<std::pair<ScenarioKey, Version>> Logged::*list, const Entry& entry,
                Version version) const;
  std::shared_ptr<Logged> logged_ = std::make_shared<Logged>();
};
}  // namespace onward
