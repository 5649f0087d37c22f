#include "tools/onward/serve.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "engine/api/access.h"
#include "engine/api/intake_check.h"
#include "engine/api/server.h"
#include "engine/core/base/clipped.h"
#include "engine/core/base/log_record.h"
#include "engine/core/base/printable.h"
#include "engine/core/source/diagnostic.h"
#include "engine/core/source/suggestion.h"
#include "engine/delivery/curl_http_client.h"
#include "engine/guard/bus_errors.h"
#include "engine/guard/guarded.h"
#include "engine/host/log_writer.h"
#include "engine/host/runtime.h"
#include "engine/net/url.h"
#include "engine/secrets/regular_file.h"
#include "engine/store/sqlite/sqlite_store.h"
#include "tools/onward/allow_file.h"
#include "tools/onward/descriptors.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/first_token.h"
#include "tools/onward/server_file.h"

namespace onward {
namespace fs = std::filesystem;
namespace {
constexpr std::size_t kTokenLengthMin = 16;
constexpr Duration kDoorPatience = std::chrono::seconds{5};

/// How long the end of the server waits for a log that is not read.
constexpr Duration kLogPatience = std::chrono::seconds{1};

/// Standard error, for the whole run. A reader that does not read delays the end by `kLogPatience`,
/// and nothing else. Also for the other lines of `serve`: none of them may block.
class Log {
 public:
  explicit Log(const ServeOptions& options)
      : json_{options.json_log},
        writer_{std::make_shared<LogWriter>(
            LogWriterOptions{.descriptor = STDERR_FILENO,
                             .least = options.quiet ? LogLevel::Warning : LogLevel::Info,
                             .json = options.json_log})} {}
  ~Log() { writer_->close(kLogPatience); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void operator()(const LogRecord& record) const { writer_->add(record, system_clock().now()); }
  LogSink sink() const {
    return [to = writer_](const LogRecord& record) { to->add(record, system_clock().now()); };
  }
  std::function<std::uint64_t()> dropped() const {
    return [of = writer_] { return of->dropped(); };
  }
  /// Standard output has a reader of its own, which need not wait for that of standard error.
  void print(std::string line) const {
    pollfd target{.fd = STDOUT_FILENO, .events = POLLOUT};
    const std::string text = line + '\n';
    const bool at_once =
        text.size() <= PIPE_BUF && ::poll(&target, 1, 0) == 1 && (target.revents & POLLOUT) != 0;
    if (at_once && ::write(STDOUT_FILENO, text.data(), text.size()) >= 0) return;
    writer_->add_line(std::move(line), STDOUT_FILENO);
  }

  /// Says why the server ends, in the form of the log; answers `code`.
  int end_over(std::string_view event, const std::string& message, int code) const {
    if (json_)
      (*this)({event, {{"message", message}, {"exit_code", count_value(code)}}, LogLevel::Error});
    else
      writer_->add_line(printable(fmt::format("onward: {}", message)));
    return code;
  }

 private:
  const bool json_;
  const std::shared_ptr<LogWriter> writer_;
};

/// An exception that nothing may catch (see engine/guard/guarded.h) ends the process, and this
/// line says which one. Written directly, since the thread may hold any lock, and only where
/// standard error takes it within a second: a log that nobody reads must not keep the process.
bool json_log_at_end = false;
[[noreturn]] void log_and_abort() {
  const std::string what = std::current_exception() ? describe_exception() : "no exception";
  const LogRecord record{"process.terminated", {{"message", what}}, LogLevel::Error};
  const Instant now = system_clock().now();
  const std::string text =
      (json_log_at_end ? to_json_line(record, now) : to_line(record, now)) + '\n';
  pollfd target{.fd = STDERR_FILENO, .events = POLLOUT};
  if (::poll(&target, 1, /*milliseconds=*/1000) == 1) [[maybe_unused]]
    const ssize_t written =
        ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
  std::abort();
}

/// The log line of `end_over_bus_error`, made beforehand: a signal handler may not make one.
char bus_error_line[512];
std::size_t bus_error_size = 0;
/// A mapped file was cut while the server used it: the index of SQLite's write-ahead log. What is
/// committed stands in the log, and the next start makes the index again.
void end_over_bus_error() {
  pollfd target{.fd = STDERR_FILENO, .events = POLLOUT};
  if (::poll(&target, 1, /*milliseconds=*/1000) == 1) [[maybe_unused]]
    const ssize_t written = ::write(STDERR_FILENO, bus_error_line, bus_error_size);
  ::_exit(kExitIo);
}
void prepare_bus_error_line(const ServeOptions& options) {
  const std::string message = fmt::format(
      "a file that the server has mapped was cut or cannot be read: {}. Nothing that was "
      "acknowledged is lost; start the server again",
      clipped((fs::path{options.data} / "onward.db-shm").string(), 200));
  const LogRecord record{"process.terminated", {{"message", message}}, LogLevel::Error};
  const std::string text = (options.json_log ? to_json_line(record, system_clock().now())
                                             : to_line(record, system_clock().now())) +
                           '\n';
  bus_error_size = text.copy(bus_error_line, sizeof bus_error_line);
  on_bus_error(&end_over_bus_error);
}

/// Values of secrets are in memory, and a core would show them to whoever reads it. A program that
/// takes cores through a pipe is not held to the limit, so there is none to take.
void forbid_cores() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#ifndef ONWARD_SANITIZED_ADDRESSES  // Its search for leaks looks at the process from outside.
  ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

/// Signals whose default is to end the process, though nothing is wrong with it: a closed
/// connection, a file that has reached the limit on its size (writing then fails with EFBIG, which
/// is treated as a full disk), processor time beyond a soft limit, and signals of timers, profilers
/// and operators that mean nothing to a server.
void ignore_harmless_signals() {
  for (const int which :
       {SIGPIPE, SIGXFSZ, SIGXCPU, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGSTKFLT})
    ::signal(which, SIG_IGN);
}

/// SIGTERM, SIGINT and SIGPWR end the server in order; SIGHUP has it read its files again, also
/// where it was meant to say that the terminal is gone. All are taken by `wait` alone and blocked
/// in all threads, so construct it before any is started: none of them ends a start in its middle.
class Signals {
 public:
  Signals() {
    ignore_harmless_signals();
    sigemptyset(&set_);
    for (const int which : {SIGTERM, SIGINT, SIGPWR, SIGHUP}) sigaddset(&set_, which);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    ::signal(SIGHUP, SIG_DFL);  // One that is ignored, as by nohup, would never be seen.
  }
  /// Returns when the server is to end. `reload` is called for each SIGHUP before.
  template <class Reload>
  void wait(Reload reload) const {
    for (;;) {
      int which = 0;
      if (::sigwait(&set_, &which) != 0) continue;
      if (which != SIGHUP) return;
      reload();
    }
  }
  /// From now on one more signal to end ends the process where it stands; nothing acknowledged is
  /// lost. SIGHUP has no effect any more.
  void hurry() const {
    struct sigaction action {};
    action.sa_handler = [](int) { ::_exit(kExitTemp); };
    sigset_t ending;
    sigemptyset(&ending);
    for (const int which : {SIGTERM, SIGINT}) {
      ::sigaction(which, &action, nullptr);
      sigaddset(&ending, which);
    }
    ::pthread_sigmask(SIG_UNBLOCK, &ending, nullptr);
  }
  /// Wakes `wait` as a signal would.
  static void raise() { ::kill(::getpid(), SIGTERM); }

 private:
  sigset_t set_{};
};

/// Refuses a token that can be guessed, and tells of a file that opens no door: the command line
/// would be sent away without a word of why.
Status check_token_file(const Runtime& runtime, const fs::path& file, bool store_has_tokens,
                        const Log& log) {
  const auto token = read_token_file(file);
  if (token && token->size() < kTokenLengthMin)
    return fail(ErrorKind::Invalid, "weak_token",
                fmt::format("The token in {} can be guessed: give it {} characters at least, or "
                            "take the file away before the first start and one is made.",
                            file.string(), kTokenLengthMin));
  if (!store_has_tokens || (token && runtime.shown().find_token(sha256_hex(*token)))) return {};
  log({"token.no_use",
       {{"file", file.string()},
        {"reason", token ? "this server does not know the token in it: it was revoked, or is of "
                           "another data folder"
                         : "it cannot be read"},
        {"hint", "commands on this machine need --token or ONWARD_TOKEN"}},
       LogLevel::Warning});
  return {};
}

/// libcurl finds out at the first request only, and then every one of them fails.
Status check_ca_file(const std::string& file) {
  if (file.empty()) return {};
  errno = 0;
  const OpenFile in = open_regular(file);
  if (!in)
    return fail(ErrorKind::Invalid, "bad_ca_file",
                fmt::format("Cannot read --ca-file {}: {}.", file, why_not_regular(errno)));
  const std::unique_ptr<X509, void (*)(X509*)> certificate{
      PEM_read_X509(in.get(), nullptr, nullptr, nullptr), &X509_free};
  if (certificate) return {};
  return fail(ErrorKind::Invalid, "bad_ca_file",
              fmt::format("--ca-file {} holds no certificate in PEM form.", file));
}

/// A secret as its file holds it, without the line's end.
Result<std::string> read_secret_file(const fs::path& file, const Log& log) {
  constexpr std::size_t kSecretMax = 4096;
  const OpenFile in = open_regular(file);
  auto read = read_at_most(in.get(), kSecretMax);
  if (!read)
    return fail(ErrorKind::Invalid, "bad_secret_file",
                fmt::format("Cannot read --intake-secret-file {}: {}.", file.string(),
                            why_not_regular(errno)));
  std::string text = std::move(*read);
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  if (text.size() < kIntakeSecretMin || text.size() > kSecretMax)
    return fail(ErrorKind::Invalid, "bad_secret_file",
                fmt::format("--intake-secret-file {} holds {} bytes; a secret has {} to {}.",
                            file.string(), text.size(), kIntakeSecretMin, kSecretMax));
  struct stat about {};
  if (::fstat(::fileno(in.get()), &about) == 0 && (about.st_mode & (S_IRGRP | S_IROTH)) != 0)
    log({"secret.readable_by_others",
         {{"file", file.string()}, {"hint", "chmod 600"}},
         LogLevel::Warning});
  return text;
}

/// "egoi=FILE" and so on, read.
Result<IntakeSecrets> read_intake_secrets(const std::vector<std::string>& given, const Log& log) {
  IntakeSecrets secrets;
  for (const std::string& pair : given) {
    const std::size_t equals = pair.find('=');
    const std::string adapter = pair.substr(0, equals);
    if (equals == std::string::npos || equals + 1 == pair.size())
      return fail(ErrorKind::Invalid, "bad_option",
                  fmt::format("--intake-secret-file wants ADAPTER=FILE, found \"{}\".", pair));
    const auto known = intake_adapters();
    if (std::find(known.begin(), known.end(), adapter) == known.end()) {
      const std::string nearest = nearest_name(adapter, known);
      return fail(ErrorKind::Invalid, "bad_option",
                  fmt::format("--intake-secret-file: there is no adapter \"{}\", only {}{}.",
                              adapter, fmt::join(known, ", "), perhaps(nearest)));
    }
    auto secret = read_secret_file(pair.substr(equals + 1), log);
    if (!secret) return tl::make_unexpected(secret.error());
    // A signature covers the body, not the path.
    const auto shared = std::find_if(secrets.begin(), secrets.end(), [&](const auto& other) {
      return other.first != adapter && other.second == *secret;
    });
    if (shared != secrets.end())
      log({"intake.shared_secret",
           {{"adapter", adapter},
            {"other", shared->first},
            {"hint",
             "a signed post to one of them passes at the other; give each adapter its own secret"}},
           LogLevel::Warning});
    secrets.emplace_back(adapter, *std::move(secret));
  }
  return secrets;
}

void fit_to_descriptors(ServeOptions& options, std::uint64_t limit, const Log& log) {
  const Openings wanted{.requests = options.webhooks.concurrency_total,
                        .callers = options.api.connections_max};
  const Openings fitting = fit_to(wanted, limit);
  if (fitting == wanted) return;
  options.webhooks.concurrency_total = fitting.requests;
  options.api.connections_max = fitting.callers;
  log({"descriptors.few",
       {{"descriptors", count_value(limit)},
        {"requests", count_value(fitting.requests)},
        {"callers", count_value(fitting.callers)},
        {"hint",
         "fewer requests and callers are served at once; allow more open files, such as "
         "LimitNOFILE=16384 of systemd or ulimit -n"}},
       LogLevel::Warning});
}

/// Everything that must outlive the server, which uses the runtime and so goes first.
struct Service {
  std::optional<AddressGuard> guard;  ///< Of webhook requests; there once the options are read.
  SharedIntakeSecrets intake_secrets;
  std::unique_ptr<Runtime> runtime;
  std::unique_ptr<Server> server;
  Announcement announcement;
};

bool has_tokens(const Service& service) {
  return !service.runtime->shown().tokens()->all().empty();
}

/// What the options allow, and the file that may be read again.
Result<AddressGuard> read_guard(const ServeWebhookOptions& options) {
  AddressGuard::Options allowed{options.allow_networks, options.allow_hosts};
  if (!options.allow_file.empty())
    if (Status read = read_allow_file(options.allow_file, allowed); !read)
      return tl::make_unexpected(std::move(read.error()));
  return AddressGuard::make(allowed);
}

/// See RuntimeOptions::refuses_origin.
std::string refused_origin(const AddressGuard& guard, bool https_only, std::string_view origin) {
  const auto url = parse_url(origin);
  if (!url) return {};
  if (https_only && url->scheme == "http") return "only https URLs may be called (--https-only)";
  return guard.refuse_unresolved(url->host, url->port);
}

std::unique_ptr<HttpClient> make_client(const ServeWebhookOptions& options,
                                        const AddressGuard& guard, WorkNote* note) {
  CurlOptions curl{.guard = guard};
  curl.user_agent = "Onward/" ONWARD_VERSION;
  curl.connections_max = options.concurrency_total;
  curl.https_only = options.https_only;
  curl.ca_file = options.ca_file;
  curl.note = note;
  return make_curl_client(curl);
}

Status open_engine(const ServeOptions& options, const NodeKinds& kinds, const Log& log,
                   Service& service) {
  const fs::path data{options.data};
  SqliteOptions sqlite;
  sqlite.folder = data;
  sqlite.dedupe_for = options.dedupe_for;
  sqlite.dedupe_memory = options.dedupe_memory;
  sqlite.log = log.sink();
  auto store = open_sqlite_store(sqlite);
  if (!store) return tl::make_unexpected(store.error());
  // The store's lock is held. Without the file the server does as well, until it crashes.
  std::shared_ptr<WorkingFile> working;
  if (auto file = WorkingFile::open(data / "working", ONWARD_VERSION))
    working = std::move(*file);
  else
    log({"working.unavailable", {{"reason", file.error().message}}, LogLevel::Warning});
  auto client =
      make_client(options.webhooks, *service.guard, working ? &working->deliver_note() : nullptr);

  ConcurrencyLimits limits;
  limits.total = options.webhooks.concurrency_total;
  limits.most = options.webhooks.concurrency_origin;
  limits.until_recorded = true;
  RuntimeOptions runtime;
  runtime.stopwatch = [] { return std::chrono::steady_clock::now().time_since_epoch(); };
  runtime.refuses_origin = [guard = *service.guard,
                            https_only = options.webhooks.https_only](std::string_view origin) {
    return refused_origin(guard, https_only, origin);
  };
  runtime.account_id = options.account_id;
  runtime.contact_bytes_max = options.contact_bytes_max;
  runtime.dedupe_for = options.dedupe_for;
  runtime.keep_bodies = options.keep_bodies;
  runtime.keep_runs = options.keep_runs;
  const char* key_file = std::getenv("ONWARD_KEY_FILE");
  runtime.own_key_file = !key_file || !*key_file;
  runtime.key_file = runtime.own_key_file ? data / "secret.key" : fs::path{key_file};
  runtime.log = log.sink();
  runtime.log_dropped = log.dropped();
  runtime.working = std::move(working);
  auto opened = Runtime::open(std::move(*store), kinds, std::move(client), limits, system_clock(),
                              std::move(runtime));
  if (!opened) return tl::make_unexpected(opened.error());
  service.runtime = std::move(*opened);
  service.runtime->on_failure([](const std::string&) { Signals::raise(); });
  return check_token_file(*service.runtime, data / "token", has_tokens(service), log);
}

/// An address as it stands in a URL.
std::string url_host(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

/// The name under which this machine reaches what listens on `address`.
std::string reachable_host(const std::string& address) {
  if (address == "0.0.0.0") return "127.0.0.1";
  if (address == "::") return "[::1]";
  return url_host(address);
}

/// Nothing given: null, plain HTTP.
Result<std::shared_ptr<const TlsContext>> read_tls(const ServeApiOptions& options) {
  if (options.tls_cert.empty() && options.tls_key.empty())
    return std::shared_ptr<const TlsContext>{};
  if (options.tls_cert.empty() || options.tls_key.empty())
    return fail(ErrorKind::Invalid, "bad_option",
                options.tls_key.empty() ? "--tls-cert wants --tls-key beside it."
                                        : "--tls-key wants --tls-cert beside it.");
  return TlsContext::make(options.tls_cert, options.tls_key);
}

/// Callers that look at the time of a certificate turn away by themselves, and say so nowhere here.
void warn_of_certificate(const ServeApiOptions& options, const Log& log) {
  const auto fault = certificate_time_fault(options.tls_cert, system_clock().now());
  if (!fault || fault->empty()) return;
  log({"tls.certificate",
       {{"file", options.tls_cert},
        {"reason", *fault},
        {"hint", "renew it; the new one is taken with SIGHUP, or at the next start"}},
       LogLevel::Warning});
}

/// How clients on this machine find what listens.
LocalServer local_server(const ServeOptions& options, const ListenAddress& listen,
                         const TlsContext* tls, std::uint16_t port) {
  const std::string host = reachable_host(listen.address);
  LocalServer server{.data = fs::absolute(options.data), .pid = ::getpid()};
  server.url =
      fmt::format("{}://{}:{}", tls ? "https" : "http", tls ? tls->name_for(host) : host, port);
  if (!tls) return server;
  server.certificate = fs::absolute(options.api.tls_cert).string();
  server.address = fmt::format("{}:{}", host, port);
  return server;
}

/// Takes the address: nothing is opened, or made, for a server that cannot have it.
Status take_address(const ServeApiOptions& options, const ListenAddress& listen,
                    const std::shared_ptr<const TlsContext>& tls, const LogSink& log,
                    Service& service) {
  ServerOptions api;
  api.log = log;
  api.address = listen.address;
  api.port = listen.port;
  api.no_auth = options.no_auth;
  api.connections_max = options.connections_max;
  api.intake_secrets = service.intake_secrets;
  api.tls = tls;
  auto bound = Server::bind(std::move(api));
  if (!bound) return tl::make_unexpected(bound.error());
  service.server = std::move(*bound);
  return {};
}

/// For clients on this machine.
void announce(const ServeOptions& options, const ListenAddress& listen, const TlsContext* tls,
              const Log& log, Service& service) {
  const std::uint16_t port = service.server->port();
  auto announced = Announcement::make(local_server(options, listen, tls, port), port);
  if (announced)
    service.announcement = std::move(*announced);
  else
    log({"server.not_announced", {{"reason", announced.error().message}}, LogLevel::Warning});
}

/// Callers can connect, and wait until the server starts. Whoever reads the port file finds the
/// token there already.
Status open_door(const ServeOptions& options, const ListenAddress& listen, const TlsContext* tls,
                 const Log& log, Service& service, FirstToken& first) {
  if (const Status opened = service.server->open(*service.runtime); !opened) return opened;
  if (const Status written = first.prepare(fs::path{options.data} / "token", has_tokens(service));
      !written)
    return written;
  const std::uint16_t port = service.server->port();
  if (!options.api.port_file.empty())
    if (const Status written = write_file(options.api.port_file, fmt::format("{}\n", port), 0644);
        !written)
      return written;
  announce(options, listen, tls, log, service);
  return {};
}

void tell_of_door(const ListenAddress& listen, bool tls, std::uint16_t port, const Log& log) {
  const std::string host = url_host(listen.address);
  // A closed output is not a failure of a server, and a blocked one does not stop it.
  log.print(fmt::format("listening on {}://{}:{}", tls ? "https" : "http", host, port));
  if (names_loopback(host) || tls) return;
  log({"server.public",
       {{"address", listen.address},
        {"hint",
         "whoever reaches this machine reaches it, and tokens travel in clear: give it --tls-cert "
         "and --tls-key, or put a TLS proxy in front"}},
       LogLevel::Warning});
}

/// Refuses what can never be a data folder, and files in it that can never be read or written as
/// such: another start would find them again.
Status check_folder(const fs::path& data) {
  const auto refused = [](const fs::path& path, std::string_view what) {
    return fail(ErrorKind::Invalid, "not_a_data_folder",
                fmt::format("{} {}; remove what is there, or name another folder with --data",
                            path.string(), what));
  };
  std::error_code error;
  struct stat about {};
  for (fs::path at = fs::absolute(data, error); at != at.root_path(); at = at.parent_path()) {
    if (::stat(at.c_str(), &about) != 0) continue;  // To be made, or seen by nobody.
    if (!S_ISDIR(about.st_mode)) return refused(at, "must be a folder");
    break;
  }
  for (const char* name : {"onward.db", "onward.db-wal", "onward.lock", "token"})
    if (::stat((data / name).c_str(), &about) == 0 && !S_ISREG(about.st_mode))
      return refused(data / name, "must be a regular file");
  return {};
}

/// What can refuse the start comes first. The engine, which sends what is pending, starts last: a
/// start that is refused, and tried again and again, sends nothing.
Status open_service(const ServeOptions& options, const ListenAddress& listen,
                    const std::shared_ptr<const TlsContext>& tls, const NodeKinds& kinds,
                    const Log& log, Service& service) {
  if (Status taken = take_address(options.api, listen, tls, log.sink(), service); !taken)
    return taken;
  if (Status opened = open_engine(options, kinds, log, service); !opened) return opened;
  FirstToken first;
  if (Status opened = open_door(options, listen, tls.get(), log, service, first); !opened) {
    first.remove_made();
    return opened;
  }
  service.runtime->start();
  if (Status issued = first.issue(*service.runtime); !issued) return issued;
  service.server->start();
  tell_of_door(listen, tls != nullptr, service.server->port(), log);
  return {};
}

/// How a start ends that is refused. What another start cannot mend has a code after which
/// tools/package/onward.service tries none: settings and rights, and a database that is not ours to
/// use as it is.
int refusal_code(const Error& error) {
  static constexpr std::array<std::string_view, 4> kForGood{"newer_schema", "not_ours", "damaged",
                                                            "foreign_schema"};
  if (std::ranges::find(kForGood, error.code) != kForGood.end()) return kExitConfig;
  if (error.kind == ErrorKind::Invalid || error.kind == ErrorKind::NotFound) return kExitConfig;
  if (error.kind == ErrorKind::Conflict) return kExitTemp;
  return exit_code_of(error.kind);
}

/// What a running server reads again when it gets SIGHUP.
struct ReloadableFiles {
  AddressGuard guard;
  IntakeSecrets intake_secrets;
  std::shared_ptr<const TlsContext> tls;  ///< Null: plain HTTP.
};

Result<ReloadableFiles> read_files(const ServeOptions& options, const Log& log) {
  auto guard = read_guard(options.webhooks);
  if (!guard) return tl::make_unexpected(std::move(guard.error()));
  auto secrets = read_intake_secrets(options.api.intake_secret_files, log);
  if (!secrets) return tl::make_unexpected(std::move(secrets.error()));
  auto tls = read_tls(options.api);
  if (!tls) return tl::make_unexpected(std::move(tls.error()));
  return ReloadableFiles{std::move(*guard), std::move(*secrets), std::move(*tls)};
}

/// All of them, or none where one cannot be used.
void reload(const ServeOptions& options, const ListenAddress& listen, const Log& log,
            Service& service) {
  auto files = guarded("serve.reload", log.sink(), [&] { return read_files(options, log); });
  if (!files)
    return log({"settings.not_reloaded",
                {{"reason", files.error().message},
                 {"hint", "everything stays as it was; correct the file and send SIGHUP again"}},
                LogLevel::Error});
  service.guard->replace(files->guard);
  service.intake_secrets.replace(std::move(files->intake_secrets));
  if (files->tls) {
    warn_of_certificate(options.api, log);
    service.server->replace_tls(files->tls);
    // Its names may be others, and clients on this machine ask for one of them.
    service.announcement = Announcement{};
    announce(options, listen, files->tls.get(), log, service);
  }
  if (const Status asked = service.runtime->recheck_blocked(); !asked)
    log({"settings.not_rechecked", {{"reason", asked.error().message}}, LogLevel::Warning});
  log({"settings.reloaded",
       {{"allow_file", options.webhooks.allow_file},
        {"intake_secret_files", count_value(options.api.intake_secret_files.size())},
        {"tls", !options.api.tls_cert.empty()}}});
}
}  // namespace

Result<ListenAddress> parse_listen(std::string_view text) {
  const auto wrong = [&] {
    return fail(
        ErrorKind::Invalid, "bad_listen",
        fmt::format("--listen wants ADDRESS:PORT such as 127.0.0.1:8787, found \"{}\".", text));
  };
  ListenAddress listen{"127.0.0.1", 0};
  const std::size_t colon = text.rfind(':');
  std::string_view port = text;
  if (colon != std::string_view::npos) {
    std::string_view address = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    else if (address.find(':') != std::string_view::npos)
      return wrong();  // IPv6 without its brackets: which colon is the last one?
    if (address.empty()) return wrong();
    listen.address = address;
  }
  const auto [end, fault] = std::from_chars(port.data(), port.data() + port.size(), listen.port);
  if (fault != std::errc{} || end != port.data() + port.size()) return wrong();
  return listen;
}

int run_serve(ServeOptions options, const NodeKinds& kinds) {
  const Signals signals;
  const Log log{options};
  json_log_at_end = options.json_log;
  prepare_bus_error_line(options);
  std::set_terminate(log_and_abort);
  const auto refused = [&](const Error& error, int code) {
    return log.end_over("server.refused", error.message, code);
  };
  const auto listen = parse_listen(options.api.listen);
  if (!listen) return refused(listen.error(), kExitUsage);
  for (const Status& sound : {check_ca_file(options.webhooks.ca_file), check_folder(options.data)})
    if (!sound) return refused(sound.error(), refusal_code(sound.error()));
  auto files = read_files(options, log);
  if (!files) return refused(files.error(), refusal_code(files.error()));
  if (files->tls) warn_of_certificate(options.api, log);
  forbid_cores();
  const std::uint64_t descriptors = raise_descriptor_limit();
  if (descriptors != 0 && descriptors < kDescriptorsMin)
    return refused(
        {ErrorKind::Unavailable, "few_descriptors",
         fmt::format("A server needs at least {} open files; the limit is {}. Raise it, such as by "
                     "LimitNOFILE=16384 of systemd or ulimit -n.",
                     kDescriptorsMin, descriptors)},
        kExitUnavailable);
  fit_to_descriptors(options, descriptors, log);
  Service service;
  service.guard = std::move(files->guard);
  service.intake_secrets.replace(std::move(files->intake_secrets));
  if (const Status opened = open_service(options, *listen, files->tls, kinds, log, service);
      !opened)
    return refused(opened.error(), refusal_code(opened.error()));
  log({"server.started",
       {{"version", ONWARD_VERSION},
        {"pid", ::getpid()},
        {"data", options.data},
        {"descriptors", count_value(descriptors)}}});

  signals.wait([&] { reload(options, *listen, log, service); });
  signals.hurry();
  const std::string failure = service.runtime->failure();
  log({"server.stopping", {}});
  const auto end = std::chrono::steady_clock::now() + options.patience;
  service.runtime->send_no_more();
  // Before the port is free for another program: see server_file.h.
  service.announcement = Announcement{};
  service.server->stop(std::min(kDoorPatience, options.patience));
  const auto left = std::chrono::ceil<Duration>(end - std::chrono::steady_clock::now());
  const Status stopped = service.runtime->stop(std::max(left, Duration{}));
  const auto failed = [&](const std::string& why, int code) {
    return log.end_over("server.failed", why, code);
  };
  if (!failure.empty()) return failed(failure, kExitIo);
  if (!stopped) return failed(stopped.error().message, exit_code_of(stopped.error().kind));
  log({"server.stopped", {}});
  return kExitOk;
}
}  // namespace onward
