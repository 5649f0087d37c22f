#include "engine/store/sqlite/file_system.h"

#include <sys/statfs.h>

#include <algorithm>
#include <iterator>

namespace onward {
namespace {
struct NetworkFileSystem {
  std::uint64_t type;
  std::string_view name;
};
/// As statfs(2) lists them.
constexpr NetworkFileSystem kNetwork[] = {
    {0x6969, "NFS"},        {0xff534d42, "CIFS"},   {0xfe534d42, "SMB"}, {0x517b, "SMB"},
    {0x01021997, "9P"},     {0x00c36400, "Ceph"},   {0x5346414f, "AFS"}, {0x6b414653, "AFS"},
    {0x0bd00bd0, "Lustre"}, {0x01161970, "GFS2"},   {0x564c, "NCP"},     {0x7461636f, "OCFS2"},
    {0x73757245, "Coda"},   {0x19830326, "BeeGFS"},
};
}  // namespace

std::uint64_t file_system_type(const std::filesystem::path& folder) {
  struct statfs about {};
  if (statfs(folder.c_str(), &about) != 0) return 0;
  return static_cast<std::uint32_t>(about.f_type);
}

std::optional<std::string_view> network_file_system(std::uint64_t type) {
  const auto* found = std::find_if(std::begin(kNetwork), std::end(kNetwork),
                                   [&](const NetworkFileSystem& one) { return one.type == type; });
  if (found == std::end(kNetwork)) return std::nullopt;
  return found->name;
}
}  // namespace onward
