#include "engine/store/sqlite_reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "engine/store/codec.h"
#include "engine/store/cursor.h"
#include "engine/store/database.h"
#include "engine/store/tables.h"

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

class SqliteReader final : public StoreReader {
 public:
  explicit SqliteReader(std::unique_ptr<SQLite::Database> database)
      : database_{std::move(database)},
        begin_{*database_, "BEGIN"},
        commit_{*database_, "COMMIT"},
        tables_{*database_, unreadable_},
        live_{*database_,
              "SELECT run, body FROM runs_live WHERE contact = ? AND run < ?"
              " ORDER BY run DESC LIMIT ?"},
        ended_{*database_,
               "SELECT key, body FROM runs INDEXED BY runs_contact WHERE contact = ? AND key < ?"
               " ORDER BY key DESC LIMIT ?"},
        deliveries_{*database_,
                    "SELECT key, body FROM deliveries INDEXED BY deliveries_node"
                    " WHERE scenario = ? AND node = ? AND state = ? AND key < ?"
                    " ORDER BY key DESC LIMIT ?"},
        activity_{*database_,
                  "SELECT id, body FROM activity WHERE id < ? ORDER BY id DESC LIMIT ?"},
        activity_of_{*database_,
                     "SELECT id, body FROM activity INDEXED BY activity_scenario"
                     " WHERE scenario = ? AND id < ? ORDER BY id DESC LIMIT ?"},
        all_live_{*database_,
                  "SELECT contact, run, body FROM runs_live WHERE (contact, run) > (?, ?)"
                  " ORDER BY contact, run"},
        ledger_{*database_,
                "SELECT scenario, test, body FROM ledger WHERE contact = ?"
                " ORDER BY scenario, test"},
        contacts_{*database_,
                  "SELECT key, body, engagement FROM contacts WHERE key > ? AND body IS NOT NULL"
                  " ORDER BY key LIMIT ?"} {}

  Result<std::optional<std::string>> version_text(ScenarioKey scenario, Version version) override {
    return guarded([&]() -> Result<std::optional<std::string>> {
      const ReadScope scope{begin_, commit_};
      return version_text_of(*database_, scenario, version);
    });
  }

  Result<IdentityMatch> identify(const IdentityQuery& query) override {
    return guarded([&]() -> Result<IdentityMatch> {
      const ReadScope scope{begin_, commit_};
      IdentityMatch match;
      if (!query.id.empty()) match.by_id = tables_.holder_of_id(query.id);
      if (!query.email.empty())
        for (const ContactKey holder : tables_.holders_of_email(query.email, kHoldersMax))
          match.by_email.push_back({.contact = holder, .has_id = tables_.has_id(holder)});
      return match;
    });
  }

  Result<std::optional<std::pair<Contact, Engagement>>> contact(ContactKey key) override {
    using Answer = std::optional<std::pair<Contact, Engagement>>;
    return guarded([&]() -> Result<Answer> {
      Engagement engagement;
      auto contact = tables_.contact(key, &engagement);
      if (!contact) return Answer{};
      return Answer{std::pair{std::move(*contact), std::move(engagement)}};
    });
  }

  Result<RunList> runs(ContactKey contact, std::size_t limit, std::string_view cursor) override {
    const auto before = read_cursor(cursor);
    if (!before) return tl::make_unexpected(before.error());
    if (limit == 0) return RunList{};
    limit = std::min(limit, kRowsMax);
    return guarded([&]() -> Result<RunList> {
      const ReadScope scope{begin_, commit_};
      RunList list;
      for (Query* query : {&live_, &ended_}) {
        auto rows = (*query)(contact, column_of(*before), limit + 1);
        while (rows.next())
          read_row(
              [&] {
                list.runs.push_back(intact(decode_run({rows.number(0)}, contact, rows.bytes(1))));
              },
              [] {});
      }
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
    return guarded([&]() -> Result<DeliveryList> {
      const ReadScope scope{begin_, commit_};
      DeliveryList list;
      for (const DeliveryState wanted : {DeliveryState::Pending, DeliveryState::Accepted,
                                         DeliveryState::Failed, DeliveryState::Cancelled}) {
        if (state && *state != wanted) continue;
        auto rows = deliveries_(scenario, node, wanted, column_of(*before), limit + 1);
        while (rows.next())
          read_row(
              [&] {
                list.deliveries.push_back(intact(decode_delivery({rows.number(0)}, rows.bytes(1))));
              },
              [] {});
      }
      list.next = cut(list.deliveries, limit);
      return list;
    });
  }

  Result<std::optional<DeliveryDetail>> delivery(DeliveryKey key) override {
    return guarded([&]() -> Result<std::optional<DeliveryDetail>> {
      const ReadScope scope{begin_, commit_};
      auto delivery = tables_.delivery(key);
      if (!delivery) return std::optional<DeliveryDetail>{};
      return std::optional{
          DeliveryDetail{.delivery = *delivery,
                         .request = tables_.request(key),
                         .attempts = all_attempts(tables_.attempts(key), delivery->last)}};
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
      auto rows = of.empty() ? activity_(column_of(*before), limit + 1)
                             : activity_of_(of, column_of(*before), limit + 1);
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
    return guarded([&]() -> Result<RunList> {
      RunSearch search{filter, limit};
      auto rows = all_live_(after->first, after->second);
      while (rows.next()) {
        const ContactKey contact{rows.number(0)};
        bool full = false;
        read_row(
            [&] {
              full = !search.take(intact(decode_run({rows.number(1)}, contact, rows.bytes(2))));
            },
            [] {});
        if (full) break;
      }
      return search.list();
    });
  }

  Result<std::vector<LedgerRow>> ledger(ContactKey contact) override {
    return guarded([&]() -> Result<std::vector<LedgerRow>> {
      std::vector<LedgerRow> ledger;
      auto rows = ledger_(contact);
      while (rows.next())
        read_row(
            [&] {
              ledger.push_back(intact(
                  decode_ledger({rows.small_number(0)}, {}, rows.number(1) != 0, rows.bytes(2))));
            },
            [] {});
      return ledger;
    });
  }

  Result<ContactList> contacts(ContactKey after, std::size_t limit) override {
    limit = std::min(limit, kRowsMax);
    return guarded([&]() -> Result<ContactList> {
      const ReadScope scope{begin_, commit_};
      ContactList list;
      std::size_t bytes = 0;
      auto rows = contacts_(column_of(after.value), limit + 1);
      while (rows.next()) {
        bytes += rows.bytes(1).size() + rows.bytes(2).size();
        list.more = list.contacts.size() == limit || (bytes > kPageBytes && !list.contacts.empty());
        if (list.more) break;
        Engagement engagement;
        // One that cannot be read still has its place in the list, by its number alone: a page that
        // is empty would be taken for the end.
        Contact contact{.key = {rows.number(0)}};
        read_row(
            [&] {
              if (!rows.bytes(2).empty()) engagement = intact(decode_engagement(rows.bytes(2)));
              contact = intact(decode_contact({rows.number(0)}, rows.bytes(1)));
            },
            [] {});
        list.contacts.emplace_back(std::move(contact), std::move(engagement));
      }
      return list;
    });
  }

 private:
  std::unique_ptr<SQLite::Database> database_;
  Query begin_, commit_;
  UnreadableRows unreadable_;  ///< Left out of lists; the writer's store reports them.
  SharedTables tables_;
  Query live_, ended_, deliveries_, activity_, activity_of_, all_live_, ledger_, contacts_;
};
}  // namespace

Result<std::unique_ptr<StoreReader>> open_sqlite_reader(const std::filesystem::path& file) {
  return guarded([&]() -> Result<std::unique_ptr<StoreReader>> {
    return std::make_unique<SqliteReader>(open_readonly(file));
  });
}
}  // namespace onward
