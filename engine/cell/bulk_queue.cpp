#include "engine/cell/bulk_queue.h"

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "engine/cell/weight.h"

namespace onward {
namespace {
/// Bytes of a task with few inputs above which it is one of many.
constexpr std::size_t kBytesMin = std::size_t{256} << 10;

/// Of a task whose inputs are answered together; null of others.
template <class Call>
void with_inputs(Task& task, Call call) {
  if (auto* events = std::get_if<EventsTask>(&task)) call(*events);
  if (auto* import = std::get_if<ImportTask>(&task)) call(*import);
}

/// Whether it is taken a commit a turn: it has many inputs, or a few large ones, which can cause
/// much.
bool is_bulk(Task& task) {
  bool bulk = false;
  with_inputs(task, [&](const auto& many) {
    std::size_t bytes = 0;
    if (many.inputs.size() > 1 && many.inputs.size() <= BulkQueue::kInputsMin)
      for (const Input& input : many.inputs) bytes += weight_of(input);
    bulk = many.inputs.size() > BulkQueue::kInputsMin || bytes > kBytesMin;
  });
  return bulk;
}
}  // namespace

void BulkQueue::take_from(std::vector<Task>& tasks) {
  std::erase_if(tasks, [this](Task& task) {
    if (!is_bulk(task)) return false;
    with_inputs(task, [](auto& many) { many.answers.resize(many.inputs.size()); });
    if (waiting_.empty()) step_inputs_ = cell_.options.batch_max;
    waiting_.push_back({.task = std::move(task)});
    return true;
  });
}

Status BulkQueue::step() {
  do {
    if (waiting_.empty()) return {};
    std::vector<Work> work;
    const std::size_t most = quarantine_.at_once(std::min(step_inputs_, cell_.options.batch_max));
    for (Waiting& bulk : waiting_)
      with_inputs(bulk.task, [&](auto& many) {
        for (std::size_t i = bulk.taken; i < many.inputs.size() && work.size() < most; ++i)
          work.push_back({.input = &many.inputs[i], .answer = &many.answers[i]});
      });
    InputWriter::Taken taken;
    if (Status done = inputs_.write_some(work, {}, {}, taken); !done) return done;
    if (taken.refused || writer_.read_only()) {
      answer_all(std::span<const Work>{work}.subspan(taken.work),
                 taken.refused ? *taken.refused : *writer_.read_only());
      taken.work = work.size();
    }
    // What a commit does not take has been read for nothing, so the next one reads less.
    step_inputs_ = std::max<std::size_t>(2 * taken.work, 1);
    std::deque<Waiting> left;
    for (Waiting& bulk : std::exchange(waiting_, {})) {
      const std::size_t size = inputs_of(bulk.task);
      const std::size_t more = std::min(taken.work, size - bulk.taken);
      bulk.taken += more;
      taken.work -= more;
      if (bulk.taken == size)
        cell_.effects.answered.push_back(std::move(bulk.task));
      else
        left.push_back(std::move(bulk));
    }
    // In turn, so that a long one delays no short one.
    if (left.size() > 1) std::rotate(left.begin(), left.begin() + 1, left.end());
    waiting_ = std::move(left);
  } while (writer_.read_only());
  return {};
}

void BulkQueue::refuse_all(const Error& error) {
  for (Waiting& waiting : std::exchange(waiting_, {})) refuse({&waiting.task, 1}, error);
}
}  // namespace onward
