#include "engine/store/sqlite/page_scrub.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/store/sqlite/database.h"

namespace onward {
namespace {
constexpr std::size_t kPage = kPageSize;
constexpr std::size_t kFileHeader = 100;
constexpr std::size_t kFreeBlockHeader = 4;
constexpr std::size_t kPagesAtOnce = 256;

enum PageType : unsigned char {
  kIndexInterior = 2,
  kTableInterior = 5,
  kIndexLeaf = 10,
  kTableLeaf = 13,
};

std::size_t get2(const unsigned char* at) { return std::size_t{at[0]} << 8 | at[1]; }
std::uint32_t get4(const unsigned char* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
         at[3];
}

bool zero(unsigned char* from, const unsigned char* to) {
  if (from >= to) return false;
  const auto size = static_cast<std::size_t>(to - from);
  if (std::all_of(from, from + size, [](unsigned char byte) { return byte == 0; })) return false;
  std::memset(from, 0, size);
  return true;
}

/// Where the parts of a b-tree page are; nullopt for other pages and for damaged ones.
struct BtreePage {
  PageType type = kTableLeaf;
  std::size_t pointers = 0;  ///< Offset of the first cell pointer.
  std::size_t cells = 0;
  std::size_t content = 0;  ///< Offset of the cells.
  std::size_t free_block = 0;

  static std::optional<BtreePage> read(const unsigned char* page, bool first) {
    const std::size_t header = first ? kFileHeader : 0;
    const unsigned char type = page[header];
    if (type != kIndexInterior && type != kTableInterior && type != kIndexLeaf &&
        type != kTableLeaf)
      return std::nullopt;
    const bool interior = type == kIndexInterior || type == kTableInterior;
    BtreePage found{.type = static_cast<PageType>(type),
                    .pointers = header + (interior ? 12U : 8U),
                    .cells = get2(page + header + 3),
                    .content = get2(page + header + 5),
                    .free_block = get2(page + header + 1)};
    if (found.pointers + 2 * found.cells > found.content || found.content > kPage)
      return std::nullopt;
    return found;
  }
  std::size_t cell(const unsigned char* page, std::size_t i) const {
    return get2(page + pointers + 2 * i);
  }
};

/// Free blocks as (offset, size); nullopt where the chain is damaged or runs into a cell.
std::optional<std::vector<std::pair<std::size_t, std::size_t>>> free_blocks(
    const unsigned char* page, const BtreePage& parts) {
  std::bitset<kPage> begins;
  for (std::size_t i = 0; i < parts.cells; ++i) {
    const std::size_t at = parts.cell(page, i);
    if (at < parts.content || at >= kPage) return std::nullopt;
    begins.set(at);
  }
  std::vector<std::pair<std::size_t, std::size_t>> blocks;
  std::size_t least = parts.content;
  for (std::size_t at = parts.free_block; at != 0;) {
    if (at < least || at + kFreeBlockHeader > kPage) return std::nullopt;
    const std::size_t size = get2(page + at + 2);
    if (size < kFreeBlockHeader || at + size > kPage) return std::nullopt;
    for (std::size_t i = at; i < at + size; ++i)
      if (begins.test(i)) return std::nullopt;
    blocks.emplace_back(at, size);
    least = at + size;
    at = get2(page + at);
  }
  return blocks;
}

/// A row that does not fit into its page.
struct LongRow {
  std::uint32_t first = 0;  ///< Overflow page.
  std::uint64_t bytes = 0;  ///< On overflow pages.
};

std::uint64_t get_varint(const unsigned char*& at, const unsigned char* end) {
  std::uint64_t value = 0;
  for (int i = 0; i < 9 && at < end; ++i) {
    const unsigned char byte = *at++;
    if (i == 8) return value << 8 | byte;
    value = value << 7 | (byte & 0x7f);
    if ((byte & 0x80) == 0) return value;
  }
  return value;
}

void add_long_rows(const unsigned char* page, const BtreePage& parts, std::vector<LongRow>& rows) {
  if (parts.type == kTableInterior) return;
  constexpr std::uint64_t kLeast = (kPage - 12) * 32 / 255 - 23;
  const std::uint64_t most = parts.type == kTableLeaf ? kPage - 35 : (kPage - 12) * 64 / 255 - 23;
  for (std::size_t i = 0; i < parts.cells; ++i) {
    const unsigned char* at = page + parts.cell(page, i);
    const unsigned char* end = page + kPage;
    if (parts.type == kIndexInterior) at += 4;
    if (at >= end) continue;
    const std::uint64_t payload = get_varint(at, end);
    if (parts.type == kTableLeaf) get_varint(at, end);
    if (payload <= most || payload > INT32_MAX) continue;
    const std::uint64_t wanted = kLeast + (payload - kLeast) % (kPage - 4);
    const std::uint64_t local = wanted <= most ? wanted : kLeast;
    if (local + 4 > static_cast<std::uint64_t>(end - at)) continue;
    rows.push_back({.first = get4(at + local), .bytes = payload - local});
  }
}

class FileScrub {
 public:
  explicit FileScrub(int descriptor) : descriptor_{descriptor} {}

  Result<std::uint64_t> run() {
    struct stat about {};
    if (::fstat(descriptor_, &about) != 0) return failed("read");
    if (about.st_size == 0 || about.st_size > kScrubbedBytesMax) return 0;
    pages_ = static_cast<std::uint32_t>(about.st_size / static_cast<off_t>(kPage));
    free_.resize(pages_ + std::size_t{1});
    if (Status done = free_list(); !done) return tl::make_unexpected(done.error());
    std::vector<unsigned char> chunk(kPagesAtOnce * kPage);
    for (std::uint32_t first = 1; first <= pages_; first += kPagesAtOnce) {
      const std::size_t count = std::min<std::size_t>(kPagesAtOnce, pages_ - first + 1);
      if (!read(first, chunk.data(), count)) return failed("read");
      for (std::uint32_t i = 0; i < count; ++i)
        if (Status done = one(first + i, chunk.data() + i * kPage); !done)
          return tl::make_unexpected(done.error());
    }
    return changed_;
  }

 private:
  static tl::unexpected<Error> failed(const char* what) {
    return fail(ErrorKind::Io, "store_io",
                std::string{"cannot "} + what + " the database: " + std::strerror(errno));
  }
  bool read(std::uint32_t page, unsigned char* to, std::size_t count) const {
    return ::pread(descriptor_, to, count * kPage, static_cast<off_t>((page - 1) * kPage)) ==
           static_cast<ssize_t>(count * kPage);
  }
  Status write(std::uint32_t page, const unsigned char* from) {
    if (::pwrite(descriptor_, from, kPage, static_cast<off_t>((page - 1) * kPage)) !=
        static_cast<ssize_t>(kPage))
      return failed("write");
    ++changed_;
    return {};
  }

  /// Notes the free pages; overwrites what trunk pages hold behind their list.
  Status free_list() {
    Page page{};
    if (!read(1, page.data(), 1)) return failed("read");
    std::uint32_t trunk = get4(page.data() + 32);
    for (std::uint32_t steps = 0; trunk != 0 && trunk <= pages_ && steps < pages_; ++steps) {
      if (free_[trunk] || !read(trunk, page.data(), 1)) break;
      free_[trunk] = true;
      const std::uint32_t leaves = get4(page.data() + 4);
      if (leaves > kPage / 4 - 2) break;
      for (std::uint32_t i = 0; i < leaves; ++i) {
        const std::uint32_t leaf = get4(page.data() + 8 + std::size_t{4} * i);
        if (leaf == 0 || leaf > pages_) continue;
        free_[leaf] = true;
        empty_.push_back(leaf);
      }
      const std::uint32_t next = get4(page.data());
      if (zero(page.data() + 8 + std::size_t{4} * leaves, page.data() + kPage))
        if (Status done = write(trunk, page.data()); !done) return done;
      trunk = next;
    }
    for (const std::uint32_t leaf : empty_) {
      if (!read(leaf, page.data(), 1)) return failed("read");
      if (zero(page.data(), page.data() + kPage))
        if (Status done = write(leaf, page.data()); !done) return done;
    }
    return {};
  }

  Status one(std::uint32_t number, unsigned char* page) {
    if (free_[number]) return {};
    const auto parts = BtreePage::read(page, number == 1);
    if (!parts) return {};
    if (!free_blocks(page, *parts)) return {};
    long_rows_.clear();
    add_long_rows(page, *parts, long_rows_);
    for (const LongRow& row : long_rows_)
      if (Status done = end_of(row); !done) return done;
    if (!scrub_page(page, number == 1)) return {};
    return write(number, page);
  }

  /// Overwrites what the last page of a long row holds behind it.
  Status end_of(LongRow row) {
    Page page{};
    std::uint32_t at = row.first;
    while (at != 0 && at <= pages_ && !free_[at]) {
      if (!read(at, page.data(), 1)) return failed("read");
      const std::uint32_t next = get4(page.data());
      if (row.bytes > kPage - 4) {
        row.bytes -= kPage - 4;
        at = next;
        continue;
      }
      if (next != 0) return {};  // Damaged: not what it seems.
      if (zero(page.data() + 4 + row.bytes, page.data() + kPage)) return write(at, page.data());
      return {};
    }
    return {};
  }

  using Page = std::array<unsigned char, kPage>;
  const int descriptor_;
  std::uint32_t pages_ = 0;
  std::vector<bool> free_;
  std::vector<std::uint32_t> empty_;
  std::vector<LongRow> long_rows_;
  std::uint64_t changed_ = 0;
};
}  // namespace

bool scrub_page(unsigned char* page, bool first) {
  const auto parts = BtreePage::read(page, first);
  if (!parts) return false;
  const auto blocks = free_blocks(page, *parts);
  if (!blocks) return false;
  bool changed = zero(page + parts->pointers + 2 * parts->cells, page + parts->content);
  for (const auto& [at, size] : *blocks)
    changed |= zero(page + at + kFreeBlockHeader, page + at + size);
  return changed;
}

Result<std::uint64_t> scrub_file(int descriptor) {
  std::array<unsigned char, kFileHeader> header{};
  const bool ours =
      ::pread(descriptor, header.data(), header.size(), 0) == static_cast<ssize_t>(header.size()) &&
      get2(header.data() + 16) == kPage && header[20] == 0;
  if (!ours) return 0;
  return FileScrub{descriptor}.run();
}
}  // namespace onward
