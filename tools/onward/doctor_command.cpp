// doctor: looks at everything, tells it, changes nothing.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <system_error>

#include "engine/host/runtime.h"
#include "tools/onward/backup.h"
#include "tools/onward/client.h"
#include "tools/onward/doctor.h"
#include "tools/onward/exit_codes.h"
#include "tools/onward/server_file.h"
#include "tools/onward/terminal.h"

namespace onward {
namespace {
std::string_view word_of(Grade grade) {
  switch (grade) {
    case Grade::Sound:
      return "sound";
    case Grade::Warning:
      return "warning";
    case Grade::Fault:
      return "fault";
  }
  return "fault";
}

std::size_t count(const Findings& findings, Grade grade) {
  return static_cast<std::size_t>(std::ranges::count(findings, grade, &Finding::grade));
}

/// Whether the server that works on `data` made itself known.
bool is_known(const std::filesystem::path& data) {
  return std::ranges::any_of(local_servers(), [&](const LocalServer& server) {
    std::error_code error;
    return std::filesystem::equivalent(server.data, data, error);
  });
}

/// Found and believed as every command does.
Findings ask(const ClientOptions& server) {
  const Client client{server};
  Findings found = examine_server(client.server(), client.way());
  // Of a server on this machine the file is known.
  for (const LocalServer& local : local_servers())
    if (!local.certificate.empty() && local.address == client.way().address)
      found.push_back(examine_certificate(local.certificate, system_clock().now()));
  return found;
}

Findings examine(const std::filesystem::path& data, const std::string& ca) {
  const char* key_file = std::getenv("ONWARD_KEY_FILE");
  pid_t owner = 0;
  Findings all =
      examine_store(data, key_file && *key_file ? key_file : "", system_clock().now(), owner);
  const auto take = [&](Findings more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
  };
  // Where one cannot look in, nothing that is not seen is sound.
  if (::access(data.c_str(), R_OK | X_OK) == 0) take(examine_machine(data, owner));
  if (owner == 0) return all;
  if (is_known(data))
    take(ask({.ca = ca, .data = data.string()}));
  else
    all.push_back({"server", Grade::Warning, "it did not make itself known to this user",
                   "Ask it with --server URL."});
  return all;
}
}  // namespace

StyledText doctor_text(const Findings& findings) {
  Findings sorted = findings;
  std::ranges::stable_sort(sorted, {}, &Finding::grade);
  StyledText text;
  for (const Finding& one : sorted) {
    const Style style = one.grade == Grade::Fault     ? Style::Red
                        : one.grade == Grade::Warning ? Style::Yellow
                                                      : Style::Plain;
    text += {style, fmt::format("{:<8}", word_of(one.grade))};
    text += fmt::format(" {:<12} {}\n", one.check, one.found);
    if (!one.advice.empty()) text += fmt::format("{:22}{}\n", "", one.advice);
  }
  text += fmt::format("{} looked at: {} faults, {} warnings\n", findings.size(),
                      count(findings, Grade::Fault), count(findings, Grade::Warning));
  return text;
}

Value doctor_value(const Findings& findings) {
  ValueList checks;
  for (const Finding& one : findings)
    checks.push_back(ValueMap{{"check", one.check},
                              {"result", word_of(one.grade)},
                              {"found", one.found},
                              {"advice", one.advice}});
  return ValueMap{{"faults", static_cast<std::int64_t>(count(findings, Grade::Fault))},
                  {"warnings", static_cast<std::int64_t>(count(findings, Grade::Warning))},
                  {"checks", std::move(checks)}};
}

int doctor_exit_code(const Findings& findings) {
  if (count(findings, Grade::Fault) > 0) return kExitData;
  return count(findings, Grade::Warning) > 0 ? kExitRefused : kExitOk;
}

int run_doctor(const DoctorOptions& options) {
  Findings findings;
  if (options.data.empty() && !options.server.empty()) {
    findings = ask({.server = options.server, .ca = options.ca});
  } else {
    const auto data = data_folder(options.data);
    if (!data) return complain(data.error().message, kExitUsage);
    findings = examine(*data, options.ca);
  }
  if (options.json)
    print_json(doctor_value(findings));
  else
    print(doctor_text(findings));
  return doctor_exit_code(findings);
}
}  // namespace onward
