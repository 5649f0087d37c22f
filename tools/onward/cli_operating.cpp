// The commands that operate a server and its data folder.
#include <memory>

#include "tools/onward/backup.h"
#include "tools/onward/command_line.h"
#include "tools/onward/commands.h"
#include "tools/onward/doctor.h"

namespace onward {
namespace {
struct OperatingArguments {
  BackupOptions backup;
  RestoreOptions restore;
  DoctorOptions doctor;
  bool yes = false;
};
}  // namespace

void add_operating(CommandLine& line) {
  const auto args = std::make_shared<OperatingArguments>();
  BackupOptions& backup = args->backup;
  CLI::App* draw =
      line.command(line.app, "backup", "Copy a data folder, whether or not a server works on it",
                   [args] { return run_backup(args->backup); });
  draw->add_option("to", backup.to, "The folder to make")->required();
  draw->add_option("--data", backup.data,
                   "The data folder; else that of the server on this machine");
  draw->add_flag("--with-key", backup.with_key, "Take the master key and the token along");
  draw->add_flag("--quiet", backup.quiet, "Print the result only");
  draw->add_flag("--json", backup.json, "Print the result as JSON");

  RestoreOptions& restore = args->restore;
  CLI::App* back = line.command(line.app, "restore", "Make a data folder of a backup",
                                [args] { return run_restore(args->restore); });
  back->add_option("from", restore.from, "The folder that `backup` made")->required();
  back->add_option("--data", restore.data, "The data folder to make; missing or empty")->required();
  back->add_flag("--release", restore.release,
                 "Let it send from its first start on: the server it was drawn of is gone");
  back->add_flag("--json", restore.json, "Print the result as JSON");

  CLI::App* resume =
      line.client_command(line.app, "resume-sending", "Let a restored copy send",
                          [&line, args] { return run_resume_sending(line.client, args->yes); });
  resume->add_flag("--yes", args->yes, "Do not ask");

  CLI::App* clock =
      line.app.add_subcommand("clock", "The time that a server goes by, after its clock was moved");
  clock->require_subcommand(1);
  line.client_command(*clock, "show", "The time, and whether the machine's clock is trusted",
                      [&line] { return run_clock_show(line.client); });
  line.client_command(*clock, "accept", "Follow the machine's clock at once: it is right",
                      [&line] { return run_clock_accept(line.client); });

  CLI::App* doctor =
      line.command(line.app, "doctor", "Find out whether a data folder and its server are sound",
                   [args] { return run_doctor(args->doctor); });
  doctor->add_option("--data", args->doctor.data,
                     "The data folder; else that of the server on this machine");
  doctor->add_option("--server", args->doctor.server,
                     "Ask only the server at this URL, where there is no --data");
  doctor->add_option("--ca", args->doctor.ca,
                     "Whose certificates are believed (PEM), of an https server; else ONWARD_CA, "
                     "else the system's");
  doctor->add_flag("--json", args->doctor.json, "Print the result as JSON");
}
}  // namespace onward
