#include "tools/onward/file_system.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdint>

namespace onward {
std::string network_kind(unsigned long type) {
  switch (static_cast<std::uint32_t>(type)) {
    case NFS_SUPER_MAGIC:
      return "NFS";
    case SMB_SUPER_MAGIC:
    case 0xFF534D42:  // CIFS
    case 0xFE534D42:  // SMB2
      return "SMB";
    case AFS_SUPER_MAGIC:
      return "AFS";
    case V9FS_MAGIC:
      return "9p";
    case 0x00C36400:
      return "Ceph";
    case CODA_SUPER_MAGIC:
      return "Coda";
    default:
      return {};
  }
}

std::string network_kind(const std::filesystem::path& path) {
  struct statfs about {};
  if (::statfs(path.c_str(), &about) != 0) return {};
  return network_kind(static_cast<unsigned long>(about.f_type));
}
}  // namespace onward
