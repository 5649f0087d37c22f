// A library to preload (LD_PRELOAD) into the server: the process aborts when it receives bytes that
// hold the text of ONWARD_CRASH_ON, as a bug in whatever reads them would make it.
#include <dlfcn.h>
#include <sys/socket.h>

#include <cstdlib>
#include <string_view>

extern "C" ssize_t recv(int socket, void* buffer, size_t size, int flags) {
  using Recv = ssize_t (*)(int, void*, size_t, int);
  static const auto real = reinterpret_cast<Recv>(::dlsym(RTLD_NEXT, "recv"));
  static const char* const mark = std::getenv("ONWARD_CRASH_ON");
  const ssize_t got = real(socket, buffer, size, flags);
  if (mark != nullptr && got > 0 &&
      std::string_view{static_cast<const char*>(buffer), static_cast<std::size_t>(got)}.find(
          mark) != std::string_view::npos)
    std::abort();
  return got;
}
