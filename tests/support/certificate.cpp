#include "tests/support/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

namespace onward {
namespace {
template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* one) const {
    Free(one);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using File = std::unique_ptr<std::FILE, Freed<std::fclose>>;

File open(const std::filesystem::path& path) {
  File file{std::fopen(path.c_str(), "w")};
  if (!file) throw std::runtime_error("cannot write " + path.string());
  return file;
}
}  // namespace

void write_certificate(const std::filesystem::path& certificate, const std::filesystem::path& key,
                       const char* names, long from, long to) {
  const Key made{EVP_EC_gen("P-256")};
  const Certificate holder{X509_new()};
  X509* one = holder.get();
  X509_set_version(one, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(one), 1);
  X509_gmtime_adj(X509_getm_notBefore(one), from);
  X509_gmtime_adj(X509_getm_notAfter(one), to);
  X509_set_pubkey(one, made.get());
  X509_NAME* subject = X509_get_subject_name(one);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("onward test"), -1, -1, 0);
  X509_set_issuer_name(one, subject);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names);
  X509_add_ext(one, extension, -1);
  X509_EXTENSION_free(extension);
  if (X509_sign(one, made.get(), EVP_sha256()) == 0) throw std::runtime_error("cannot sign");
  PEM_write_X509(open(certificate).get(), one);
  PEM_write_PrivateKey(open(key).get(), made.get(), nullptr, nullptr, 0, nullptr, nullptr);
}
}  // namespace onward
