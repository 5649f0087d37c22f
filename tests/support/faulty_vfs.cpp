#include "tests/support/faulty_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string_view>

namespace onward {
struct FaultyDisk::State {
  sqlite3_vfs vfs{};
  sqlite3_vfs* real = nullptr;

  std::mutex mutex;
  std::optional<DiskFault> fault;
  std::size_t calls = 0, failures = 0;
  std::chrono::microseconds slept{0};
  bool paused = false, remembers = false, lies = false;
  std::vector<DiskEvent> events;
  std::map<std::string, int> files;  ///< By name, those that were told of.
  int last_file = 0;

  /// SQLITE_OK, or what this call is to fail with.
  int meets(DiskCall call, std::string_view name) {
    const std::lock_guard lock{mutex};
    if (paused || !fault || fault->call != call || !name.ends_with(fault->only_on))
      return SQLITE_OK;
    ++calls;
    if (calls < fault->at || (calls > fault->at && !fault->stays)) return SQLITE_OK;
    ++failures;
    errno = fault->system;
    return fault->code;
  }
  void note(DiskEvent event) {
    const std::lock_guard lock{mutex};
    if (remembers) events.push_back(std::move(event));
  }
};

namespace {
using State = FaultyDisk::State;
using Kind = DiskEvent::Kind;

/// SQLite's memory, in which the system's own file stands behind it.
struct ShimFile {
  sqlite3_file base;
  State* state;
  int number;           ///< Of the events.
  bool names_unsynced;  ///< Its first sync syncs its folder as well, as SQLite's own VFS does.
  char name[256];       ///< Without the folder.
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

static_assert(sizeof(ShimFile) % 8 == 0);

ShimFile& of(sqlite3_file* file) { return *reinterpret_cast<ShimFile*>(file); }

/// Meets the fault that waits for `call`, or passes the call on.
template <class Pass>
int pass(sqlite3_file* file, DiskCall call, Pass on) {
  ShimFile& shim = of(file);
  if (const int code = shim.state->meets(call, shim.name); code != SQLITE_OK) return code;
  return on(shim.real());
}

int close_file(sqlite3_file* file) { return of(file).real()->pMethods->xClose(of(file).real()); }

int read_file(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return pass(file, DiskCall::Read,
              [&](sqlite3_file* real) { return real->pMethods->xRead(real, to, size, offset); });
}

int write_some(ShimFile& shim, const void* from, int size, sqlite3_int64 offset) {
  const int code = shim.real()->pMethods->xWrite(shim.real(), from, size, offset);
  if (code == SQLITE_OK)
    shim.state->note({.kind = Kind::Write,
                      .file = shim.number,
                      .offset = static_cast<std::uint64_t>(offset),
                      .data = {static_cast<const char*>(from), static_cast<std::size_t>(size)}});
  return code;
}

int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  ShimFile& shim = of(file);
  if (const int code = shim.state->meets(DiskCall::Write, shim.name); code != SQLITE_OK) {
    if (size > 1) write_some(shim, from, size / 2, offset);
    return code;
  }
  return write_some(shim, from, size, offset);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  return pass(file, DiskCall::Truncate, [&](sqlite3_file* real) {
    const int code = real->pMethods->xTruncate(real, size);
    if (code == SQLITE_OK)
      of(file).state->note({.kind = Kind::Truncate,
                            .file = of(file).number,
                            .offset = static_cast<std::uint64_t>(size)});
    return code;
  });
}

int sync_file(sqlite3_file* file, int) {
  return pass(file, DiskCall::Sync, [&](sqlite3_file*) {
    ShimFile& shim = of(file);
    if (shim.state->lies) return SQLITE_OK;
    shim.state->note({.kind = Kind::Sync, .file = shim.number});
    if (shim.names_unsynced) shim.state->note({.kind = Kind::SyncNames});
    shim.names_unsynced = false;
    return SQLITE_OK;
  });
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  return pass(file, DiskCall::FileSize,
              [&](sqlite3_file* real) { return real->pMethods->xFileSize(real, size); });
}

int lock_file(sqlite3_file* file, int level) {
  return pass(file, DiskCall::Lock,
              [&](sqlite3_file* real) { return real->pMethods->xLock(real, level); });
}

int unlock_file(sqlite3_file* file, int level) {
  return of(file).real()->pMethods->xUnlock(of(file).real(), level);
}

int check_reserved(sqlite3_file* file, int* reserved) {
  return of(file).real()->pMethods->xCheckReservedLock(of(file).real(), reserved);
}

int control_file(sqlite3_file* file, int what, void* argument) {
  return of(file).real()->pMethods->xFileControl(of(file).real(), what, argument);
}

int sector_size(sqlite3_file* file) {
  return of(file).real()->pMethods->xSectorSize(of(file).real());
}

int device_characteristics(sqlite3_file* file) {
  return of(file).real()->pMethods->xDeviceCharacteristics(of(file).real());
}

int map_shared(sqlite3_file* file, int region, int size, int extend, void volatile** to) {
  return pass(file, DiskCall::SharedMap, [&](sqlite3_file* real) {
    return real->pMethods->xShmMap(real, region, size, extend, to);
  });
}

int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
  // Letting go of a lock cannot fail.
  if ((flags & SQLITE_SHM_UNLOCK) != 0)
    return of(file).real()->pMethods->xShmLock(of(file).real(), offset, count, flags);
  return pass(file, DiskCall::SharedLock, [&](sqlite3_file* real) {
    return real->pMethods->xShmLock(real, offset, count, flags);
  });
}

void shared_barrier(sqlite3_file* file) { of(file).real()->pMethods->xShmBarrier(of(file).real()); }

int unmap_shared(sqlite3_file* file, int erase) {
  return of(file).real()->pMethods->xShmUnmap(of(file).real(), erase);
}

const sqlite3_io_methods kMethods{
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = unlock_file,
    .xCheckReservedLock = check_reserved,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = map_shared,
    .xShmLock = lock_shared,
    .xShmBarrier = shared_barrier,
    .xShmUnmap = unmap_shared,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

State& of(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }

std::string_view without_folder(const char* path) {
  const std::string_view whole = path == nullptr ? "" : path;
  return whole.substr(whole.rfind('/') + 1);
}

/// All that stands in an open file.
std::string content_of(sqlite3_file* file) {
  sqlite3_int64 size = 0;
  file->pMethods->xFileSize(file, &size);
  std::string content(static_cast<std::size_t>(size), '\0');
  file->pMethods->xRead(file, content.data(), static_cast<int>(size), 0);
  return content;
}

/// Gives the file its number, the same as long as it keeps its name.
void introduce(State& state, ShimFile& shim, bool was_there) {
  const std::lock_guard lock{state.mutex};
  if (!state.remembers) return;
  const auto known = state.files.find(shim.name);
  if (known != state.files.end()) {
    shim.number = known->second;
    return;
  }
  shim.number = state.files[shim.name] = ++state.last_file;
  if (was_there)
    state.events.push_back({.kind = Kind::Found,
                            .file = shim.number,
                            .name = shim.name,
                            .data = content_of(shim.real())});
  else
    state.events.push_back({.kind = Kind::Create, .file = shim.number, .name = shim.name});
}

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* given) {
  State& state = of(vfs);
  file->pMethods = nullptr;
  const std::string_view name = without_folder(path);
  if (const int code = state.meets(DiskCall::Open, name); code != SQLITE_OK) return code;
  ShimFile& shim = of(file);
  shim = {.state = &state};
  std::memcpy(shim.name, name.data(), std::min(name.size(), sizeof shim.name - 1));
  int was_there = 0;
  if (path != nullptr) state.real->xAccess(state.real, path, SQLITE_ACCESS_EXISTS, &was_there);
  if (const int code = state.real->xOpen(state.real, path, shim.real(), flags, given);
      code != SQLITE_OK)
    return code;
  constexpr int kLogs = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
  shim.names_unsynced = (flags & kLogs) != 0 && (flags & SQLITE_OPEN_CREATE) != 0;
  if (path != nullptr) introduce(state, shim, was_there != 0);
  file->pMethods = &kMethods;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  State& state = of(vfs);
  const std::string name{without_folder(path)};
  if (const int code = state.meets(DiskCall::Delete, name); code != SQLITE_OK) return code;
  const int code = state.real->xDelete(state.real, path, 0);
  if (code != SQLITE_OK) return code;
  state.note({.kind = Kind::Delete, .name = name});
  if (sync_folder != 0) state.note({.kind = Kind::SyncNames});
  const std::lock_guard lock{state.mutex};
  state.files.erase(name);
  return SQLITE_OK;
}

/// The rest is the system's own.
void pass_on(sqlite3_vfs& vfs) {
  vfs.xAccess = [](sqlite3_vfs* v, const char* path, int flags, int* answer) {
    return of(v).real->xAccess(of(v).real, path, flags, answer);
  };
  vfs.xFullPathname = [](sqlite3_vfs* v, const char* path, int size, char* out) {
    return of(v).real->xFullPathname(of(v).real, path, size, out);
  };
  vfs.xRandomness = [](sqlite3_vfs* v, int size, char* out) {
    return of(v).real->xRandomness(of(v).real, size, out);
  };
  vfs.xSleep = [](sqlite3_vfs* v, int micros) {  // nobody waits in a test
    const std::lock_guard lock{of(v).mutex};
    of(v).slept += std::chrono::microseconds{micros};
    return micros;
  };
  vfs.xCurrentTimeInt64 = [](sqlite3_vfs* v, sqlite3_int64* now) {
    return of(v).real->xCurrentTimeInt64(of(v).real, now);
  };
  vfs.xGetLastError = [](sqlite3_vfs* v, int size, char* out) {
    return of(v).real->xGetLastError(of(v).real, size, out);
  };
}
}  // namespace

std::string name_of(DiskCall call) {
  static constexpr const char* kNames[] = {"open",        "read",      "write", "truncate",
                                           "sync",        "file size", "lock",  "shared map",
                                           "shared lock", "delete"};
  return kNames[static_cast<std::size_t>(call)];
}

FaultyDisk::FaultyDisk() : state_{std::make_unique<State>()} {
  state_->real = sqlite3_vfs_find(nullptr);
  sqlite3_vfs& vfs = state_->vfs;
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(sizeof(ShimFile)) + state_->real->szOsFile;
  vfs.mxPathname = state_->real->mxPathname;
  vfs.zName = "faulty";
  vfs.pAppData = state_.get();
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  pass_on(vfs);
  if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) throw std::bad_alloc{};
}

FaultyDisk::~FaultyDisk() {
  sqlite3_vfs_unregister(&state_->vfs);
  sqlite3_vfs_register(state_->real, 1);
}

void FaultyDisk::fail(DiskFault fault) {
  const std::lock_guard lock{state_->mutex};
  state_->fault = std::move(fault);
  state_->calls = state_->failures = 0;
}

void FaultyDisk::heal() {
  const std::lock_guard lock{state_->mutex};
  state_->fault.reset();
}

void FaultyDisk::pause(bool paused) {
  const std::lock_guard lock{state_->mutex};
  state_->paused = paused;
}

std::size_t FaultyDisk::failures() const {
  const std::lock_guard lock{state_->mutex};
  return state_->failures;
}

std::chrono::microseconds FaultyDisk::slept() const {
  const std::lock_guard lock{state_->mutex};
  return state_->slept;
}

void FaultyDisk::remember() {
  const std::lock_guard lock{state_->mutex};
  state_->remembers = true;
}

void FaultyDisk::lie_about_sync() {
  const std::lock_guard lock{state_->mutex};
  state_->lies = true;
}

std::size_t FaultyDisk::events_so_far() const {
  const std::lock_guard lock{state_->mutex};
  return state_->events.size();
}

std::vector<DiskEvent> FaultyDisk::events() const {
  const std::lock_guard lock{state_->mutex};
  return state_->events;
}
}  // namespace onward
