#include "engine/delivery/resolver.h"

#include <netdb.h>
#include <pthread.h>

#include <algorithm>
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
  return {.error = std::string{"was not looked up: "} + gai_strerror(code)};
}

/// Names below "localhost" are this machine's (RFC 6761), whatever the system makes of them.
const char* asked_for(const std::string& name) {
  return name.ends_with(".localhost") ? "localhost" : name.c_str();
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
/// long after everybody else has gone.
struct Resolver::Pool : std::enable_shared_from_this<Pool> {
  struct Job {
    std::string name;
    Clock::time_point asked;
  };
  /// Without a look-up: nobody waited any more when its turn came.
  using Answer = std::pair<std::string, std::optional<LookUp>>;

  explicit Pool(const ResolverOptions& given) : options{given} {
    if (!options.look_up) options.look_up = look_up_by_system;
  }

  /// False where there is no thread, and none to be had.
  bool put(Job job);
  void run();
  std::optional<Job> next(std::unique_lock<std::mutex>& lock);
  void tell(std::string name, std::optional<LookUp> answer);

  ResolverOptions options;
  std::mutex mutex;
  std::condition_variable came;
  std::deque<Job> jobs;
  std::vector<Answer> answers;
  std::size_t threads = 0, idle = 0, busy = 0;
  std::uint64_t found = 0, failed = 0;
  bool stopping = false;
  std::atomic<std::uint64_t> late = 0;
  std::atomic<bool> arrived = false;  ///< There are answers.
};

bool Resolver::Pool::put(Job job) {
  const std::lock_guard lock{mutex};
  jobs.push_back(std::move(job));
  if (jobs.size() > idle && threads < options.threads_max) {
    try {
      std::thread{[pool = shared_from_this()] { pool->run(); }}.detach();
      ++threads;
    } catch (const std::system_error&) {
      if (threads > 0) return true;
      jobs.pop_back();
      return false;
    }
  } else {
    came.notify_one();
  }
  return true;
}

std::optional<Resolver::Pool::Job> Resolver::Pool::next(std::unique_lock<std::mutex>& lock) {
  ++idle;
  const bool work =
      came.wait_for(lock, options.thread_idle, [this] { return stopping || !jobs.empty(); });
  --idle;
  if (stopping || !work) return std::nullopt;
  Job job = std::move(jobs.front());
  jobs.pop_front();
  return job;
}

void Resolver::Pool::tell(std::string name, std::optional<LookUp> answer) {
  answers.emplace_back(std::move(name), std::move(answer));
  arrived = true;
  if (options.answered) options.answered();
}

void Resolver::Pool::run() {
  ::pthread_setname_np(::pthread_self(), "onward-resolve");
  std::unique_lock lock{mutex};
  while (std::optional<Job> job = next(lock)) {
    if (options.clock() - job->asked > options.patience) {
      tell(std::move(job->name), std::nullopt);
      continue;
    }
    ++busy;
    lock.unlock();
    LookUp answer = options.look_up(job->name);
    lock.lock();
    --busy;
    ++(answer.addresses.empty() ? failed : found);
    if (stopping) break;
    tell(std::move(job->name), std::move(answer));
  }
  --threads;
}

Resolver::Resolver(ResolverOptions options)
    : options_{std::move(options)},
      pool_{std::make_shared<Pool>(options_)},
      late_{std::make_shared<const LookUp>(LookUp{.error = "was not resolved in time"})} {}

Resolver::~Resolver() {
  const std::lock_guard lock{pool_->mutex};
  pool_->stopping = true;
  pool_->came.notify_all();
}

/// Makes room where it must: what has expired goes, and if that is not enough, all that is no
/// look-up under way.
Resolver::Entry& Resolver::entry_of(const std::string& name, Clock::time_point now) {
  if (const auto at = entries_.find(name); at != entries_.end()) return at->second;
  const auto drop = [&](auto which) {
    if (entries_.size() < options_.names_max) return;
    std::erase_if(entries_,
                  [&](const auto& one) { return !one.second.asked && which(one.second); });
  };
  drop([&](const Entry& entry) { return entry.expires <= now; });
  drop([](const Entry&) { return true; });
  return entries_[name];
}

Resolver::Found Resolver::find(const std::string& name) {
  const Clock::time_point now = options_.clock();
  Entry& entry = entry_of(name, now);
  const bool fresh = entry.found && now < entry.expires;
  if (!entry.asked && (!fresh || now >= entry.refresh_at)) {
    entry.asked = now;
    if (!pool_->put({name, now}))
      return ended(name, LookUp{.error = "was not looked up: no thread", .local = true});
  }
  if (fresh) return entry.found;
  if (now - *entry.asked <= options_.patience) return nullptr;
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
  for (auto& [name, found] : answers) {
    Found kept = ended(name, std::move(found));
    all.emplace_back(std::move(name), std::move(kept));
  }
  return all;
}

/// A refresh that failed leaves what is known until that expires.
Resolver::Found Resolver::ended(const std::string& name, std::optional<LookUp> found) {
  const auto at = entries_.find(name);
  Entry& entry = at->second;
  entry.asked.reset();
  if (!found) {
    if (!entry.found) entries_.erase(at);
    return late_;
  }
  const Clock::time_point now = options_.clock();
  const bool good = !found->addresses.empty();
  entry.refresh_at = now + (good ? options_.refresh_after : options_.keep_failure);
  if (!good && entry.found && !entry.found->addresses.empty() && now < entry.expires)
    return entry.found;
  if (found->addresses.size() > kAddressesMax) {
    found->addresses.erase(found->addresses.begin() + kAddressesMax, found->addresses.end());
  }
  if (entry.found) keep_order(found->addresses, entry.found->addresses);
  entry.expires = now + (good ? options_.keep : found->local ? Duration{} : options_.keep_failure);
  entry.found = std::make_shared<const LookUp>(std::move(*found));
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
          .under_way = pool_->busy + pool_->jobs.size()};
}
}  // namespace onward
