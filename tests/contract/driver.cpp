#include "driver.hpp"

#include <dlfcn.h>

Driver cu;

bool Driver::load() {
  library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return false;
  get = reinterpret_cast<PFN_cuGetProcAddress_v12000>(dlsym(library, "cuGetProcAddress_v2"));
  if (get == nullptr) return false;
#define X(name, version) this->name = reinterpret_cast<PFN_##name##_v##version>(find(#name, version));
#include "driver_entries.inc"
#undef X
  return true;
}

void *Driver::find(const char *name, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status) const {
  void *found = nullptr;
  CUdriverProcAddressQueryResult result = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  if (get(name, &found, version, flags, &result) != CUDA_SUCCESS) found = nullptr;
  if (status != nullptr) *status = result;
  return found;
}
