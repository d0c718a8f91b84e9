// A driver found at run time, and nothing but: its functions by name and version.
#pragma once

#include <cuda.h>
#include <cudaTypedefs.h>

// cuda.h makes other names of some of these; it does so here and where they are used alike.
struct Driver {
  void *library = nullptr;
  PFN_cuGetProcAddress_v12000 get = nullptr;
#define X(name, version) PFN_##name##_v##version name = nullptr;
#include "driver_entries.inc"
#undef X

  // False if there is none. Entries that it lacks stay nullptr.
  bool load();
  // With flags of cuGetProcAddress.
  void *find(const char *name, int version, cuuint64_t flags = 0, CUdriverProcAddressQueryResult *status = nullptr) const;
};

extern Driver cu;
