#include "tools/onward/allow_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "engine/core/base/text.h"
#include "engine/secrets/regular_file.h"

namespace onward {
namespace {
constexpr std::size_t kAllowFileMax = std::size_t{1} << 20;
/// Each is compared with each address that is called.
constexpr std::size_t kEntriesMax = 1'000;

tl::unexpected<Error> unusable(const std::filesystem::path& file, std::string_view why) {
  return fail(ErrorKind::Invalid, "bad_allow_file",
              fmt::format("--allow-file {}{}", file.string(), why));
}

std::string_view without_comment(std::string_view line) { return line.substr(0, line.find('#')); }
}  // namespace

Status read_allow_file(const std::filesystem::path& file, AddressGuard::Options& allowed) {
  const OpenFile in = open_regular(file);
  const auto text = read_at_most(in.get(), kAllowFileMax);
  if (!text) return unusable(file, fmt::format(" cannot be read: {}", why_not_regular(errno)));
  if (text->size() > kAllowFileMax)
    return unusable(file, fmt::format(" has more than {} bytes", kAllowFileMax));
  AddressGuard::Options all = allowed;
  std::size_t number = 0, entries = 0;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    ++number;
    const std::string entry{trimmed(without_comment(line))};
    if (entry.empty()) continue;
    if (++entries > kEntriesMax)
      return unusable(file,
                      fmt::format(", line {}, has more than {} entries", number, kEntriesMax));
    const bool network = entry.find('/') != std::string::npos;
    const Status read =
        network ? AddressGuard::check_network(entry) : AddressGuard::check_host(entry);
    if (!read) return unusable(file, fmt::format(", line {}, {}", number, read.error().message));
    (network ? all.allow_networks : all.allow_hosts).push_back(entry);
  }
  allowed = std::move(all);
  return {};
}
}  // namespace onward
