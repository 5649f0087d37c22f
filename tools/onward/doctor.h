#pragma once
// doctor: what a data folder, its server and its machine show of what is promised, and what to do.
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/base/result.h"
#include "engine/core/base/styled_text.h"
#include "engine/core/base/time.h"
#include "engine/core/base/value.h"
#include "engine/delivery/curl_http_client.h"

namespace onward {
enum class Grade : std::uint8_t { Sound, Warning, Fault };
/// One thing that was looked at.
struct Finding {
  std::string check;  ///< "database"; stable.
  Grade grade = Grade::Sound;
  std::string found;   ///< What was seen, a sentence.
  std::string advice;  ///< What to do; empty where nothing is.
};
using Findings = std::vector<Finding>;

/// What the rows of a folder's store say; `owner` becomes the pid of who works on it, or 0.
/// `key_file`: of the master key; empty: the folder's own.
Findings examine_store(const std::filesystem::path& data, const std::filesystem::path& key_file,
                       Instant now, pid_t& owner);
/// Rights, room, file system, the log beside the database. `owner` as above.
Findings examine_machine(const std::filesystem::path& data, pid_t owner);
Finding judge_room(std::uint64_t bytes_free);
/// `fault`: the errno with which `path` cannot be written; 0: it can.
Finding judge_writing(const std::filesystem::path& path, int fault, bool running);
/// `file` is of the user `owner`, its folder of `folder_owner`: root may do with any.
Finding judge_owner(const std::filesystem::path& file, uid_t owner, uid_t folder_owner);
Finding judge_descriptors(std::uint64_t limit, bool running);
/// Whether the certificate that a server on this machine shows is valid for a while.
Finding examine_certificate(const std::string& file, Instant now);
/// Whether the server at `url` does its work; `way`: how it is reached, and who is believed.
Findings examine_server(const std::string& url, const HttpWay& way = {});

/// A line or two for each, the worst last.
StyledText doctor_text(const Findings& findings);
Value doctor_value(const Findings& findings);
/// 0 where all is sound, 1 with warnings, 65 with faults.
int doctor_exit_code(const Findings& findings);

struct DoctorOptions {
  std::string data;    ///< Empty: that of the one server on this machine, unless:
  std::string server;  ///< Only this server is asked, from outside.
  std::string ca;      ///< PEM of who is believed; empty: as every command does.
  bool json = false;
};
int run_doctor(const DoctorOptions& options);
}  // namespace onward
