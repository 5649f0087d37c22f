#include "engine/store/sqlite/folding.h"

#include <cassert>
#include <chrono>
#include <utility>
#include <vector>

namespace onward {
void Folding::begin_with(std::deque<JournalRow> journal) {
  journal_ = std::move(journal);
  if (!journal_.empty()) next_row_ = journal_.back().id + 1;
}

void Folding::append(std::unique_ptr<const std::string> row, Instant at) {
  const bool applied = overlay_.apply(*row);
  assert(applied);
  static_cast<void>(applied);
  journal_.push_back({next_row_++, std::move(row), at});
}

void Folding::begin() {
  std::vector<std::uint64_t> ids;
  ids.reserve(journal_.size());
  for (const JournalRow& row : journal_) ids.push_back(row.id);
  fold_ = std::make_unique<Fold>(overlay_, writer_, std::move(ids));
}

void Folding::step(std::size_t rows_min, std::size_t rows_max, Duration time) {
  fold_done_ = false;
  const auto end = std::chrono::steady_clock::now() + time;
  for (std::size_t rows = 0; rows < rows_max; ++rows) {
    if (rows >= rows_min && rows % 16 == 0 && std::chrono::steady_clock::now() >= end) return;
    if (!fold_->step()) {
      fold_done_ = true;
      return;
    }
  }
}

void Folding::step_to_end() {
  while (fold_->step()) {
  }
  writer_.journal.marks(overlay_);
  fold_done_ = true;
}

bool Folding::committed() {
  if (!fold_) return false;
  fold_->confirm();
  if (!fold_done_) return true;
  while (!journal_.empty() && journal_.front().id <= fold_->last_journal()) journal_.pop_front();
  fold_.reset();
  fold_done_ = false;
  return true;
}

void Folding::rolled_back() {
  if (fold_) fold_->rollback();
  fold_done_ = false;
}
}  // namespace onward
