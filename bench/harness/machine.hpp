// The machine under the benchmark: which CPU we are on, who else is at work, memory that the host has already given us.
#pragma once

#include <cstddef>

namespace bench {

// Does nothing where there is no such CPU.
void pin(int cpu);
int cpu_count();
// As many descriptors as the system lets us have.
void raise_descriptor_limit();

// A virtual machine's host hands out memory at the first touch, which takes seconds a GiB: touch that much and free it.
void warm_memory(std::size_t bytes);

// Nanoseconds that this thread was ready to run but another had its CPU, since it began.
double run_delay_ns();

// A process of ours, so that its work does not count as the others'.
void count_as_own(int pid);
void forget_own(int pid);

// What the CPUs did between two looks, in CPU seconds: `others` is all that neither this process nor those of ours did.
class CpuWatch {
 public:
  CpuWatch();
  struct Use {
    double wall = 0, others = 0, stolen = 0;
    // The others' share of one CPU's time.
    double others_share() const { return wall > 0 ? others / wall : 0; }
  };
  Use so_far() const;

 private:
  double wall_, busy_, stolen_, own_;
};

// Waits until the others leave the CPUs alone for a moment, or `patience` seconds have gone by. Returns the seconds waited.
double wait_for_quiet(double patience);

}  // namespace bench
