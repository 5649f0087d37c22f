#pragma once
// What is left of deleted rows in the pages of an SQLite database, overwritten with zeros.
//
// SQLite's `secure_delete` overwrites deleted rows and freed pages. It does not overwrite the
// copies that stay in the unused part of a page when rows move to another page (`rebuildPage` in
// btree.c), nor what was deleted while it was off. Both are unused bytes: the gap between the cell
// pointers and the cells, free blocks, free pages, and the end of the last page of a long row. The
// format is described at https://www.sqlite.org/fileformat2.html.
//
// The type of a page is its first byte. An overflow page begins with the number of the next one, so
// in files of more than 64 GiB the two cannot be told apart: those are left as they are.
#include <cstdint>

#include "engine/core/base/result.h"

namespace onward {
inline constexpr std::int64_t kScrubbedBytesMax = std::int64_t{1} << 36;

/// Overwrites the unused bytes of a b-tree page of `kPageSize` bytes; `first`: the first page of
/// the file, which begins with the file's header. Whether anything changed. A page of another type,
/// or one that is damaged, stays as it is.
bool scrub_page(unsigned char* page, bool first);

/// Overwrites the unused bytes of a whole database file. Nobody else may write to it meanwhile, and
/// its write-ahead log must be empty. Every intermediate state is valid, so a crash does no harm.
/// `descriptor` is open for reading and writing. The number of pages that changed; not synced.
Result<std::uint64_t> scrub_file(int descriptor);
}  // namespace onward
