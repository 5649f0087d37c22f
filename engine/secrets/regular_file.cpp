#include "engine/secrets/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace onward {
int open_regular_descriptor(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  struct stat about {};
  if (::fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode)) return descriptor;
  ::close(descriptor);
  errno = S_ISDIR(about.st_mode) ? EISDIR : ENXIO;
  return -1;
}

OpenFile open_regular(const std::filesystem::path& file) {
  const int descriptor = open_regular_descriptor(file);
  if (descriptor < 0) return {nullptr, &std::fclose};
  OpenFile opened{::fdopen(descriptor, "r"), &std::fclose};
  if (!opened) ::close(descriptor);
  return opened;
}

std::optional<std::string> read_at_most(std::FILE* file, std::size_t most) {
  if (file == nullptr) return std::nullopt;
  std::string text(most + 1, '\0');
  errno = 0;
  text.resize(std::fread(text.data(), 1, text.size(), file));
  if (std::ferror(file) != 0) return std::nullopt;
  return text;
}

const char* why_not_regular(int error) {
  return error == ENXIO ? "it is not a regular file" : std::strerror(error);
}
}  // namespace onward
