#pragma once
// What a power failure leaves of files: all that was synced, and of the rest whatever the disk
// happened to have written. Pure: it is told what was done, and asked what may be there.
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace onward {
/// Something that was done to a file, or to its name.
struct DiskEvent {
  enum class Kind : std::uint8_t {
    Found,     ///< `name` was there before, with `data`: taken for durable.
    Create,    ///< `name` is now the file `file`, which is empty.
    Delete,    ///< `name` is gone.
    Write,     ///< `data` at `offset` of `file`.
    Truncate,  ///< `file` is `offset` bytes long.
    Sync,      ///< All that was done to `file` is durable.
    SyncNames  ///< So are all names.
  };
  Kind kind = Kind::Write;
  int file = 0;
  std::string name;
  std::uint64_t offset = 0;
  std::string data;
};

/// How much of what was not synced is lost.
enum class Loss : std::uint8_t {
  All,      ///< The disk wrote nothing by itself.
  Nothing,  ///< Everything had got there.
  Tail,     ///< It wrote in order, up to some point.
  Some,     ///< It wrote this and not that, in any order.
  Torn,     ///< The same by sectors of 512 bytes.
};
inline constexpr Loss kLosses[] = {Loss::All, Loss::Nothing, Loss::Tail, Loss::Some, Loss::Torn};

/// A disk, as far as it was told of.
class PoweredDisk {
 public:
  void apply(const DiskEvent& event);
  /// Files by name, as they are found after a power failure at this moment.
  std::map<std::string, std::string> after(Loss loss, std::mt19937& random) const;

 private:
  std::map<std::string, int> names_;   ///< Durable.
  std::vector<DiskEvent> names_made_;  ///< Creates and deletes that are not.
  std::map<int, std::string> files_;   ///< Durable content.
  std::vector<DiskEvent> written_;     ///< Writes and truncations that are not, in order.
};
}  // namespace onward
