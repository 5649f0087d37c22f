#include "tools/onward/file_system.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statvfs.h>
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

Status check_room(const std::filesystem::path& folder, std::uint64_t bytes) {
  struct statvfs about {};
  if (::statvfs(folder.c_str(), &about) != 0) return {};
  const std::uint64_t room = std::uint64_t{about.f_bavail} * about.f_frsize;
  if (room > bytes + (bytes >> 6)) return {};
  return fail(ErrorKind::Unavailable, "disk_full",
              fmt::format("The copy takes {} bytes, and {} has room for {}.", bytes,
                          folder.string(), room));
}
}  // namespace onward
