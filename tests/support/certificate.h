#pragma once
// Certificates that sign themselves, made by the test that needs one.
#include <filesystem>

namespace onward {
/// Writes a certificate for `names` ("IP:127.0.0.1,DNS:localhost") and its key as PEM files, valid
/// from a minute ago for an hour, or as many seconds from now.
void write_certificate(const std::filesystem::path& certificate, const std::filesystem::path& key,
                       const char* names = "IP:127.0.0.1", long from = -60, long to = 3600);
}  // namespace onward
