#include "engine/host/runtime.h"

#include <algorithm>
#include <utility>

#include "engine/control/version_texts.h"
#include "engine/host/author_thread.h"
#include "engine/host/lane.h"
#include "engine/query/queries.h"

namespace onward {
namespace {
class ToDeliverer final : public DeliverySink {
 public:
  explicit ToDeliverer(Deliverer& deliverer) : deliverer_{deliverer} {}
  void expedite(std::vector<DeliveryKey> keys) override { deliverer_.expedite(keys); }
  void submit(std::vector<DeliveryTask> tasks) override { deliverer_.submit(std::move(tasks)); }
  void recorded(std::vector<DeliveryKey> keys) override { deliverer_.recorded(keys); }
  void withdraw(std::vector<DeliveryKey> keys) override { deliverer_.withdraw(std::move(keys)); }
  void pause(bool paused) override { deliverer_.pause(paused); }

 private:
  Deliverer& deliverer_;
};
}  // namespace

/// Members may use each other from `start` on; ~Runtime ends their threads before the first is
/// destroyed.
struct Runtime::Parts {
  Parts(std::unique_ptr<HttpClient> client, ConcurrencyLimits limits, const Clock& wall,
        RuntimeOptions given)
      : options{std::move(given)},
        clock{wall, options.since_boot ? options.since_boot : time_since_boot},
        deliverer{std::move(client),
                  {.limits = limits,
                   .report = [this](auto finished) { lane->queue().report(std::move(finished)); },
                   .clock = [this] { return clock.now(); },
                   .secrets = &shown.secrets(),
                   .note = options.working ? &options.working->deliver_note() : nullptr}} {}

  void add_cell(std::unique_ptr<Cell> restored, std::unique_ptr<ReadModel> read_model) {
    cell = std::move(restored);
    if (const auto newest = cell->context().newest_stored) clock.begin_after(*newest);
    epochs = cell->context().epochs;
    recent = cell->recent();
    reader = std::make_unique<ReaderThread>(std::move(read_model), options.log);
    authors = std::make_unique<AuthorThread>(options.log);
    lane = std::make_unique<Lane>(Lane::Parts{
        .cell = *cell, .sink = sink, .clock = clock, .options = options, .after_turn = [this] {
          calls->show(*cell);
          authoring->read_wanted(*cell);
        }});
    calls = std::make_unique<Calls>(Calls::Parts{.queue = lane->queue(),
                                                 .publisher = lane->publisher(),
                                                 .shown = shown,
                                                 .reader = *reader,
                                                 .author = authors->queue(),
                                                 .log = options.log});
    authoring = std::make_unique<Authoring>(Authoring::Parts{.calls = *calls,
                                                             .queue = lane->queue(),
                                                             .publisher = lane->publisher(),
                                                             .shown = shown,
                                                             .reader = *reader,
                                                             .author = authors->queue(),
                                                             .deliverer = deliverer,
                                                             .clock = clock,
                                                             .log = options.log});
    intake = std::make_unique<Intake>(
        Intake::Parts{.calls = *calls, .queue = lane->queue(), .clock = clock, .options = options});
    run_resumption = std::make_unique<RunResumption>(*calls);
    calls->show(*cell);
  }

  const RuntimeOptions options;
  MonitoredClock clock;
  ShownState shown{options};
  Deliverer deliverer;
  ToDeliverer sink{deliverer};
  std::unique_ptr<Cell> cell;
  Epochs epochs;
  std::shared_ptr<const RecentLog> recent;
  std::unique_ptr<ReaderThread> reader;
  std::unique_ptr<AuthorThread> authors;
  std::unique_ptr<Lane> lane;
  std::unique_ptr<Calls> calls;
  std::unique_ptr<Authoring> authoring;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<RunResumption> run_resumption;
};

Runtime::Runtime(std::unique_ptr<Parts> parts) : parts_{std::move(parts)} {}

Result<std::unique_ptr<Runtime>> Runtime::open(std::unique_ptr<Store> store, const NodeKinds& kinds,
                                               std::unique_ptr<HttpClient> client,
                                               ConcurrencyLimits limits, const Clock& clock,
                                               RuntimeOptions options) {
  auto read_model = store->open_reader();
  if (!read_model) return tl::make_unexpected(std::move(read_model.error()));
  auto parts = std::make_unique<Parts>(std::move(client), limits, clock, std::move(options));
  auto cell = Cell::open(std::move(store), kinds, parts->sink, parts->clock, parts->options);
  if (!cell) return tl::make_unexpected(std::move(cell.error()));
  parts->add_cell(*std::move(cell), *std::move(read_model));
  return std::unique_ptr<Runtime>{new Runtime(std::move(parts))};
}

// ---- life ----

Runtime::~Runtime() {
  (void)stop(Duration::zero());
  parts_->authors->stop();  // of one that was never started as well
}

void Runtime::start() {
  parts_->deliverer.start();
  parts_->cell->versions().read_elsewhere();
  parts_->lane->start();
}

void Runtime::send_no_more() { parts_->deliverer.start_no_more(); }

Status Runtime::stop(Duration patience) {
  if (!parts_->lane->is_running()) return {};
  parts_->lane->queue().close();
  parts_->authors->stop();
  // New requests stop leaving first; what is in flight is still recorded by the cell.
  parts_->deliverer.stop(patience);
  parts_->lane->stop();
  parts_->reader->join();
  parts_->cell->control().scenarios.texts().close();
  if (std::string reason = failure(); !reason.empty())
    return fail(ErrorKind::Io, "engine_stopped", std::move(reason));
  Status folded = parts_->cell->store().fold();
  if (folded && parts_->options.working) parts_->options.working->clean_stop();
  return folded;
}

std::string Runtime::failure() const { return parts_->lane->failure(); }

void Runtime::on_failure(std::function<void(std::string)> call) {
  parts_->lane->on_failure(std::move(call));
}

Status Runtime::ready() const { return parts_->lane->queue().ready(); }

void Runtime::around_answers(std::function<void(bool begins)> call) {
  parts_->lane->publisher().around_answers(std::move(call));
}

// ---- ways in ----

Intake& Runtime::intake() { return *parts_->intake; }
Authoring& Runtime::authoring() { return *parts_->authoring; }
RunResumption& Runtime::run_resumption() { return *parts_->run_resumption; }
Calls& Runtime::calls() { return *parts_->calls; }

Status Runtime::recheck_blocked() {
  return parts_->lane->queue().call_anyway({.call = [](Cell& cell) {
    cell.deliveries().recheck_blocked();
    return Status{};
  }});
}

void Runtime::accept_clock(Reply<bool> reply, std::string who) {
  parts_->calls->post(
      std::move(reply), [clock = &parts_->clock, who = std::move(who)](Cell& cell) -> Result<bool> {
        if (!clock->accept()) return false;
        if (Status noted = cell.note(cell.context().activity("clock.accepted", {}, who)); !noted)
          return tl::make_unexpected(noted.error());
        return true;
      });
}

// ---- what is shown ----

const ShownState& Runtime::shown() const { return parts_->shown; }
const Epochs& Runtime::epochs() const { return parts_->epochs; }
std::shared_ptr<const RecentLog> Runtime::recent() const { return parts_->recent; }
const MonitoredClock& Runtime::clock() const { return parts_->clock; }

RuntimeFigures Runtime::figures() const {
  const ShownState::Figures now = parts_->shown.figures();
  const EngineFigures& from = now.engine;
  const LaneLoad load = parts_->lane->queue().load();
  const RuntimeOptions& options = parts_->options;
  return {.events_accepted = from.events_accepted,
          .events_duplicate = from.events_duplicate,
          .events_rejected = from.events_rejected,
          .contacts_full = from.contacts_full,
          .attempts_accepted = from.attempts_accepted,
          .attempts_refused = from.attempts_refused,
          .attempts_local = from.attempts_local,
          .attempts_after_unknown = from.attempts_after_unknown,
          .commits = from.commits,
          .inputs = from.inputs,
          .commit_micros_total = from.commit_micros_total,
          .pending = static_cast<std::size_t>(std::max<std::int64_t>(from.pending, 0)),
          .queued = load.events,
          .queued_max = options.intake_max,
          .queued_bytes = load.event_bytes,
          .queued_bytes_max = options.intake_bytes_max,
          .bytes_on_disk = now.bytes_on_disk,
          .log_bytes = now.log_bytes,
          .oldest_due = now.oldest_due,
          .held_since = now.held_since,
          .log_lines_dropped = options.log_dropped ? options.log_dropped() : 0,
          .delivery = parts_->deliverer.figures()};
}
}  // namespace onward
