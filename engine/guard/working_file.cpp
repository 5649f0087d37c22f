#include "engine/guard/working_file.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>

namespace onward {
namespace {
constexpr std::uint64_t kMagic = 0x31676e696b726f77;  // "working1"

tl::unexpected<Error> cannot(std::string_view what, const std::filesystem::path& file, int error) {
  return fail(ErrorKind::Io, "no_access",
              "cannot " + std::string{what} + " " + file.string() + ": " + std::strerror(error));
}

template <std::size_t Size>
std::string_view text_of(const char (&label)[Size]) {
  return {label, ::strnlen(label, Size)};
}

template <std::size_t Size>
void put(char (&label)[Size], std::string_view text) {
  label[text.copy(label, Size - 1)] = '\0';  // No memcpy: an empty text may point nowhere.
}

struct Row {
  std::uint64_t kind, high, low, crashes;
  char label[WorkingFile::kLabelMax + 1];
};
/// Of one thread. The kind is written last and cleared first, so that a note is whole or none.
struct alignas(128) Slot {
  std::atomic<std::uint64_t> kind;
  std::uint64_t high, low;
  char label[WorkingFile::kLabelMax + 1];

  void begin(const WorkItem& item, std::string_view text) {
    end();
    high = item.key.high;
    low = item.key.low;
    put(label, text);
    kind.store(static_cast<std::uint64_t>(item.kind), std::memory_order_release);
  }
  void end() {
    kind.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    std::memset(label, 0, sizeof label);  // It may name a contact.
  }
};

WorkItem item_of(std::uint64_t kind, std::uint64_t high, std::uint64_t low) {
  if (kind > static_cast<std::uint64_t>(kLastWorkKind)) return {};
  return {.kind = static_cast<WorkKind>(kind), .key = {.high = high, .low = low}};
}
}  // namespace

struct WorkingFile::Layout {
  std::uint64_t magic, build;
  Slot engine, deliver, author;
  Row suspects[kSuspectsMax];
};

class WorkingFile::DeliverNote final : public WorkNote {
 public:
  explicit DeliverNote(Slot& slot) : slot_{slot} {}
  void begin(DeliveryKey delivery) override {
    slot_.begin({.kind = WorkKind::Delivery, .key = {.high = delivery.value}}, {});
  }
  void end() override { slot_.end(); }

 private:
  Slot& slot_;
};

std::string_view to_string(WorkKind kind) {
  switch (kind) {
    case WorkKind::None:
      return "none";
    case WorkKind::Several:
      return "several";
    case WorkKind::Event:
      return "event";
    case WorkKind::Patch:
      return "patch";
    case WorkKind::Timer:
      return "timer";
    case WorkKind::Command:
      return "command";
    case WorkKind::Delivery:
      return "delivery";
    case WorkKind::Scenario:
      return "scenario";
    case WorkKind::Job:
      return "job";
  }
  return "none";
}

Result<std::unique_ptr<WorkingFile>> WorkingFile::open(const std::filesystem::path& file,
                                                       std::string_view build) {
  static_assert(std::is_standard_layout_v<Layout> &&
                std::atomic<std::uint64_t>::is_always_lock_free);
  // Whatever a link leads to is not ours to overwrite, and opening a FIFO would wait.
  const int descriptor =
      ::open(file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
  if (descriptor < 0) return cannot("open", file, errno);
  struct stat found {};
  const bool seen = ::fstat(descriptor, &found) == 0;
  if (!seen || !S_ISREG(found.st_mode)) {
    ::close(descriptor);
    return fail(ErrorKind::Io, "no_access", file.string() + " must be a regular file");
  }
  const bool ours = found.st_size == sizeof(Layout);
  // Its blocks must be there: a mapped page that finds no room on the disk ends the process.
  int error = ours || ::ftruncate(descriptor, 0) == 0 ? 0 : errno;
  if (error == 0) error = ::posix_fallocate(descriptor, 0, sizeof(Layout));
  void* mapped = error != 0 ? MAP_FAILED
                            : ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED,
                                     descriptor, 0);
  if (error == 0 && mapped == MAP_FAILED) error = errno;
  ::close(descriptor);
  if (mapped == MAP_FAILED) return cannot("map", file, error);

  auto* layout = static_cast<Layout*>(mapped);
  const std::uint64_t known = hash128(build).low;
  if (layout->magic != kMagic || layout->build != known) {
    std::memset(mapped, 0, sizeof(Layout));
    layout->magic = kMagic;
    layout->build = known;
  }
  std::unique_ptr<WorkingFile> opened{new WorkingFile(layout)};
  opened->take_notes();
  return opened;
}

WorkingFile::WorkingFile(Layout* layout)
    : mapping_{layout, sizeof(Layout),
               [](void* memory) {
                 // The process ends over a file, not over what it works on.
                 auto* notes = static_cast<Layout*>(memory);
                 for (Slot* slot : {&notes->engine, &notes->deliver, &notes->author})
                   slot->kind.store(0, std::memory_order_relaxed);
               }},
      layout_{layout},
      deliver_note_{std::make_unique<DeliverNote>(layout->deliver)} {}

WorkingFile::~WorkingFile() { ::munmap(layout_, sizeof(Layout)); }

/// Counts what the last end left behind.
void WorkingFile::take_notes() {
  for (const Row& row : layout_->suspects) {
    const WorkItem item = item_of(row.kind, row.high, row.low);
    if (item.kind == WorkKind::None) continue;
    suspects_.push_back(
        {.item = item,
         .label = std::string{text_of(row.label)},
         .crashes = static_cast<std::uint32_t>(std::min<std::uint64_t>(row.crashes, kCrashesMax))});
  }
  died_at_work_ = layout_->engine.kind != 0;
  for (Slot* slot : {&layout_->engine, &layout_->deliver, &layout_->author}) {
    const WorkItem item = item_of(slot->kind, slot->high, slot->low);
    // Both threads on one thing died of it once.
    const bool counted = slot == &layout_->deliver && layout_->engine.kind == slot->kind &&
                         layout_->engine.high == slot->high && layout_->engine.low == slot->low;
    if (item.kind > WorkKind::Several && !counted) add_crash(item, text_of(slot->label));
  }
  // Before the notes go: a crash in between counts once more rather than not at all.
  write_suspects();
  layout_->engine.end();
  layout_->deliver.end();
  layout_->author.end();
}

void WorkingFile::add_crash(const WorkItem& item, std::string_view label) {
  auto known = std::ranges::find(suspects_, item, &Suspect::item);
  if (known == suspects_.end()) {
    if (suspects_.size() >= kSuspectsMax) {
      const auto innocent = std::ranges::find_if(
          suspects_, [](const Suspect& one) { return one.crashes < kCrashesMax; });
      suspects_.erase(innocent == suspects_.end() ? suspects_.begin() : innocent);
    }
    known = suspects_.insert(suspects_.end(), {.item = item, .label = std::string{label}});
  }
  known->crashes = std::min(known->crashes + 1, kCrashesMax);
  known->fresh = true;
}

std::vector<Suspect> WorkingFile::suspects() const {
  const std::lock_guard lock{mutex_};
  return suspects_;
}

std::uint32_t WorkingFile::crashes_of(const WorkItem& item) const {
  const std::lock_guard lock{mutex_};
  const auto known = std::ranges::find(suspects_, item, &Suspect::item);
  return known == suspects_.end() ? 0 : known->crashes;
}

void WorkingFile::erase(const WorkItem& item) {
  const std::lock_guard lock{mutex_};
  if (std::erase_if(suspects_, [&](const Suspect& one) { return one.item == item; }) > 0)
    write_suspects();
}

void WorkingFile::forget_label(std::string_view label) {
  const std::lock_guard lock{mutex_};
  bool found = false;
  for (Suspect& one : suspects_) {
    if (one.label.empty() || one.label != label.substr(0, kLabelMax)) continue;
    one.label.clear();
    found = true;
  }
  if (found) write_suspects();
}

void WorkingFile::write_suspects() {
  any_suspect_.store(!suspects_.empty(), std::memory_order_relaxed);
  for (std::size_t i = 0; i < kSuspectsMax; ++i) {
    Row& row = layout_->suspects[i];
    row.kind = 0;
    std::memset(row.label, 0, sizeof row.label);
    if (i >= suspects_.size()) continue;
    const Suspect& one = suspects_[i];
    row.high = one.item.key.high;
    row.low = one.item.key.low;
    row.crashes = one.crashes;
    put(row.label, one.label);
    row.kind = static_cast<std::uint64_t>(one.item.kind);
  }
}

void WorkingFile::begin(const WorkItem& item, std::string_view label) {
  layout_->engine.begin(item, label);
}

void WorkingFile::end() { layout_->engine.end(); }

void WorkingFile::begin_text(const WorkItem& item, std::string_view label) {
  layout_->author.begin(item, label);
}

void WorkingFile::end_text() { layout_->author.end(); }

void WorkingFile::clean_stop() {
  const std::lock_guard lock{mutex_};
  std::erase_if(suspects_, [](const Suspect& one) { return one.crashes < kCrashesMax; });
  write_suspects();
  layout_->engine.end();
  layout_->deliver.end();
  layout_->author.end();
}

WorkNote& WorkingFile::deliver_note() { return *deliver_note_; }

WorkItem work_item_of_text(std::string_view scenario_text) {
  return {.kind = WorkKind::Scenario, .key = hash128(scenario_text)};
}

std::string poison_message(std::string_view what) {
  return fmt::format("the server crashed {} times while it worked on {}, so it is set aside",
                     WorkingFile::kCrashesMax, what);
}

WorkGuard::WorkGuard(WorkingFile* file, const WorkItem& item, std::string_view label)
    : file_{file}, item_{item}, poison_{file != nullptr && file->is_poison(item)} {
  if (file_ != nullptr && !poison_) file_->begin_text(item, label);
}

WorkGuard::~WorkGuard() {
  if (file_ == nullptr || poison_) return;
  file_->end_text();
  file_->forget(item_);
}

}  // namespace onward
