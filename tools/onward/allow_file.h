#pragma once
// `--allow-file`: which non-public addresses webhooks may call, in a file that can change.
#include <filesystem>

#include "engine/core/base/result.h"
#include "engine/delivery/address_guard.h"

namespace onward {
/// Adds the entries of `file` to `allowed`: a host ("crm.internal:8080") or a network
/// ("10.0.0.0/8") a line; blank lines, and what follows "#", mean nothing. An error names file and
/// line, and then `allowed` is as it was. The file is a regular one of at most 1 MiB and
/// 1,000 entries.
Status read_allow_file(const std::filesystem::path& file, AddressGuard::Options& allowed);
}  // namespace onward
