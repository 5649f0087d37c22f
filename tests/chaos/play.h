#pragma once
// The steps of a world of any kind.
#include "tests/chaos/world.h"

namespace onward::chaos {
template <class AnyWorld>
WorldEnd play(AnyWorld& world, const WorldOptions& options) {
  WorldEnd end;
  std::uint64_t steps = 0;
  int step = 0;
  try {
    world.begin();
    for (step = 1; step <= options.steps; ++step) {
      if (options.only && !options.only->contains(step)) continue;
      world.step(step);
      ++steps;
    }
    world.end();
  } catch (const Enough&) {
    end.figures.unfinished = 1;
  } catch (const Broken& broken) {
    end.finding = Finding{.seed = options.seed, .step = step, .broken = broken};
  }
  const std::uint64_t unfinished = end.figures.unfinished;
  end.figures = world.figures();
  end.figures.steps = steps;
  end.figures.unfinished = unfinished;
  end.trace_hash = world.trace_hash();
  return end;
}
}  // namespace onward::chaos
