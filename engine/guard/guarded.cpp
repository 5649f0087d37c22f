#include "engine/guard/guarded.h"

#include <cxxabi.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <typeinfo>

#include <fmt/format.h>

namespace onward {
namespace {
/// Unique in this process, and unlikely to be that of another one.
std::string next_incident() {
  static const std::uint64_t first = [] {
    std::random_device random;
    return std::uint64_t{random()} << 32 | random();
  }();
  static std::atomic<std::uint64_t> count{0};
  constexpr std::uint64_t kMask = (std::uint64_t{1} << 48) - 1;
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;  // odd, so that no id comes twice
  return fmt::format("{:012x}", (first + count.fetch_add(1) * kStep) & kMask);
}

std::string type_name() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "an exception of no type";
  int fault = 0;
  const std::unique_ptr<char, void (*)(void*)> name{
      abi::__cxa_demangle(type->name(), nullptr, nullptr, &fault), std::free};
  return fault == 0 && name ? name.get() : type->name();
}
}  // namespace

std::string describe_exception() {
  const std::string type = type_name();
  try {
    throw;
  } catch (const std::logic_error& error) {  // "basic_string::substr: __pos (which is 5) > …"
    return type + ": " + error.what();
  } catch (const std::system_error& error) {
    return type + ": " + error.code().message();
  } catch (const std::bad_alloc&) {
    return type + ": out of memory";
  } catch (...) {
    return type;  // its text may repeat what was read
  }
}

Error caught(std::string_view where, const LogSink& log) noexcept {
  std::string what;
  try {
    what = describe_exception();
  } catch (...) {  // no memory: the text is all that can be left out
  }
  const std::string incident = next_incident();
  try {
    if (log)
      log({"internal.error",
           {{"incident", incident}, {"where", where}, {"message", what}},
           LogLevel::Error});
  } catch (...) {
  }
  return {ErrorKind::Internal, std::string{kInternalError},
          "Internal error. The server's log has the cause under incident " + incident + ".",
          incident};
}
}  // namespace onward
