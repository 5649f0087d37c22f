#include "tests/support/power_loss.h"

#include <algorithm>
#include <string_view>

namespace onward {
namespace {
constexpr std::size_t kSector = 512;

void write(std::string& content, std::uint64_t offset, std::string_view data) {
  if (content.size() < offset + data.size()) content.resize(offset + data.size());
  content.replace(offset, data.size(), data);
}

void write(std::string& content, const DiskEvent& event) {
  if (event.kind == DiskEvent::Kind::Truncate)
    content.resize(event.offset);
  else
    write(content, event.offset, event.data);
}

/// Each sector of a write reaches the disk or does not.
void tear(std::string& content, const DiskEvent& event, std::mt19937& random) {
  if (event.kind == DiskEvent::Kind::Truncate) {
    if (random() % 2 == 0) write(content, event);
    return;
  }
  for (std::size_t from = 0; from < event.data.size();) {
    const std::size_t place = event.offset + from;
    const std::size_t to = std::min(event.data.size(), from + kSector - place % kSector);
    if (random() % 2 == 0)
      write(content, place, std::string_view{event.data}.substr(from, to - from));
    from = to;
  }
}

/// How many of `count` things that happen in order had happened.
std::size_t reached(std::size_t count, Loss loss, std::mt19937& random) {
  if (loss == Loss::All) return 0;
  return loss == Loss::Nothing ? count : random() % (count + 1);
}
}  // namespace

void PoweredDisk::apply(const DiskEvent& event) {
  switch (event.kind) {
    case DiskEvent::Kind::Found:
      names_[event.name] = event.file;
      files_[event.file] = event.data;
      return;
    case DiskEvent::Kind::Create:
    case DiskEvent::Kind::Delete:
      names_made_.push_back(event);
      return;
    case DiskEvent::Kind::Write:
    case DiskEvent::Kind::Truncate:
      written_.push_back(event);
      return;
    case DiskEvent::Kind::Sync:
      for (const DiskEvent& one : written_)
        if (one.file == event.file) write(files_[event.file], one);
      std::erase_if(written_, [&](const DiskEvent& one) { return one.file == event.file; });
      return;
    case DiskEvent::Kind::SyncNames:
      for (const DiskEvent& one : names_made_)
        if (one.kind == DiskEvent::Kind::Create)
          names_[one.name] = one.file;
        else
          names_.erase(one.name);
      names_made_.clear();
      return;
  }
}

std::map<std::string, std::string> PoweredDisk::after(Loss loss, std::mt19937& random) const {
  // File systems keep a journal of names: what is lost of them is the end.
  std::map<std::string, int> names = names_;
  const std::size_t named = reached(names_made_.size(), loss, random);
  for (std::size_t i = 0; i < named; ++i) {
    if (names_made_[i].kind == DiskEvent::Kind::Create)
      names[names_made_[i].name] = names_made_[i].file;
    else
      names.erase(names_made_[i].name);
  }

  std::map<int, std::string> files = files_;
  const std::size_t written = loss == Loss::Some || loss == Loss::Torn
                                  ? written_.size()
                                  : reached(written_.size(), loss, random);
  for (std::size_t i = 0; i < written; ++i) {
    std::string& content = files[written_[i].file];
    if (loss == Loss::Torn)
      tear(content, written_[i], random);
    else if (loss != Loss::Some || random() % 2 == 0)
      write(content, written_[i]);
  }
  std::map<std::string, std::string> found;
  for (const auto& [name, file] : names) found[name] = files[file];
  return found;
}
}  // namespace onward
