#include "tools/bench/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "tools/bench/wire.h"

namespace onward::bench {
Finished run_command(const std::string& binary, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{binary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  // Its output goes to memory: a pipe would have to be read meanwhile.
  const int output = ::memfd_create("output", MFD_CLOEXEC);
  const std::int64_t start = now_ns();
  const pid_t child = ::fork();
  if (child < 0 || output < 0) give_up("cannot start " + binary);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(output, 1);
    ::dup2(output, 2);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  Finished finished;
  int status = 0;
  rusage used{};
  ::wait4(child, &status, 0, &used);
  finished.seconds = static_cast<double>(now_ns() - start) / 1e9;
  finished.memory_mb = static_cast<double>(used.ru_maxrss) / 1000;
  finished.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (finished.code == 127) give_up("cannot start " + binary);
  ::lseek(output, 0, SEEK_SET);
  std::array<char, 16 * 1024> buffer;
  for (ssize_t got = 0; (got = ::read(output, buffer.data(), buffer.size())) > 0;) {
    finished.output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(output);
  return finished;
}

std::string first_line_of(const std::string& binary, const std::vector<std::string>& arguments) {
  const std::string output = run_command(binary, arguments).output;
  return output.substr(0, output.find('\n'));
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream file{path, std::ios::binary};
  if (!(file << text).flush()) give_up("cannot write " + path);
}
}  // namespace onward::bench
