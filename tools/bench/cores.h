#pragma once

namespace onward::bench {
/// This process and all that it starts from now on share so many cores, as on a machine that has no
/// more; 0 changes nothing.
void stay_on(int cores);
}  // namespace onward::bench
