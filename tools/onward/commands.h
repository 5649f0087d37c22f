#pragma once
// The client commands: each one call or a few, its result printed. They answer the exit code.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/time.h"
#include "tools/onward/client.h"

namespace onward {
struct ApplyOptions {
  std::vector<std::string> files;  ///< "-" is standard input.
};
int run_apply(const ClientOptions& client, const ApplyOptions& options);

struct ActivateOptions {
  std::string scenario;
  std::vector<std::string> test_emails;
};
int run_activate(const ClientOptions& client, const ActivateOptions& options);

int run_hold(const ClientOptions& client, const std::string& scenario);

struct ArchiveOptions {
  std::string scenario;
  bool cancel_pending = false;
};
int run_archive(const ClientOptions& client, const ArchiveOptions& options);

struct DuplicateOptions {
  std::string scenario, new_id;
};
int run_duplicate(const ClientOptions& client, const DuplicateOptions& options);

int run_scenarios(const ClientOptions& client);
int run_show(const ClientOptions& client, const std::string& scenario);
int run_delete(const ClientOptions& client, const std::string& scenario);

struct StatsOptions {
  std::string scenario;
  std::int64_t version = 0;  ///< 0: all together.
  bool test = false;         ///< Test traffic instead of live.
  bool watch = false;
  std::int64_t interval_s = 2;
};
int run_stats(const ClientOptions& client, const StatsOptions& options);
/// The numbers as a table, at most `width` columns wide.
std::string stats_text(const Value& stats, bool test, std::size_t width, bool colour);

struct SendOptions {
  std::string what;  ///< An event type, a JSON object, or "-" for one on standard input.
  std::string id, source, at;
  std::string contact_id, email;
  std::vector<std::string> set;   ///< "first_name=Jane"
  std::vector<std::string> data;  ///< "form=newsletter"
  bool history = false;
};
int run_send(const ClientOptions& client, const SendOptions& options);
/// The event that the flags describe; refused where they contradict each other.
Result<Value> event_from(const SendOptions& options);

struct ImportOptions {
  std::string file;  ///< "-" is standard input.
  bool history = false;
  std::int64_t chunk = 1'000;  ///< Lines in one post.
};
int run_import(const ClientOptions& client, const ImportOptions& options);

int run_contact(const ClientOptions& client, const std::string& contact);
struct RunsOptions {
  std::string contact;
  std::int64_t limit = 20;
};
int run_runs(const ClientOptions& client, const RunsOptions& options);

/// Which deliveries; empty: any. Times are RFC 3339, a day, or how long ago ("2h").
struct DeliveryFilter {
  std::string scenario, node, state, since, until, code;
};
struct DeliveriesOptions {
  DeliveryFilter filter;
  std::int64_t limit = 50;
  std::string cursor;
};
int run_deliveries(const ClientOptions& client, const DeliveriesOptions& options);
int run_delivery(const ClientOptions& client, const std::string& id);

struct ByHandOptions {
  std::vector<std::string> ids;  ///< Or a filter.
  DeliveryFilter filter;
  bool yes = false;  ///< Not asked again.
};
/// `act` is "retry" or "cancel".
int run_by_hand(const ClientOptions& client, const std::string& act, const ByHandOptions& options);

struct NodeOptions {
  std::string scenario, node;
};
int run_switch(const ClientOptions& client, const NodeOptions& options, bool pause);

struct LiveRunsOptions {
  std::string scenario, node, state, reason;
  std::int64_t limit = 50;
  std::string cursor;
};
int run_live_runs(const ClientOptions& client, const LiveRunsOptions& options);
struct ResumeOptions {
  std::vector<std::string> runs;  ///< Or:
  std::string scenario, node, reason;
};
int run_resume(const ClientOptions& client, const ResumeOptions& options);

struct LogsOptions {
  std::string scenario, since;
  std::int64_t limit = 50;
  bool follow = false;
};
int run_logs(const ClientOptions& client, const LogsOptions& options);

/// "2h" ago, a day or an instant, as RFC 3339; an error says what `flag` wants.
Result<std::string> when_of(const std::string& text, std::string_view flag, Instant now);
}  // namespace onward
