#include "tools/bench/site.h"

#include <algorithm>

#include "tools/bench/texts.h"

namespace onward::bench {
namespace {
constexpr int kSlicesMax = 8;  // of a second at least
constexpr double kWarmUp = 1;  // seconds
}  // namespace

Site::Site(Round& round, const std::string& name, int contacts, double fsync_extra_ms)
    : stream_{.scenario = "bench", .event = "measured", .receiver = &receiver_},
      stand_{round, {receiver_.port()}, fsync_extra_ms, name} {
  stand_.apply(stream_.scenario,
               webhook_scenario(stream_.scenario, stream_.event, receiver_.port()));
  stand_.load_contacts(contacts);
}

void Site::turn(int connections, double seconds) {
  LoadPlan load = stand_.single_posts(stream_);
  load.connections = connections;
  load.seconds = seconds;
  const double spent = stand_.server().figures().processor_s;
  const std::uint64_t arrived = receiver_.distinct();
  const LoadResult result = stand_.post(stream_, load);
  received_ += static_cast<double>(receiver_.distinct() - arrived);
  seconds_ += result.seconds;
  stand_.drain(stream_);
  processor_s_ += stand_.server().figures().processor_s - spent;
  events_ += result.accepted;
}

void Site::finish() {
  stand_.check(stream_);
  stand_.finish();
}

void measure_in_turn(std::span<Site* const> sites, int connections, double seconds) {
  for (Site* site : sites) {
    site->stand().settle();
    site->turn(connections, kWarmUp);
  }
  for (Site* site : sites) site->forget_turns();
  const int slices = std::clamp(static_cast<int>(seconds), 2, kSlicesMax);
  for (int slice = 0; slice < slices; ++slice) {
    // There and back, so that none always comes after the same one.
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const std::size_t at = slice % 2 == 0 ? i : sites.size() - 1 - i;
      sites[at]->turn(connections, seconds / slices);
    }
  }
}
}  // namespace onward::bench
