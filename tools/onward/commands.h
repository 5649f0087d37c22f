#pragma once
// The client commands: each one call or a few, its result printed. They answer the exit code.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/base/styled_text.h"
#include "engine/core/base/time.h"
#include "engine/core/template/placeholders.h"
#include "tools/onward/client.h"

namespace onward {
struct ApplyOptions {
  std::vector<std::string> files;  ///< And folders; "-" is standard input.
  bool keep_going = false;         ///< Apply those that are right, though others are not.
  bool migrate = false;
  std::vector<std::string> map;  ///< "old=new"
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

struct ScenariosOptions {
  std::string sort = "name";
  bool reverse = false;
  std::string state;  ///< Empty: all.
};
int run_scenarios(const ClientOptions& client, const ScenariosOptions& options = {});
/// The list as a table, at most `width` columns wide; empty where there is none.
StyledText scenarios_text(const Value& answer, std::size_t width);

struct PlanOptions {
  std::vector<std::string> files;  ///< And folders; "-" is standard input.
  std::vector<std::string> map;    ///< "old=new"
  bool detailed_exitcode = false;
};
int run_plan(const ClientOptions& client, const PlanOptions& options);
int run_versions(const ClientOptions& client, const std::string& scenario);
struct DiffOptions {
  std::string scenario;
  std::string from, to;  ///< Numbers of versions, or a file.
};
int run_diff(const ClientOptions& client, const DiffOptions& options);
struct PurgeOptions {
  std::string scenario;
  bool yes = false;
};
int run_purge(const ClientOptions& client, const PurgeOptions& options);
/// `version` 0 is the newest.
int run_show(const ClientOptions& client, const std::string& scenario, std::int64_t version);
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
StyledText stats_text(const Value& stats, bool test, std::size_t width);

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
  std::string report;          ///< A file for what is refused; empty: none.
  bool quiet = false;          ///< No progress.
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
/// What `secret set` and `credential set` say of hosts.
struct HostOptions {
  std::vector<std::string> hosts;  ///< Empty: as they are.
  bool any = false;                ///< Every host.
  bool keep = false;               ///< The value stays; it is not asked for.
};
struct SecretOptions {
  std::string name;
  HostOptions hosts;
  std::string from;       ///< A file; empty: standard input, or asked for on a terminal.
  bool rotate = false;    ///< The old value signs on beside the new one.
  bool drop_old = false;  ///< Ends that.
  bool generate = false;  ///< A signing secret is made, and printed once.
};
int run_secret_set(const ClientOptions& client, const SecretOptions& options);
int run_secret_list(const ClientOptions& client);
struct RemoveSecretOptions {
  std::string name;
  bool force = false;
};
int run_secret_remove(const ClientOptions& client, const RemoveSecretOptions& options);
int run_rekey(const ClientOptions& client);

struct CredentialOptions {
  std::string name, from;
  HostOptions hosts;
  std::string basic;  ///< The username.
  bool bearer = false;
  std::string header;  ///< The header's name.
};
int run_credential_set(const ClientOptions& client, const CredentialOptions& options);
int run_credential_list(const ClientOptions& client);
int run_credential_remove(const ClientOptions& client, const RemoveSecretOptions& options);

struct WebhookTestOptions {
  std::string what;  ///< A scenario's id, or a file, which is tested from here.
  std::string node;
  // Of a file alone.
  std::vector<std::string> secret_files;  ///< "NAME=FILE"
  std::vector<std::string> allow_hosts, allow_networks;
  std::string ca_file;
  bool https_only = false;
  std::int64_t account_id = 1;
};
/// The exit code is kExitData where the receiver did not accept.
int run_webhook_test(const ClientOptions& client, const WebhookTestOptions& options);
/// What came of it, in a few lines.
StyledText webhook_test_text(const Value& answer);

struct ContactImportOptions {
  std::string file;    ///< "-" is standard input.
  std::string format;  ///< "csv", "ndjson"; empty: by the file's name, else its beginning.
  std::vector<std::string> map;  ///< "E-mail=email"
  std::string map_file;          ///< YAML or JSON: header to field.
  std::string delimiter;         ///< Empty: found in the header.
  std::vector<std::string> groups;
  std::string empty = "leaves";  ///< What an empty cell does: "leaves" or "clears".
  bool ignore_unmapped = false, raw = false, trigger = false, dry_run = false, quiet = false;
  std::string report;          ///< A file for what is refused; empty: none.
  std::int64_t chunk = 1'000;  ///< Contacts in one post.
};
int run_contact_import(const ClientOptions& client, const ContactImportOptions& options);

struct ContactExportOptions {
  std::string format = "csv";
  std::vector<std::string> fields;  ///< Each may be several, separated by commas.
  std::string group, out, delimiter;
  bool statistics = false, raw = false, quiet = false;
};
int run_contact_export(const ClientOptions& client, const ContactExportOptions& options);

struct ContactListOptions {
  std::string group, cursor;
  std::int64_t limit = 50;
};
int run_contact_list(const ClientOptions& client, const ContactListOptions& options);
int run_contact_forget(const ClientOptions& client, const std::string& contact, bool yes);

int run_clock_show(const ClientOptions& client);
int run_clock_accept(const ClientOptions& client);
int run_resume_sending(const ClientOptions& client, bool yes);

struct FieldOptions {
  std::string name, type = "text", summary;
};
int run_field_declare(const ClientOptions& client, const FieldOptions& options);
int run_fields(const ClientOptions& client);
int run_field_remove(const ClientOptions& client, const std::string& name);

struct TokenOptions {
  std::string name, role;
  std::string expires;  ///< "90d" from now, a day or a time; empty: never.
};
/// Prints the token, which nobody can ask for again.
int run_token_create(const ClientOptions& client, const TokenOptions& options);
int run_token_list(const ClientOptions& client);
int run_token_revoke(const ClientOptions& client, const std::string& name);
/// "90d" from `now`, a day or an instant, as RFC 3339; an error says what --expires wants.
Result<std::string> end_of(const std::string& text, Instant now);

struct GraphOptions {
  std::string scenario;         ///< A file, or an id on the server.
  std::string format = "text";  ///< text, mermaid or dot
  bool test = false;            ///< Numbers of test traffic instead of live.
  bool plain = false;           ///< No numbers.
};
int run_graph(const ClientOptions& client, const GraphOptions& options);

/// `file` adds the names that it uses; empty: none.
int run_placeholders(const std::string& file, bool json);
StyledText placeholders_text(const std::vector<PlaceholderInfo>& infos, std::size_t width);
}  // namespace onward
