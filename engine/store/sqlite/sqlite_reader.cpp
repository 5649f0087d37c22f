#include "engine/store/sqlite/sqlite_reader.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <type_traits>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/cursor.h"
#include "engine/store/sqlite/control_tables.h"
#include "engine/store/sqlite/database.h"
#include "engine/store/sqlite/journal_follower.h"
#include "engine/store/sqlite/newest.h"
#include "engine/store/sqlite/tables.h"

namespace onward {
namespace {
constexpr std::size_t kRowsMax = 100'000;
constexpr std::size_t kPageBytes = std::size_t{4} << 20;  // of contacts, as they are stored

/// A cursor's number as a column holds it.
std::uint64_t column_of(std::uint64_t before) {
  return std::min<std::uint64_t>(before, std::numeric_limits<std::int64_t>::max());
}

/// Keeps the newest `limit` of `rows`; the cursor to the rest, or "".
template <class Row>
std::string cut(std::vector<Row>& rows, std::size_t limit) {
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key > b.key; });
  if (rows.size() <= limit) return {};
  rows.resize(limit);
  return to_base32(rows.back().key.value);
}

/// The live runs that an overlay holds, by contact and run.
class UnfoldedRuns {
 public:
  using Name = std::pair<ContactKey, RunKey>;
  UnfoldedRuns(const Overlay& overlay, const Name& after)
      : overlay_{overlay}, contact_{overlay.runs.live_of.lower_bound(after.first)} {
    fill();
    while (next() && *next() <= after) pop();
  }
  /// Null: there are no more.
  const Name* next() const { return names_.empty() ? nullptr : &names_.back(); }
  void pop() {
    names_.pop_back();
    if (names_.empty()) fill();
  }

 private:
  /// Those of one contact, the first of them last.
  void fill() {
    for (; names_.empty() && contact_ != overlay_.runs.live_of.end(); ++contact_) {
      const auto owned = overlay_.runs.of_contact.find(contact_->first);
      if (owned == overlay_.runs.of_contact.end()) continue;
      for (const RunKey key : owned->second)
        if (overlay_.runs.find(key)->live) names_.emplace_back(contact_->first, key);
    }
    std::ranges::sort(names_, std::ranges::greater{});
  }

  const Overlay& overlay_;
  std::map<ContactKey, std::size_t>::const_iterator contact_;
  std::vector<Name> names_;
};

class SqliteReader final : public ReadModel {
 public:
  explicit SqliteReader(std::unique_ptr<SQLite::Database> database)
      : database_{std::move(database)},
        begin_{*database_, "BEGIN"},
        commit_{*database_, "COMMIT"},
        tables_{*database_, unreadable_},
        journal_{*database_, overlay_},
        newest_{overlay_, tables_, unreadable_},
        live_{*database_,
              "SELECT run, body FROM runs_live WHERE contact = ? AND run > 0 AND run < ?"
              " ORDER BY run DESC"},
        ended_{*database_,
               "SELECT key, body FROM runs INDEXED BY runs_contact"
               " WHERE contact = ? AND key > 0 AND key < ? ORDER BY key DESC"},
        deliveries_{*database_,
                    "SELECT key FROM deliveries INDEXED BY deliveries_node"
                    " WHERE scenario = ? AND node = ? AND state = ? AND key > ? AND key < ?"
                    " ORDER BY key DESC"},
        delivery_{*database_, "SELECT body FROM deliveries WHERE key = ?"},
        activity_{*database_,
                  "SELECT id, body FROM activity WHERE id > 0 AND id < ? ORDER BY id DESC LIMIT ?"},
        activity_of_{*database_,
                     "SELECT id, body FROM activity INDEXED BY activity_scenario"
                     " WHERE scenario = ? AND id > 0 AND id < ? ORDER BY id DESC LIMIT ?"},
        all_live_{*database_,
                  "SELECT contact, run, body FROM runs_live WHERE (contact, run) > (?, ?)"
                  " ORDER BY contact, run"},
        ledger_{*database_, "SELECT scenario, test, body FROM ledger WHERE contact = ?"},
        contacts_{*database_,
                  "SELECT key, body, engagement FROM contacts"
                  " WHERE key > ? AND key < ? AND body IS NOT NULL ORDER BY key"} {}

  void hold() override {
    const Status held = guarded([&]() -> Status {
      held_.emplace(begin_, commit_);
      journal_.catch_up();
      return {};
    });
    if (!held) release();
  }
  void release() override { held_.reset(); }

  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    return guarded([&]() -> Result<std::optional<std::string>> {
      std::optional<ReadScope> scope;
      if (!held_) scope.emplace(begin_, commit_);
      return version_text_of(*database_, scenario, version);
    });
  }

  Result<IdentityMatch> identify(const IdentityQuery& query) override {
    return look([&] { return newest_.identify(query); });
  }

  Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey key) override {
    return look([&] {
      Engagement engagement;
      auto contact = newest_.contact(key, engagement);
      return contact ? std::optional{std::pair{std::move(*contact), std::move(engagement)}}
                     : std::nullopt;
    });
  }

  Result<RunList> runs(ContactKey contact, std::size_t limit, std::string_view cursor) override {
    const auto before = read_cursor(cursor);
    if (!before) return tl::make_unexpected(before.error());
    if (limit == 0) return RunList{};
    limit = std::min(limit, kRowsMax);
    return look([&] {
      RunList list;
      const auto add = [&](RunKey key, std::string_view body) {
        read_row([&] { list.runs.push_back(intact(decode_run(key, contact, body))); }, [] {});
      };
      for (Query* query : {&live_, &ended_}) {
        std::size_t found = 0;
        auto rows = (*query)(contact, column_of(*before));
        while (found <= limit && rows.next()) {
          const RunKey key{rows.number(0)};
          if (overlay_.runs.find(key) != nullptr) continue;
          add(key, rows.bytes(1));
          ++found;
        }
      }
      if (const auto owned = overlay_.runs.of_contact.find(contact);
          owned != overlay_.runs.of_contact.end())
        for (const RunKey key : owned->second)
          if (const auto* row = overlay_.runs.find(key); key.value < *before && !row->body.empty())
            add(key, row->body);
      list.next = cut(list.runs, limit);
      return list;
    });
  }

  Result<DeliveryList> deliveries(ScenarioKey scenario, NodeNumber node,
                                  std::optional<DeliveryState> state, std::size_t limit,
                                  std::string_view cursor) override {
    const auto before = read_cursor(cursor);
    if (!before) return tl::make_unexpected(before.error());
    if (limit == 0) return DeliveryList{};
    limit = std::min(limit, kRowsMax);
    return look([&] {
      // Keys first, from the index alone: of several states most are not shown. What is not in the
      // tables yet is the newest as a rule, so they are looked at no further back than that needs.
      std::vector<DeliveryLayer::Place> places;
      for (const DeliveryState wanted : {DeliveryState::Pending, DeliveryState::Accepted,
                                         DeliveryState::Failed, DeliveryState::Cancelled})
        if (!state || *state == wanted) places.push_back({scenario, node, wanted});
      std::vector<DeliveryKey> keys;
      for (const DeliveryLayer::Place& place : places) add_unfolded(place, {*before}, limit, keys);
      std::ranges::sort(keys, std::ranges::greater{});
      const DeliveryKey floor = keys.size() > limit ? keys[limit] : DeliveryKey{};
      for (const DeliveryLayer::Place& place : places)
        add_folded(place, floor, {*before}, limit, keys);
      std::ranges::sort(keys, std::ranges::greater{});
      DeliveryList list;
      if (keys.size() > limit) {
        keys.resize(limit);
        list.next = to_base32(keys.back().value);
      }
      for (const DeliveryKey key : keys) add_delivery(key, list);
      return list;
    });
  }

  Result<std::optional<DeliveryDetail>> delivery(DeliveryKey key) override {
    return look([&]() -> std::optional<DeliveryDetail> {
      auto loaded = newest_.delivery(key);
      if (!loaded) return std::nullopt;
      auto superseded = newest_.attempts(loaded->delivery);
      return DeliveryDetail{.delivery = loaded->delivery,
                            .request = loaded->request,
                            .attempts = all_attempts(std::move(superseded), loaded->delivery.last)};
    });
  }

  Result<ActivityList> activity(std::string_view scenario, std::size_t limit,
                                std::string_view cursor) override {
    const auto before = read_cursor(cursor);
    if (!before) return tl::make_unexpected(before.error());
    if (limit == 0) return ActivityList{};
    limit = std::min(limit, kRowsMax);
    return guarded([&]() -> Result<ActivityList> {
      ActivityList list;
      const std::string of{scenario};
      const std::uint64_t end = std::min(*before, kActivityEnd);
      auto rows = of.empty() ? activity_(end, limit + 1) : activity_of_(of, end, limit + 1);
      while (rows.next()) {
        if (list.rows.size() == limit) {
          list.next = to_base32(list.rows.back().first);
          break;
        }
        read_row(
            [&] { list.rows.emplace_back(rows.number(0), intact(decode_activity(rows.bytes(1)))); },
            [] {});
      }
      return list;
    });
  }

  Result<RunList> live_runs(const RunFilter& filter, std::size_t limit,
                            std::string_view cursor) override {
    const auto after = read_run_cursor(cursor);
    if (!after) return tl::make_unexpected(after.error());
    return look([&] {
      RunSearch search{filter, limit};
      // False: the list is full.
      const auto take = [&](const UnfoldedRuns::Name& name, std::string_view body) {
        bool more = true;
        read_row([&] { more = search.take(intact(decode_run(name.second, name.first, body))); },
                 [] {});
        return more;
      };
      UnfoldedRuns unfolded{overlay_, *after};
      // Those before `end`; null: all.
      const auto take_unfolded = [&](const UnfoldedRuns::Name* end) {
        for (; unfolded.next() && (!end || *unfolded.next() < *end); unfolded.pop())
          if (!take(*unfolded.next(), overlay_.runs.find(unfolded.next()->second)->body))
            return false;
        return true;
      };
      auto rows = all_live_(after->first, after->second);
      while (rows.next()) {
        const UnfoldedRuns::Name name{{rows.number(0)}, {rows.number(1)}};
        if (!take_unfolded(&name)) return search.list();
        if (overlay_.runs.find(name.second) == nullptr && !take(name, rows.bytes(2)))
          return search.list();
      }
      (void)take_unfolded(nullptr);
      return search.list();
    });
  }

  Result<std::vector<LedgerRow>> ledger(ContactKey contact) override {
    return look([&] {
      std::map<std::pair<ScenarioKey, bool>, LedgerRow> found;
      const auto put = [&](ScenarioKey scenario, bool test, std::string_view body) {
        read_row(
            [&] {
              found.insert_or_assign({scenario, test},
                                     intact(decode_ledger(scenario, {}, test, body)));
            },
            [] {});
      };
      {
        auto rows = ledger_(contact);
        while (rows.next())
          read_row([&] { put({rows.small_number(0)}, rows.number(1) != 0, rows.bytes(2)); }, [] {});
      }
      for (const ScenarioKey scenario : overlay_.ledger.scenarios)
        for (const bool test : {false, true}) {
          const auto* row = overlay_.ledger.find(
              {.contact = contact, .scenario = scenario, .key = {}, .test = test});
          if (row == nullptr) continue;
          found.erase({scenario, test});
          if (!row->body.empty()) put(scenario, test, row->body);
        }
      std::vector<LedgerRow> ledger;
      ledger.reserve(found.size());
      for (auto& [name, row] : found) ledger.push_back(std::move(row));
      return ledger;
    });
  }

  Result<ContactList> contacts(ContactKey after, std::size_t limit) override {
    limit = std::min(limit, kRowsMax);
    return look([&] {
      ContactList list;
      std::size_t bytes = 0;
      // False: there is no room for it on the page. One that cannot be read still has its place in
      // the list, by its number alone: a page that is empty would be taken for the end.
      const auto add = [&](ContactKey key, std::string_view body, std::string_view engaged) {
        bytes += body.size() + engaged.size();
        list.more = list.contacts.size() == limit || (bytes > kPageBytes && !list.contacts.empty());
        if (list.more) return false;
        Contact contact{.key = key};
        Engagement engagement;
        read_row(
            [&] {
              if (!engaged.empty()) engagement = intact(decode_engagement(engaged));
              contact = intact(decode_contact(key, body));
            },
            [] {});
        list.contacts.emplace_back(std::move(contact), std::move(engagement));
        return true;
      };
      // Those before `end` that are not in the tables yet. It walks over the keys that exist: a
      // damaged row may have any number, so the numbers between two rows cannot be counted.
      auto unfolded = overlay_.contacts.keys.upper_bound(after);
      const auto add_unfolded = [&](ContactKey end) {
        for (; unfolded != overlay_.contacts.keys.end() && *unfolded < end; ++unfolded) {
          const auto* row = overlay_.contacts.find(*unfolded);
          if (row->body.empty()) continue;
          const auto* engaged = overlay_.engagements.find(*unfolded);
          if (!add(*unfolded, row->body, engaged ? engaged->body : std::string_view{}))
            return false;
        }
        return true;
      };
      auto rows = contacts_(column_of(after.value), kContactMax);
      while (rows.next()) {
        const ContactKey key{rows.number(0)};
        if (!add_unfolded(key)) return list;
        if (unfolded != overlay_.contacts.keys.end() && *unfolded == key) ++unfolded;
        const auto* row = overlay_.contacts.find(key);
        if (row && row->body.empty()) continue;
        const auto* engaged = overlay_.engagements.find(key);
        if (!add(key, row ? row->body : rows.bytes(1), engaged ? engaged->body : rows.bytes(2)))
          return list;
      }
      (void)add_unfolded({kContactMax});
      return list;
    });
  }

 private:
  /// What `ask` finds in one snapshot.
  template <class Ask>
  Result<std::invoke_result_t<Ask>> look(Ask ask) {
    return guarded([&]() -> Result<std::invoke_result_t<Ask>> {
      if (held_) return ask();
      const ReadScope scope{begin_, commit_};
      journal_.catch_up();
      return ask();
    });
  }

  // Those at `place` before `before`, the newest ones, at least `limit` and one if there are.
  void add_unfolded(const DeliveryLayer::Place& place, DeliveryKey before, std::size_t limit,
                    std::vector<DeliveryKey>& keys) {
    const auto unfolded = overlay_.deliveries.at.find(place);
    if (unfolded == overlay_.deliveries.at.end()) return;
    auto key = unfolded->second.lower_bound(before);
    for (std::size_t found = 0; found <= limit && key != unfolded->second.begin(); ++found)
      keys.push_back(*--key);
  }
  /// Behind `floor`.
  void add_folded(const DeliveryLayer::Place& place, DeliveryKey floor, DeliveryKey before,
                  std::size_t limit, std::vector<DeliveryKey>& keys) {
    std::size_t found = 0;
    auto rows =
        deliveries_(place.scenario, place.node, place.state, floor, column_of(before.value));
    while (found <= limit && rows.next()) {
      const DeliveryKey key{rows.number(0)};
      if (overlay_.deliveries.find(key) != nullptr) continue;
      keys.push_back(key);
      ++found;
    }
  }

  void add_delivery(DeliveryKey key, DeliveryList& list) {
    const auto add = [&](std::string_view body) {
      read_row([&] { list.deliveries.push_back(intact(decode_delivery(key, body))); }, [] {});
    };
    if (const auto* row = overlay_.deliveries.find(key)) return add(row->body);
    if (auto rows = delivery_(key); rows.next()) add(rows.bytes(0));
  }

  std::unique_ptr<SQLite::Database> database_;
  Query begin_, commit_;
  std::optional<ReadScope> held_;
  UnreadableRows unreadable_;  ///< Left out of lists; the writer's store reports them.
  Tables tables_;
  Overlay overlay_;
  JournalFollower journal_;
  Newest newest_;
  Query live_, ended_, deliveries_, delivery_, activity_, activity_of_, all_live_, ledger_,
      contacts_;
};
}  // namespace

Result<std::unique_ptr<ReadModel>> open_sqlite_reader(const std::filesystem::path& file) {
  return guarded([&]() -> Result<std::unique_ptr<ReadModel>> {
    return std::make_unique<SqliteReader>(open_readonly(file));
  });
}
}  // namespace onward
