#pragma once
// A folder of a disk that keeps of what was not synced whatever a power failure leaves.
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/disk/disk_calls.h"

namespace onward {
/// Contents by name.
using Files = std::map<std::string, std::string>;

/// Thrown in place of a call: the process ends, and the system continues.
struct ProcessEnded {};

/// Does each call in a real folder, and knows what a power failure may leave of it. A name that was
/// created, renamed, linked or removed may be lost or kept until its folder is synced, each by
/// itself. The content of a file is independent of its name: a write may be lost, or be there in
/// part, until the file is synced. A sector of 512 bytes that the file has already is written whole
/// or not at all; what makes the file longer may be missing, cut or zeros. After a sync of a file
/// that failed a later one does not help, as the kernel may have dropped the pages: only what is
/// written again is durable then. Names are in a journal, whose later sync covers all before.
class UnsyncedDisk : public DiskCalls {
 public:
  /// What is in the folder is durable. It has no folders in it.
  explicit UnsyncedDisk(std::filesystem::path folder);

  /// The calls so far: "open", "write", "sync", "sync folder", "rename", "link", "unlink".
  const std::vector<std::string>& calls() const { return calls_; }
  /// What a power failure may leave after so many calls; each is some files.
  const std::set<Files>& left_after(std::size_t calls) const { return left_.at(calls); }
  const std::set<Files>& left_now() const { return left_.back(); }

  /// The call of this number (from 0) fails. A write of more than a byte that fails with ENOSPC
  /// writes one, and no write after it any more until `repair`.
  void fail(std::size_t call, int error) { fails_ = {call, error}; }
  void repair() { fails_.reset(), rest_fails_.reset(); }
  /// The call of this number is not made: it throws ProcessEnded.
  void end_at(std::size_t call) { ends_at_ = call; }

  int open(const char* path, int flags, unsigned mode) override;
  ssize_t write(int descriptor, const void* from, std::size_t size, off_t offset) override;
  int sync(int descriptor) override;
  int rename(const char* from, const char* to) override;
  int link(const char* from, const char* to) override;
  int unlink(const char* path) override;

 private:
  static constexpr int kFolder = -1;
  using Names = std::map<std::string, int>;
  struct Write {
    std::size_t offset;
    std::string data;
  };
  struct File {
    std::set<std::string> durable;  ///< One of them; more than one after a failed sync.
    std::vector<Write> written;     ///< Since.
  };
  /// A name leads to a file, another does not any more.
  struct NameChange {
    std::optional<std::string> made, removed;
    int file;
  };

  bool refused(const char* call);
  std::string name_of(const char* path) const;
  template <class Result>
  Result finish(Result result);
  static std::set<std::string> contents_left(const File& file);
  std::set<Names> names_left() const;
  static void apply(const NameChange& change, Names& names);

  const std::filesystem::path folder_;
  std::vector<std::string> calls_;
  std::vector<std::set<Files>> left_;
  std::optional<std::pair<std::size_t, int>> fails_;
  std::optional<int> rest_fails_;
  std::optional<std::size_t> ends_at_;
  std::map<int, File> files_;
  std::map<int, int> opened_;  ///< Files by descriptor.
  Names names_;                ///< As processes see them.
  Names durable_names_;
  std::vector<NameChange> renamed_;  ///< Since.
};

/// The system's calls, which sync nothing: for tests after which no power fails.
class QuickDisk : public DiskCalls {
 public:
  int sync(int) override { return 0; }
};

/// Empties the folder and writes the files into it, readable by their owner only.
void replace_files(const std::filesystem::path& folder, const Files& files);
/// The files of a folder without folders.
Files files_of(const std::filesystem::path& folder);
}  // namespace onward
