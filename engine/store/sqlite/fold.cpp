#include "engine/store/sqlite/fold.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace onward {
/// A run of steps of one sort.
class Fold::Phase {
 public:
  virtual ~Phase() = default;
  /// False: nothing is left.
  virtual bool step() = 0;
  virtual void confirm() = 0;
  virtual void rollback() = 0;
};

namespace {
enum class Take {
  Any,        ///< Whatever stands there, also where it was put anew after the freeze.
  Untouched,  ///< Only rows not put since: a hot one is written when it cools. Its newest state is
              ///< in a journal row that stays.
};

/// The rows of one layer.
template <class LayerType, class Write, class Before>
class LayerPhase final : public Fold::Phase {
 public:
  LayerPhase(LayerType& layer, Generation frozen, Take take, Write write, Before before)
      : layer_{layer},
        frozen_{frozen},
        take_{take},
        write_{std::move(write)},
        before_{std::move(before)} {}

  bool step() override {
    if (!begun_) begin();
    if (next_ == items_.size()) return false;
    write_(items_[next_]->first, items_[next_]->second.row);
    ++next_;
    return true;
  }

  void confirm() override {
    for (; confirmed_ < next_; ++confirmed_) {
      Item& item = *items_[confirmed_];
      if (item.second.newest <= frozen_) {
        const typename LayerType::KeyType key = item.first;
        layer_.drop(key);
      } else if constexpr (std::is_same_v<typename LayerType::RowType, Overlay::RunRow>) {
        item.second.row.stored = true;
      }
    }
  }

  void rollback() override { next_ = confirmed_; }

 private:
  using Item = typename LayerType::Map::value_type;  // stays where it is in the map

  /// Only now, so that the freeze itself is short.
  void begin() {
    begun_ = true;
    for (Item& item : layer_.map)
      if ((take_ == Take::Any ? item.second.since : item.second.newest) <= frozen_)
        items_.push_back(&item);
    std::sort(items_.begin(), items_.end(),
              [this](const Item* a, const Item* b) { return before_(*a, *b); });
  }

  LayerType& layer_;
  Generation frozen_;
  Take take_;
  Write write_;
  Before before_;
  bool begun_ = false;
  std::vector<Item*> items_;
  std::size_t next_ = 0, confirmed_ = 0;
};

/// Last: what the tables now hold is forgotten by the journal, oldest first, so that what is left
/// of it at any moment ends with the newest state of all it names.
class JournalPhase final : public Fold::Phase {
 public:
  JournalPhase(Overlay& overlay, JournalWriter& writer, std::vector<std::uint64_t> rows)
      : overlay_{overlay}, writer_{writer}, rows_{std::move(rows)} {}

  bool step() override {
    if (next_ == rows_.size()) return false;
    if (next_ == 0) writer_.marks(overlay_);
    writer_.erase(rows_[next_++]);
    return true;
  }
  void confirm() override { confirmed_ = next_; }
  void rollback() override { next_ = confirmed_; }

 private:
  Overlay& overlay_;
  JournalWriter& writer_;
  std::vector<std::uint64_t> rows_;
  std::size_t next_ = 0, confirmed_ = 0;
};

struct ByKey {
  template <class Item>
  bool operator()(const Item& a, const Item& b) const {
    return a.first < b.first;
  }
};
/// One day table after the other.
struct ByDay {
  template <class Item>
  bool operator()(const Item& a, const Item& b) const {
    return std::pair{a.second.row.day, a.first} < std::pair{b.second.row.day, b.first};
  }
};
}  // namespace

Fold::Fold(Overlay& overlay, TableWriter& writer, std::vector<std::uint64_t> journal)
    : last_journal_{journal.empty() ? 0 : journal.back()} {
  const Generation frozen = overlay.context.generation++;
  overlay.context.changes = 0;
  const auto add = [&]<class LayerType, class Writer, class Method, class Before = ByKey>(
      LayerType & layer, Writer & to, Method method, Take take = Take::Any, Before before = {}) {
    auto write = [&to, method](const typename LayerType::KeyType& key,
                               const typename LayerType::RowType& row) { (to.*method)(key, row); };
    phases_.push_back(std::make_unique<LayerPhase<LayerType, decltype(write), Before>>(
        layer, frozen, take, std::move(write), std::move(before)));
  };
  add(overlay.contacts, writer.contacts, &ContactWriter::contact);
  add(overlay.engagements, writer.contacts, &ContactWriter::engagement);
  add(overlay.ids, writer.contacts, &ContactWriter::id);
  add(overlay.emails, writer.contacts, &ContactWriter::email);
  add(overlay.ledger, writer.contacts, &ContactWriter::ledger);
  // A reader that finds a run finds its deliveries, and with a delivery its request.
  add(overlay.requests, writer.journeys, &JourneyWriter::request);
  add(overlay.attempts, writer.journeys, &JourneyWriter::attempt);
  add(overlay.deliveries, writer.journeys, &JourneyWriter::delivery);
  add(overlay.runs, writer.journeys, &JourneyWriter::run);
  add(overlay.timers, writer.journeys, &JourneyWriter::timer);
  add(overlay.seen, writer.seen, &SeenTables::put, Take::Any, ByDay{});
  add(overlay.counters, writer.journeys, &JourneyWriter::counter, Take::Untouched);
  phases_.push_back(std::make_unique<JournalPhase>(overlay, writer.journal, std::move(journal)));
}

Fold::~Fold() = default;

bool Fold::step() {
  while (phase_ < phases_.size()) {
    if (phases_[phase_]->step()) return true;
    ++phase_;
  }
  return false;
}

void Fold::confirm() {
  for (; confirmed_ < phases_.size(); ++confirmed_) {
    phases_[confirmed_]->confirm();
    if (confirmed_ == phase_) return;
  }
}

void Fold::rollback() {
  for (std::size_t i = confirmed_; i < phases_.size() && i <= phase_; ++i) phases_[i]->rollback();
  phase_ = confirmed_;
}
}  // namespace onward
