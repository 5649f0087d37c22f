#include "engine/host/run_resumption.h"

#include <utility>

namespace onward {
namespace {
constexpr std::size_t kRunsAtOnce = 500;
}  // namespace

struct RunResumption::Work {
  RunQuery which;
  RunKey one;
  std::string who;
  std::string cursor = {};
  std::size_t count = 0;
  Done<Result<std::size_t>> done = {};
};

void RunResumption::resume(Reply<std::size_t> reply, RunQuery which, std::string who) {
  begin(std::move(reply), {.which = std::move(which), .one = {}, .who = std::move(who)});
}

void RunResumption::resume(Reply<std::size_t> reply, RunKey run, std::string who) {
  begin(std::move(reply), {.which = {}, .one = run, .who = std::move(who)});
}

void RunResumption::begin(Reply<std::size_t> reply, Work work) {
  const auto shared_work = std::make_shared<Work>(std::move(work));
  shared_work->done = calls_.durable(shared(std::move(reply)));
  find_page(shared_work);
}

/// The next page; the cell answers each command, and the last answer asks for the page after it.
void RunResumption::find_page(const std::shared_ptr<Work>& work) {
  const auto found = [this, work](Result<ReadModel::RunList> list) {
    if (!list) return work->done(tl::make_unexpected(std::move(list.error())));
    work->cursor = list->next;
    calls_.ask(work->done, [this, work, runs = std::move(list->runs)](Cell& cell) {
      return resume_page(cell, work, runs);
    });
  };
  calls_.ask_reader(Done<Result<ReadModel::RunList>>{found},
                    [work](ReadModel& from, const Directory& names) -> Result<ReadModel::RunList> {
                      auto filter = filter_of(names, work->which);
                      if (!filter) return tl::make_unexpected(filter.error());
                      filter->state = RunState::Parked;
                      filter->run = work->one;
                      return from.live_runs(*filter, kRunsAtOnce, work->cursor);
                    });
}

Status RunResumption::resume_page(Cell& cell, const std::shared_ptr<Work>& work,
                                  const std::vector<Run>& runs) {
  if (runs.empty()) return go_on(cell, work);
  std::vector<Task> resumed;
  resumed.reserve(runs.size());
  for (const Run& run : runs)
    resumed.emplace_back(ContactTask{
        .input = CommandInput{.contact = run.contact, .command = ResumeRun{run.key}},
        .done = [this, work, last = &run == &runs.back()](Result<WorkAnswer> answer) {
          const bool taken =
              answer && answer->found && answer->event.kind == EventAnswer::Kind::Accepted;
          if (taken) ++work->count;
          if (last)
            calls_.ask(work->done, [this, work](Cell& again) { return go_on(again, work); });
        }});
  return cell.take_now(std::move(resumed));
}

Status RunResumption::go_on(Cell& cell, const std::shared_ptr<Work>& work) {
  if (!work->cursor.empty() && !(work->one && work->count > 0)) {
    find_page(work);
    return {};
  }
  if (work->count > 0)
    if (Status noted = cell.note(
            {.at = cell.context().now(),
             .what = "runs.resumed",
             .scenario = work->which.scenario,
             .node = work->which.node,
             .who = work->who.empty() ? "engine" : work->who,
             .text = work->one ? format_run(work->one) : std::to_string(work->count) + " runs"});
        !noted && noted.error().kind == ErrorKind::Io)
      return noted;
  work->done(work->count);
  return {};
}
}  // namespace onward
