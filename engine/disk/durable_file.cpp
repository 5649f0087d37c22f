#include "engine/disk/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "engine/disk/disk_calls.h"

namespace onward {
namespace {
/// Closed at the end; errno stays what it was.
class OpenDescriptor {
 public:
  explicit OpenDescriptor(int number) : number_{number} {}
  ~OpenDescriptor() {
    const int fault = errno;
    if (number_ >= 0) ::close(number_);
    errno = fault;
  }
  OpenDescriptor(const OpenDescriptor&) = delete;
  OpenDescriptor& operator=(const OpenDescriptor&) = delete;
  explicit operator bool() const { return number_ >= 0; }
  int get() const { return number_; }

 private:
  const int number_;
};

bool write_all(int descriptor, std::string_view text) {
  off_t offset = 0;
  while (!text.empty()) {
    const ssize_t written = disk_calls().write(descriptor, text.data(), text.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    offset += written;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}
}  // namespace

std::optional<FileFault> put_file(const std::filesystem::path& file, std::string_view text,
                                  unsigned mode, Existing existing) {
  DiskCalls& calls = disk_calls();
  const std::string name = file.string(), draft = name + ".onward-draft";
  const auto failed = [&](const char* step) {
    const FileFault fault{.error = errno, .step = step};
    calls.unlink(draft.c_str());
    return fault;
  };
  calls.unlink(draft.c_str());  // Of a process that ended in between.
  {
    const OpenDescriptor out{
        calls.open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
    if (!out) return FileFault{.error = errno, .step = "open"};
    if (!write_all(out.get(), text)) return failed("write");
    // Else the name could be durable before the content is: an empty file.
    if (calls.sync(out.get()) != 0) return failed("sync");
  }
  if (existing == Existing::Replace) {
    if (calls.rename(draft.c_str(), name.c_str()) != 0) return failed("rename");
  } else {
    // A link, unlike a rename, replaces nothing.
    if (calls.link(draft.c_str(), name.c_str()) != 0) {
      FileFault fault = failed("link");
      fault.exists = fault.error == EEXIST;
      return fault;
    }
    calls.unlink(draft.c_str());
  }
  const auto fault = sync_folder_of(file);
  // Nothing depends on it yet, and it would refuse the next try.
  if (fault && existing == Existing::Keep) calls.unlink(name.c_str());
  return fault;
}

std::optional<FileFault> sync_file(const std::filesystem::path& file) {
  {
    const OpenDescriptor opened{
        disk_calls().open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0)};
    if (!opened) return FileFault{.error = errno, .step = "open"};
    if (disk_calls().sync(opened.get()) != 0) return FileFault{.error = errno, .step = "sync"};
  }
  return sync_folder_of(file);
}

std::optional<FileFault> sync_folder_of(const std::filesystem::path& file) {
  std::filesystem::path folder = file.parent_path();
  if (folder.empty()) folder = ".";
  const OpenDescriptor opened{
      disk_calls().open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)};
  if (opened && (disk_calls().sync(opened.get()) == 0 || errno == EINVAL)) return std::nullopt;
  return FileFault{.error = errno, .step = "sync the folder"};
}
}  // namespace onward
