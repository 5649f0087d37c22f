#include "engine/guard/bus_errors.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace onward {
namespace {
struct Protected {
  std::atomic<std::uintptr_t> begin{0}, end{0};
  std::atomic<void (*)(void*)> before_end{nullptr};
  std::atomic<bool> taken{false}, lost{false};
};
std::array<Protected, 8> protected_memory;
std::atomic<void (*)()> words{nullptr};
std::uintptr_t page_size = 4096;

/// A page of zeros in place of the one at `address`. False: it is no memory of ours.
bool replace_page(std::uintptr_t address) {
  for (Protected& one : protected_memory) {
    if (address < one.begin.load() || address >= one.end.load()) continue;
    void* page = reinterpret_cast<void*>(address & ~(page_size - 1));
    if (::mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0) != page)
      return false;
    one.lost.store(true);
    return true;
  }
  return false;
}

void handle(int, siginfo_t* info, void*) {
  const bool of_file = info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR;
  if (of_file && replace_page(reinterpret_cast<std::uintptr_t>(info->si_addr))) return;
  if (of_file) {
    for (Protected& one : protected_memory)
      if (void (*call)(void*) = one.before_end.load(); call != nullptr && one.begin.load() != 0)
        call(reinterpret_cast<void*>(one.begin.load()));
    if (void (*call)() = words.load(); call != nullptr) call();
  }
  ::signal(SIGBUS, SIG_DFL);  // The same access raises it again.
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = &handle;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;  // Last words may touch memory of ours.
    ::sigaction(SIGBUS, &action, nullptr);
  });
}
}  // namespace

LossyMapping::LossyMapping(void* memory, std::size_t size, void (*before_end)(void* memory)) {
  install();
  for (std::size_t i = 0; i < protected_memory.size(); ++i) {
    Protected& one = protected_memory[i];
    if (one.taken.exchange(true)) continue;
    one.lost.store(false);
    one.before_end.store(before_end);
    one.end.store(reinterpret_cast<std::uintptr_t>(memory) + size);
    one.begin.store(reinterpret_cast<std::uintptr_t>(memory));
    place_ = static_cast<int>(i);
    return;
  }
}

LossyMapping::~LossyMapping() {
  if (place_ < 0) return;
  Protected& one = protected_memory[static_cast<std::size_t>(place_)];
  one.begin.store(0);
  one.end.store(0);
  one.before_end.store(nullptr);
  one.taken.store(false);
}

bool LossyMapping::lost() const {
  return place_ >= 0 && protected_memory[static_cast<std::size_t>(place_)].lost.load();
}

void on_bus_error(void (*last_words)()) {
  install();
  words.store(last_words);
}
}  // namespace onward
