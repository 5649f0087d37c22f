#include "tools/onward/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace onward {
namespace {
/// Databases, listening sockets, libraries' own: so many are kept free, and so many are needed.
constexpr std::uint64_t kFiles = 64, kFilesMin = 32;

/// The kernel doubles the table of descriptors when it is full, and with many threads whoever needs
/// one more waits for that: 10 to 14 ms, measured, at the 256th and the 512th. So it is made large
/// before anybody waits.
void make_table_large(rlim_t limit) {
  constexpr rlim_t kEnough = 4096;
  const int any = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int last = ::fcntl(any, F_DUPFD_CLOEXEC, static_cast<int>(std::min(limit, kEnough)) - 1);
  if (last >= 0) ::close(last);
  if (any >= 0) ::close(any);
}
}  // namespace

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  make_table_large(limit.rlim_cur);
  return limit.rlim_cur;
}

Openings fit_to(Openings wanted, std::uint64_t limit) {
  if (limit == 0 || wanted.requests + wanted.callers + kFiles <= limit) return wanted;
  const std::size_t left = limit - std::min(limit, std::clamp(limit / 2, kFilesMin, kFiles));
  const std::size_t requests = std::clamp<std::size_t>(left / 3, 1, wanted.requests);
  return {.requests = requests,
          .callers = std::clamp<std::size_t>(left - requests, 1, wanted.callers)};
}
}  // namespace onward
