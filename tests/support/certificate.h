#pragma once
// Certificates that sign themselves, made by the test that needs one.
#include <filesystem>

namespace onward {
/// Writes a certificate for `names` ("IP:127.0.0.1,DNS:localhost") and its key as PEM files, valid
/// for an hour.
void write_certificate(const std::filesystem::path& certificate, const std::filesystem::path& key,
                       const char* names = "IP:127.0.0.1");
}  // namespace onward
