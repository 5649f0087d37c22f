#pragma once
// YAML text to a positioned tree, through yaml-cpp's event interface. Everything that YAML lets
// pass in silence and an author would regret is reported here.
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/core/source/diagnostic.h"
#include "engine/core/source/tree.h"

namespace onward {
struct YamlLimits {
  std::size_t bytes = 4u << 20;
  int depth = 32;
};
/// The one document of `text`. Reports aliases, tags, merge keys, duplicate keys, a second
/// document, an empty file, bad UTF-8, control and bidi characters, tabs, depth and size; nothing
/// only where there is no usable tree at all (mistakes of the form itself). A BOM and CRLF are
/// understood.
std::optional<Tree> read_yaml(std::string_view text, Diagnostics& diagnostics,
                              const YamlLimits& limits = {});

/// Marks a thread that must read no scenario text, since one may take seconds and others wait for
/// the thread. What it reads nevertheless is read, and counted, so that a test can tell.
class NoReading {
 public:
  NoReading();
  ~NoReading();
  NoReading(const NoReading&) = delete;
  NoReading& operator=(const NoReading&) = delete;
  /// Texts that such threads have read, of the whole process.
  static std::uint64_t broken();
};
}  // namespace onward
