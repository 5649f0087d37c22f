#pragma once
// Which threads give way to events where processors are few.

namespace onward {
/// Gives the calling thread, as Linux has it for one thread alone, the nice value `nice`. A thread
/// that it starts has the same. Where the system refuses, the thread keeps its priority.
void give_way_to_events(int nice = 10);
}  // namespace onward
