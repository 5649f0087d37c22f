#include "engine/delivery/resolver.h"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace onward {
namespace {
/// Of one name; whoever has more cannot make us keep them all.
constexpr std::size_t kAddressesMax = 64;

bool lacks_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

LookUp failed(int code, int error) {
  if (code == EAI_MEMORY) error = ENOMEM;
  if (lacks_resources(error))
    return {.error = std::string{"was not looked up: "} + std::strerror(error), .local = true};
  if (code == EAI_NONAME || code == EAI_NODATA) return {.error = "has no address"};
  return {.error = std::string{"was not looked up: "} + gai_strerror(code), .no_answer = true};
}

/// Names below "localhost" are this machine's (RFC 6761), whatever the system makes of them.
const char* asked_for(const std::string& name) {
  return name.ends_with(".localhost") ? "localhost" : name.c_str();
}

ResolverOptions with_defaults(ResolverOptions options) {
  if (!options.look_up) options.look_up = look_up_by_system;
  if (!options.clock) options.clock = ResolverOptions::Clock::now;
  return options;
}

/// The addresses known before keep their order, so that kept connections are used on though a name
/// server answers in turns, and those that failed stay last.
void keep_order(std::vector<IpAddress>& addresses, const std::vector<IpAddress>& before) {
  auto next = addresses.begin();
  for (const IpAddress& known : before) {
    const auto at = std::find(next, addresses.end(), known);
    if (at != addresses.end()) std::rotate(next++, at, at + 1);
  }
}
}  // namespace

LookUp look_up_by_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  errno = 0;
  if (const int code = getaddrinfo(asked_for(name), nullptr, &hints, &list); code != 0)
    return failed(code, errno);
  LookUp found;
  for (const addrinfo* at = list; at && found.addresses.size() < kAddressesMax; at = at->ai_next)
    if (const auto address = IpAddress::of(at->ai_addr)) found.addresses.push_back(*address);
  freeaddrinfo(list);
  if (found.addresses.empty()) found.error = "has no address";
  return found;
}

/// The threads and what they share with the resolver. They hold it too: one may be in a look-up
/// long after the resolver is gone.
struct Resolver::Pool : std::enable_shared_from_this<Pool> {
  /// In the order of preference.
  enum Rank : std::uint8_t { Known, New, Slow, kRanks };
  struct Running {
    Clock::time_point begun;
    Rank rank;
  };
  struct Answer {
    std::string name;
    LookUp found;
    Clock::duration took;
  };

  explicit Pool(const ResolverOptions& given) : options{given} {}

  /// False where there is no thread, and none can be created.
  bool put(const std::string& name, Rank rank);
  std::optional<Clock::time_point> begun(const std::string& name);
  bool staff();
  void run();
  std::optional<std::string> next(std::unique_lock<std::mutex>& lock);
  std::optional<std::string> pick();
  std::array<std::size_t, kRanks> room() const;
  std::size_t queued() const;

  ResolverOptions options;
  std::mutex mutex;
  std::condition_variable came;
  std::array<std::deque<std::string>, kRanks> queues;
  std::unordered_map<std::string, Running> running;
  std::vector<Answer> answers;
  std::size_t threads = 0, idle = 0;
  std::uint64_t found = 0, failed = 0;
  bool stopping = false;
  std::atomic<std::uint64_t> late = 0;
  std::atomic<bool> arrived = false;  ///< There are answers.
};

std::size_t Resolver::Pool::queued() const {
  return queues[Known].size() + queues[New].size() + queues[Slow].size();
}

/// How many look-ups of each rank may begin now. One that has become slow no longer counts against
/// those that begin: it only holds one of all threads.
std::array<std::size_t, Resolver::Pool::kRanks> Resolver::Pool::room() const {
  const Clock::time_point now = options.clock();
  std::array<std::size_t, kRanks> counts{};
  for (const auto& [name, one] : running)
    if (one.rank == Slow || now - one.begun < options.slow_after) ++counts[one.rank];
  const auto left = [](std::size_t most, std::size_t count) {
    return most - std::min(most, count);
  };
  const std::size_t all = left(options.threads_max, running.size());
  const std::size_t shared = left(all, options.reserved);
  return {std::min(all, left(options.known_max, counts[Known])),
          std::min(shared, left(options.new_max, counts[New])),
          std::min(shared, left(options.slow_max, counts[Slow]))};
}

/// Of new names the last one first: the request that waits for it has the most time left.
std::optional<std::string> Resolver::Pool::pick() {
  const auto rooms = room();
  for (const Rank rank : {Known, New, Slow}) {
    auto& queue = queues[rank];
    if (queue.empty() || rooms[rank] == 0) continue;
    std::string name = std::move(rank == New ? queue.back() : queue.front());
    rank == New ? queue.pop_back() : queue.pop_front();
    running[name] = {options.clock(), rank};
    return name;
  }
  return std::nullopt;
}

/// Sees to it that a thread is there for each look-up that may begin, and one that waits for room
/// where none may. False where there is no thread at all.
bool Resolver::Pool::staff() {
  const auto rooms = room();
  std::size_t wanted = 0;
  for (const Rank rank : {Known, New, Slow}) wanted += std::min(rooms[rank], queues[rank].size());
  if (queued() > 0) wanted = std::max<std::size_t>(wanted, 1);
  for (std::size_t n = 0; n < std::min(idle, wanted); ++n) came.notify_one();
  for (std::size_t n = idle; n < wanted && threads < options.threads_max; ++n) {
    try {
      std::thread{[pool = shared_from_this()] { pool->run(); }}.detach();
      ++threads;
    } catch (const std::system_error&) {
      break;
    }
  }
  return threads > 0;
}

bool Resolver::Pool::put(const std::string& name, Rank rank) {
  const std::lock_guard lock{mutex};
  queues[rank].push_back(name);
  if (staff()) return true;
  queues[rank].pop_back();
  return false;
}

std::optional<Resolver::Clock::time_point> Resolver::Pool::begun(const std::string& name) {
  const std::lock_guard lock{mutex};
  const auto at = running.find(name);
  if (at == running.end()) return std::nullopt;
  return at->second.begun;
}

std::optional<std::string> Resolver::Pool::next(std::unique_lock<std::mutex>& lock) {
  const auto until = Clock::now() + options.thread_idle;
  while (!stopping) {
    if (std::optional<std::string> name = pick()) {
      // What may begin beside it.
      staff();
      return name;
    }
    const bool waits = queued() > 0;  // For others to end, or to become slow.
    if (!waits && Clock::now() >= until) return std::nullopt;
    ++idle;
    came.wait_for(lock, waits ? options.slow_after / 2 : options.thread_idle);
    --idle;
  }
  return std::nullopt;
}

void Resolver::Pool::run() {
  ::pthread_setname_np(::pthread_self(), "onward-resolve");
  std::unique_lock lock{mutex};
  while (std::optional<std::string> name = next(lock)) {
    lock.unlock();
    LookUp answer = options.look_up(*name);
    lock.lock();
    ++(answer.addresses.empty() ? failed : found);
    const Clock::duration took = options.clock() - running[*name].begun;
    running.erase(*name);
    if (stopping) break;
    answers.push_back({*std::move(name), std::move(answer), took});
    arrived = true;
    if (options.answered) options.answered();
  }
  --threads;
}

Resolver::Resolver(ResolverOptions options)
    : options_{with_defaults(std::move(options))},
      pool_{std::make_shared<Pool>(options_)},
      late_{std::make_shared<const LookUp>(
          LookUp{.error = "was not resolved in time", .no_answer = true})},
      busy_{std::make_shared<const LookUp>(
          LookUp{.error = "was not looked up: too many other look-ups are under way",
                 .local = true,
                 .not_begun = true})} {}

Resolver::~Resolver() {
  const std::lock_guard lock{pool_->mutex};
  pool_->stopping = true;
  pool_->came.notify_all();
}

/// Null where all names that may be remembered are being looked up. Else room is made: what has
/// expired goes, and if that is not enough, everything but look-ups under way.
Resolver::Entry* Resolver::entry_of(const std::string& name, Clock::time_point now) {
  if (const auto at = entries_.find(name); at != entries_.end()) return &at->second;
  const auto drop = [&](auto which) {
    if (entries_.size() < options_.names_max) return;
    std::erase_if(entries_,
                  [&](const auto& one) { return !one.second.asked && which(one.second); });
  };
  drop([&](const Entry& entry) { return entry.expires <= now; });
  drop([](const Entry&) { return true; });
  return entries_.size() < options_.names_max ? &entries_[name] : nullptr;
}

/// False where it could not even be queued.
bool Resolver::ask(const std::string& name, Entry& entry, Clock::time_point now) {
  entry.asked = now;
  return pool_->put(name, entry.slow ? Pool::Slow : entry.good() ? Pool::Known : Pool::New);
}

Resolver::Found Resolver::find(const std::string& name) {
  const Clock::time_point now = options_.clock();
  Entry* const entry = entry_of(name, now);
  if (entry == nullptr) return busy_;
  const bool fresh = entry->found && now < entry->expires;
  const bool stale = entry->good() && now < entry->stale_until;
  if (!entry->asked && (!(fresh || stale) || now >= entry->refresh_at) && !ask(name, *entry, now))
    return ended(name, LookUp{.error = "was not looked up: no thread", .local = true}, {});
  if (fresh) return entry->found;
  // A look-up mostly takes some milliseconds, which are worth the wait.
  if (stale && (!entry->asked || now - *entry->asked >= options_.stale_after)) return entry->found;
  if (now - *entry->asked <= options_.patience) return nullptr;
  const auto begun = pool_->begun(name);
  if (!begun || now - *begun <= options_.patience) return nullptr;
  ++pool_->late;
  return late_;
}

Duration Resolver::patience(const std::string& name) const {
  const auto at = entries_.find(name);
  if (at == entries_.end() || !at->second.good()) return options_.patience;
  const bool stale = options_.clock() < at->second.stale_until;
  return stale ? std::min(options_.stale_after, options_.patience) : options_.patience;
}

Resolver::Found Resolver::give_up(const std::string& name, Clock::duration waited) {
  const Clock::time_point now = options_.clock();
  const auto at = entries_.find(name);
  if (at != entries_.end() && at->second.good() && now < at->second.stale_until)
    return at->second.found;
  const auto begun = pool_->begun(name);
  if (!begun || now - *begun < waited / 2) return busy_;
  ++pool_->late;
  return late_;
}

std::vector<std::pair<std::string, Resolver::Found>> Resolver::take() {
  std::vector<std::pair<std::string, Found>> all;
  if (!pool_->arrived.load(std::memory_order_relaxed)) return all;
  std::vector<Pool::Answer> answers;
  {
    const std::lock_guard lock{pool_->mutex};
    answers.swap(pool_->answers);
    pool_->arrived = false;
  }
  for (Pool::Answer& answer : answers) {
    Found kept = ended(answer.name, std::move(answer.found), answer.took);
    all.emplace_back(std::move(answer.name), std::move(kept));
  }
  return all;
}

/// A renewal that failed leaves what is known until that expires; one that nobody answered leaves
/// it for longer.
Resolver::Found Resolver::ended(const std::string& name, LookUp found, Clock::duration took) {
  Entry& entry = entries_[name];
  entry.asked.reset();
  const Clock::time_point now = options_.clock();
  const bool good = !found.addresses.empty();
  entry.slow = !good && took >= options_.slow_after;
  entry.refresh_at = now + (good ? options_.refresh_after : options_.keep_failure);
  const bool says_nothing = found.no_answer || found.local;
  if (!good && entry.good() && now < (says_nothing ? entry.stale_until : entry.expires))
    return entry.found;
  if (found.addresses.size() > kAddressesMax)
    found.addresses.erase(found.addresses.begin() + kAddressesMax, found.addresses.end());
  if (entry.found) keep_order(found.addresses, entry.found->addresses);
  entry.expires = now + (good ? options_.keep : found.local ? Duration{} : options_.keep_failure);
  entry.stale_until = now + options_.keep_stale;
  entry.found = std::make_shared<const LookUp>(std::move(found));
  return entry.found;
}

void Resolver::demote(const std::string& name, const IpAddress& address) {
  const auto at = entries_.find(name);
  if (at == entries_.end() || !at->second.found) return;
  const std::vector<IpAddress>& addresses = at->second.found->addresses;
  if (addresses.size() < 2 || !(addresses.front() == address)) return;
  LookUp turned = *at->second.found;
  std::rotate(turned.addresses.begin(), turned.addresses.begin() + 1, turned.addresses.end());
  at->second.found = std::make_shared<const LookUp>(std::move(turned));
}

NameFigures Resolver::figures() const {
  const std::lock_guard lock{pool_->mutex};
  return {.found = pool_->found,
          .failed = pool_->failed,
          .late = pool_->late,
          .under_way = pool_->running.size() + pool_->queued()};
}
}  // namespace onward
