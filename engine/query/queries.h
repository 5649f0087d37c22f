#pragma once
// Lists for people, read from the folded tables on a connection and a thread of their own.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/control/filters.h"
#include "engine/control/recent_log.h"
#include "engine/control/scenario_book.h"
#include "engine/core/base/log_record.h"
#include "engine/query/pages.h"
#include "engine/store/read_model.h"

namespace onward {
/// Names of scenarios and nodes by number. Immutable; made anew when a scenario changes.
struct Directory {
  struct Scenario {
    std::string id;
    std::shared_ptr<const NodeNames> nodes;  ///< Never null.
  };
  std::map<ScenarioKey, Scenario> scenarios;
  std::map<std::string, ScenarioKey, std::less<>> by_id;

  std::string scenario(ScenarioKey key) const;
  std::string node(ScenarioKey key, NodeNumber number) const;
};
std::shared_ptr<const Directory> make_directory(const ScenarioBook& book);

Result<RunPage> query_runs(ReadModel& reader, const Directory& directory, const ContactName& who,
                           std::size_t limit, std::string_view cursor);
Result<RunPage> query_live_runs(ReadModel& reader, const Directory& directory,
                                const RunQuery& which, std::size_t limit, std::string_view cursor);
/// A search that finds few stops after a while: a page may be short, or empty, and go on.
Result<DeliveryPage> query_deliveries(ReadModel& reader, const Directory& directory,
                                      const DeliveryQuery& which, std::size_t limit,
                                      std::string_view cursor);
Result<LogPage> query_logs(ReadModel& reader, const RecentLog& recent, const std::string& scenario,
                           std::optional<Instant> since, std::size_t limit,
                           std::string_view cursor);
/// The store's filter; an error where there is no such scenario or node.
Result<ReadModel::RunFilter> filter_of(const Directory& directory, const RunQuery& which);
Result<DeliveryView> query_delivery(ReadModel& reader, const Directory& directory, DeliveryKey key);

Result<ContactPage> query_contacts(ReadModel& reader, const std::string& group, std::size_t limit,
                                   std::string_view cursor);

/// Runs queries one after another on its own thread. Those that wait together see one snapshot of
/// the store, as of a moment after all of them were asked.
class ReaderThread {
 public:
  using Query = std::function<void(ReadModel&)>;
  explicit ReaderThread(std::unique_ptr<ReadModel> reader, LogSink log = {});
  ~ReaderThread() { join(); }
  /// From now on each read that a query makes, also the query that runs, is answered with the error
  /// `stopping`, so that it ends soon. Each query that waits is still called; one that is asked
  /// later is destroyed.
  void stop();
  /// Stops, and waits for the end of the queries.
  void join();
  /// Any thread.
  void ask(Query query);

 private:
  void run();

  std::atomic<bool> stopping_{false};  // `reader_` refers to it
  std::unique_ptr<ReadModel> reader_;
  const LogSink log_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Query> waiting_;
  std::thread thread_;  // last: starts when all else stands
};
}  // namespace onward
