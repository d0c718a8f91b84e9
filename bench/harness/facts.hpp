// What a process has: descriptors, mappings, resident memory.
#pragma once

namespace bench {

double open_descriptors();
double mappings();
// Bytes: of its own, and of shared objects that it maps and has touched.
double private_bytes();
double shared_bytes();

}  // namespace bench
