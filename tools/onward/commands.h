#pragma once
// The client commands: each one call or a few, its result printed. They answer the exit code.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/placeholders.h"
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

struct DeliveriesOptions {
  std::string scenario, node, state;
  std::int64_t limit = 50;
  std::string cursor;
};
int run_deliveries(const ClientOptions& client, const DeliveriesOptions& options);
int run_delivery(const ClientOptions& client, const std::string& id);

struct GraphOptions {
  std::string scenario;         ///< A file, or an id on the server.
  std::string format = "text";  ///< text, mermaid or dot
  bool test = false;            ///< Numbers of test traffic instead of live.
  bool plain = false;           ///< No numbers.
};
int run_graph(const ClientOptions& client, const GraphOptions& options);

/// `file` adds the names that it uses; empty: none.
int run_placeholders(const std::string& file, bool json);
std::string placeholders_text(const std::vector<PlaceholderInfo>& infos, std::size_t width,
                              bool colour);
}  // namespace onward
