#include "engine/secrets/vault.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace onward {
namespace {
namespace fs = std::filesystem;

/// A folder that is gone at the end of the test.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "onward_vault.XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path key() const { return path / "secret.key"; }
  fs::path path;
};

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream{file}.rdbuf();
  return text.str();
}
void write(const fs::path& file, const std::string& text, unsigned mode = 0600) {
  std::ofstream{file} << text;
  ::chmod(file.c_str(), mode);
}
Vault opened(const fs::path& file, bool own = true) {
  auto vault = Vault::open({file, own});
  INFO((vault ? "" : vault.error().message));
  REQUIRE(vault);
  return std::move(*vault);
}
std::string fault(const fs::path& file, bool own = true) {
  const auto vault = Vault::open({file, own});
  return vault ? "" : vault.error().code + ": " + vault.error().message;
}
}  // namespace

TEST_CASE("what is sealed opens under its own name alone", "[secrets][vault]") {
  Vault vault = opened({});
  REQUIRE(vault.ensure_key());
  const auto sealed = vault.seal(SecretKind::Secret, "crm_key", "hidden text");
  REQUIRE(sealed);
  CHECK(sealed->find("hidden") == std::string::npos);
  CHECK(vault.unseal(SecretKind::Secret, "crm_key", *sealed).value() == "hidden text");
  CHECK_FALSE(vault.unseal(SecretKind::Secret, "crm_kez", *sealed));
  CHECK_FALSE(vault.unseal(SecretKind::Credential, "crm_key", *sealed));
  const auto again = vault.seal(SecretKind::Secret, "crm_key", "hidden text");
  CHECK(*again != *sealed);
}

TEST_CASE("not one byte of it can be changed", "[secrets][vault]") {
  Vault vault = opened({});
  REQUIRE(vault.ensure_key());
  const std::string sealed = *vault.seal(SecretKind::Secret, "a", "hidden");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(vault.unseal(SecretKind::Secret, "a", changed));
    CHECK_FALSE(vault.unseal(SecretKind::Secret, "a", sealed.substr(0, i)));
  }
  CHECK_FALSE(vault.unseal(SecretKind::Secret, "a", sealed + "x"));
}

TEST_CASE("the key is made when it is first needed, for its owner alone", "[secrets][vault]") {
  const Folder folder;
  std::string sealed;
  {
    Vault vault = opened(folder.key());
    CHECK_FALSE(vault.has_key());
    CHECK_FALSE(fs::exists(folder.key()));
    REQUIRE(vault.ensure_key());
    REQUIRE(vault.ensure_key());
    sealed = *vault.seal(SecretKind::Secret, "a", "hidden");
  }
  struct stat found {};
  REQUIRE(::stat(folder.key().c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0600);
  CHECK(opened(folder.key()).unseal(SecretKind::Secret, "a", sealed));
  CHECK(std::distance(fs::directory_iterator{folder.path}, {}) == 1);
}

TEST_CASE("a key file that appears meanwhile is not overwritten", "[secrets][vault]") {
  const Folder folder;
  Vault vault = opened(folder.key());
  write(folder.key(), "somebody's\n");
  const Status made = vault.ensure_key();
  REQUIRE_FALSE(made);
  CHECK(made.error().code == "key_file_exists");
  CHECK(read(folder.key()) == "somebody's\n");
  CHECK_FALSE(vault.has_key());
}

TEST_CASE("a key file that cannot be right is explained", "[secrets][vault]") {
  const Folder folder;
  const std::string good(64, 'a');
  write(folder.key(), good.substr(1) + "\n");
  CHECK(fault(folder.key()).find("bad_key_file: ") == 0);
  CHECK(fault(folder.key()).find("63 characters in line 1") != std::string::npos);
  CHECK(fault(folder.key()).find("aaaa") == std::string::npos);
  write(folder.key(), good.substr(1) + "g\n");
  CHECK(fault(folder.key()).find("hex") != std::string::npos);
  write(folder.key(), "# nothing\n\n");
  CHECK(fault(folder.key()).find("holds no key") != std::string::npos);
  write(folder.key(), good + "\n", 0640);
  CHECK(fault(folder.key()).find("chmod 600") != std::string::npos);
  CHECK(fault(folder.key(), /*own=*/false) == "");
  write(folder.key(), good + "\n", 0644);
  CHECK(fault(folder.key(), /*own=*/false).find("0644") != std::string::npos);
  CHECK(fault(folder.path / "none", /*own=*/false).find("no_key_file: ") == 0);
  CHECK(fault(folder.path / "none") == "");
  CHECK(fault(folder.path).find("is not a regular file") != std::string::npos);
}

TEST_CASE("at no moment of a change of keys is anything unreadable", "[secrets][vault]") {
  const Folder folder;
  Vault vault = opened(folder.key());
  REQUIRE(vault.ensure_key());
  const std::string before = *vault.seal(SecretKind::Secret, "a", "hidden");

  REQUIRE(vault.add_key());
  CHECK(vault.old_keys() == 1);
  CHECK(opened(folder.key()).unseal(SecretKind::Secret, "a", before));
  CHECK_FALSE(vault.is_newest(before));
  const std::string after = *vault.seal(SecretKind::Secret, "a", "hidden");
  CHECK(vault.is_newest(after));
  CHECK(opened(folder.key()).unseal(SecretKind::Secret, "a", after));

  REQUIRE(vault.drop_old_keys());
  CHECK(vault.old_keys() == 0);
  Vault later = opened(folder.key());
  CHECK(later.unseal(SecretKind::Secret, "a", after));
  const auto gone = later.unseal(SecretKind::Secret, "a", before);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == "wrong_key");
}

TEST_CASE("a key that cannot be written is not used", "[secrets][vault]") {
  const Folder folder;
  Vault vault = opened(folder.path / "no such folder" / "key");
  const Status made = vault.ensure_key();
  REQUIRE_FALSE(made);
  CHECK(made.error().code == "key_file_io");
  CHECK(made.error().message.find("No such file") != std::string::npos);
  CHECK_FALSE(vault.has_key());
}
}  // namespace onward
