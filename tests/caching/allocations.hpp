// The allocations of C++ in a test program: counted, and some of them fail. For tests with one thread.
#pragma once

namespace allocations {

extern bool armed;
extern long count;

// From now on they are counted, and the first-th to the last-th of them (from 1) fail. What sets armed to false ends that.
void arm(long first, long last);

}  // namespace allocations
