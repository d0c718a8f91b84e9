// A device of numbers: its memory is addresses and nothing behind them, its work is done as soon as it is queued. So what is measured is
// the allocator alone, and as much can be live as there are addresses. It counts what it is asked.
#pragma once

#include <cstdint>

#include "shmalloc.h"

namespace bench {

struct DeviceCounts {
  long allocations = 0, records = 0, queries = 0, synchronizations = 0;
};

class NumbersDevice {
 public:
  NumbersDevice();
  NumbersDevice(const NumbersDevice &) = delete;
  NumbersDevice &operator=(const NumbersDevice &) = delete;
  ~NumbersDevice();  // its allocators are gone

  shmalloc_device device() const { return device_; }
  // As far as the calls of one thread at a time.
  const DeviceCounts &counts() const;

 private:
  shmalloc_device device_ = 0;
};

}  // namespace bench
