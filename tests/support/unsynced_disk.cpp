#include "tests/support/unsynced_disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

namespace onward {
namespace {
namespace fs = std::filesystem;
constexpr std::size_t kSector = 512;

std::string written_over(std::string content, std::size_t offset, const std::string& data) {
  content.resize(std::max(content.size(), offset + data.size()), '\0');
  return content.replace(offset, data.size(), data);
}

/// What may be there of a write: the sectors up to one, and of what is new nothing, zeros, half of
/// it or all.
std::set<std::string> parts_of(const std::string& content, std::size_t offset,
                               const std::string& data) {
  const std::size_t known =
      offset < content.size() ? std::min(content.size() - offset, data.size()) : 0;
  std::set<std::string> beginnings{content};
  for (std::size_t end = 0; end < known;) {
    end = std::min(known, (offset + end) / kSector * kSector + kSector - offset);
    beginnings.insert(written_over(content, offset, data.substr(0, end)));
  }
  if (known == data.size()) return beginnings;
  std::set<std::string> parts = beginnings;
  const std::string added = data.substr(known);
  for (const std::string& beginning : beginnings) {
    parts.insert(written_over(beginning, offset + known, std::string(added.size(), '\0')));
    parts.insert(written_over(beginning, offset + known, added.substr(0, added.size() / 2)));
    parts.insert(written_over(beginning, offset + known, added));
  }
  return parts;
}
}  // namespace

/// Ends each call: notes what a power failure after it may leave.
template <class Result>
Result UnsyncedDisk::finish(Result result) {
  const int fault = errno;
  std::set<Files> left;
  for (const Names& names : names_left()) {
    std::set<Files> some{Files{}};
    for (const auto& [name, file] : names) {
      std::set<Files> more;
      for (const std::string& content : contents_left(files_.at(file)))
        for (Files files : some) {
          files[name] = content;
          more.insert(std::move(files));
        }
      some = std::move(more);
    }
    left.merge(some);
  }
  left_.push_back(std::move(left));
  errno = fault;
  return result;
}

UnsyncedDisk::UnsyncedDisk(fs::path folder) : folder_{std::move(folder)} {
  for (auto& [name, content] : files_of(folder_)) {
    const int file = static_cast<int>(files_.size());
    files_[file].durable = {content};
    names_[name] = file;
  }
  durable_names_ = names_;
  finish(0);
}

std::string UnsyncedDisk::name_of(const char* path) const {
  const fs::path whole{path};
  assert(whole.parent_path() == folder_);
  return whole.filename().string();
}

bool UnsyncedDisk::refused(const char* call) {
  const std::size_t number = calls_.size();
  if (ends_at_ == number) throw ProcessEnded{};
  calls_.emplace_back(call);
  if (!fails_ || fails_->first != number) return false;
  errno = fails_->second;
  return true;
}

std::set<std::string> UnsyncedDisk::contents_left(const File& file) {
  std::set<std::string> contents = file.durable;
  for (const Write& write : file.written) {
    std::set<std::string> after;
    for (const std::string& content : contents)
      after.merge(parts_of(content, write.offset, write.data));
    contents = std::move(after);
  }
  return contents;
}

void UnsyncedDisk::apply(const NameChange& change, Names& names) {
  if (change.made) names[*change.made] = change.file;
  if (!change.removed) return;
  const auto found = names.find(*change.removed);
  if (found != names.end() && found->second == change.file) names.erase(found);
}

std::set<UnsyncedDisk::Names> UnsyncedDisk::names_left() const {
  std::set<Names> left{durable_names_};
  for (const NameChange& change : renamed_) {
    std::set<Names> after = left;
    for (Names names : left) {
      apply(change, names);
      after.insert(std::move(names));
    }
    left = std::move(after);
  }
  return left;
}

int UnsyncedDisk::open(const char* path, int flags, unsigned mode) {
  if (refused("open")) return finish(-1);
  if ((flags & O_DIRECTORY) != 0) {
    assert(fs::path{path} == folder_);
    const int folder = DiskCalls::open(path, flags, mode);
    if (folder >= 0) opened_[folder] = kFolder;
    return finish(folder);
  }
  assert((flags & O_TRUNC) == 0);
  const std::string name = name_of(path);
  const int descriptor = DiskCalls::open(path, flags, mode);
  if (descriptor >= 0 && !names_.contains(name)) {
    const int file = static_cast<int>(files_.size());
    files_[file].durable = {""};
    names_[name] = file;
    renamed_.push_back({.made = name, .removed = {}, .file = file});
  }
  if (descriptor >= 0) opened_[descriptor] = names_.at(name);
  return finish(descriptor);
}

ssize_t UnsyncedDisk::write(int descriptor, const void* from, std::size_t size, off_t offset) {
  const bool fails = refused("write");
  const int fault = fails ? errno : 0;
  if (rest_fails_) {
    errno = *rest_fails_;
    return finish(-1);
  }
  const std::size_t some = !fails ? size : fault == ENOSPC && size > 1 ? 1 : 0;
  if (some == 0) return finish(-1);
  const ssize_t written = DiskCalls::write(descriptor, from, some, offset);
  if (written > 0)
    files_.at(opened_.at(descriptor))
        .written.push_back(
            {.offset = static_cast<std::size_t>(offset),
             .data = {static_cast<const char*>(from), static_cast<std::size_t>(written)}});
  if (fails) rest_fails_ = fault;
  return finish(written);
}

int UnsyncedDisk::sync(int descriptor) {
  const int file = opened_.at(descriptor);
  const bool fails = refused(file == kFolder ? "sync folder" : "sync");
  const int result = fails ? -1 : 0;
  if (file == kFolder) {
    if (fails) return finish(result);
    durable_names_ = names_;
    renamed_.clear();
    return finish(result);
  }
  File& synced = files_.at(file);
  if (fails) synced.durable = contents_left(synced);
  std::set<std::string> durable;
  for (std::string content : synced.durable) {
    if (!fails)
      for (const Write& write : synced.written)
        content = written_over(std::move(content), write.offset, write.data);
    durable.insert(std::move(content));
  }
  synced.durable = std::move(durable);
  synced.written.clear();
  return finish(result);
}

int UnsyncedDisk::rename(const char* from, const char* to) {
  if (refused("rename")) return finish(-1);
  const int result = DiskCalls::rename(from, to);
  if (result == 0) {
    const NameChange change{name_of(to), name_of(from), names_.at(name_of(from))};
    apply(change, names_);
    renamed_.push_back(change);
  }
  return finish(result);
}

int UnsyncedDisk::link(const char* from, const char* to) {
  if (refused("link")) return finish(-1);
  const int result = DiskCalls::link(from, to);
  if (result == 0) {
    const NameChange change{name_of(to), {}, names_.at(name_of(from))};
    apply(change, names_);
    renamed_.push_back(change);
  }
  return finish(result);
}

int UnsyncedDisk::unlink(const char* path) {
  if (refused("unlink")) return finish(-1);
  const int result = DiskCalls::unlink(path);
  if (result == 0) {
    const NameChange change{{}, name_of(path), names_.at(name_of(path))};
    apply(change, names_);
    renamed_.push_back(change);
  }
  return finish(result);
}

void replace_files(const fs::path& folder, const Files& files) {
  for (const auto& [name, content] : files_of(folder)) fs::remove(folder / name);
  for (const auto& [name, content] : files) {
    std::ofstream{folder / name, std::ios::binary} << content;
    fs::permissions(folder / name, fs::perms::owner_read | fs::perms::owner_write);
  }
}

Files files_of(const fs::path& folder) {
  Files files;
  for (const auto& entry : fs::directory_iterator{folder}) {
    std::ostringstream text;
    text << std::ifstream{entry.path(), std::ios::binary}.rdbuf();
    files[entry.path().filename().string()] = text.str();
  }
  return files;
}
}  // namespace onward
