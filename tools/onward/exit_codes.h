#pragma once
// How the program ends, as sysexits(3) names it.
#include "engine/core/base/result.h"

namespace onward {
enum ExitCode : int {
  kExitOk = 0,
  kExitRefused = 1,       ///< Done, but for some lines of a file that were refused.
  kExitFailed = 1,        ///< A test of a scenario failed.
  kExitUsage = 64,        ///< The command line is wrong.
  kExitData = 65,         ///< What was given is wrong: a scenario, an event.
  kExitNoInput = 66,      ///< A file, or what was named on the server, does not exist.
  kExitUnavailable = 69,  ///< There is no server to talk to.
  kExitSoftware = 70,     ///< The server failed.
  kExitIo = 74,           ///< Reading or writing failed.
  kExitTemp = 75,         ///< Try again later.
  kExitPermission = 77,   ///< A token, or a file's rights.
  kExitConfig = 78,       ///< The server cannot start like this.
};

int exit_code_of(ErrorKind kind);
/// By its kind; kExitUsage where the command line does not say which of several servers it means.
int exit_code_of(const Error& error);
/// Of a server's answer; 0 for success.
int exit_code_of_status(int status);
}  // namespace onward
