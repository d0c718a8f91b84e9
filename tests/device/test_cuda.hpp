// What the tests of the CUDA backend share: the backend as the conformance suite's subject, the driver for what a program does beside it,
// and the simulator behind both. Where the library that the loader finds is no simulator, `sim` has nothing and its checks say nothing.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <string>

// The driver's own names, as a program has them.
#include "../contract/driver.hpp"
#include "../simulator/sim.h"
#include "conformance.hpp"
#include "device/cuda/cuda_device.hpp"

namespace cuda_test {

using namespace conformance;

struct Subject {
  using Device = CudaDevice;
  static Result<CudaDevice> open(std::uint32_t index) { return CudaDevice::open(index); }
  static constexpr long kPatience = 60;
  static constexpr bool kForeignStreams = true;
};

struct Sim {
#define SIM_FUNCTIONS(X) X(configure) X(reset) X(calls) X(mistakes) X(injected) X(live) X(used) X(order) X(report)
#define X(name) decltype(&sim_##name) name = nullptr;
  SIM_FUNCTIONS(X)
#undef X

  Sim() {
    if (!cu.load()) return;
#define X(name) name = reinterpret_cast<decltype(&sim_##name)>(dlsym(cu.library, "sim_" #name));
    SIM_FUNCTIONS(X)
#undef X
  }
};
// Loads the driver, which a test that forks before must not have done.
inline const Sim &sim() {
  static const Sim only;
  return only;
}

inline CudaDevice open_device(std::uint32_t index = 0) {
  auto opened = CudaDevice::open(index);
  if (!opened) fail_msg("%s", opened.error().message);
  return *opened;
}

inline std::uint32_t last_device() {
  auto count = CudaDevice::count();
  if (!count) fail_msg("%s", count.error().message);
  return static_cast<std::uint32_t>(*count) - 1;
}

inline bool driver_ok(CUresult result) {
  if (result == CUDA_SUCCESS) return true;
  print_message("# the driver answers %d\n", static_cast<int>(result));
  return false;
}

inline CUstream stream_of(Stream stream) { return reinterpret_cast<CUstream>(stream); }
inline Stream number_of(CUstream stream) { return reinterpret_cast<Stream>(stream); }

// The thread's contexts, taken off their stack and put back.
inline std::vector<CUcontext> contexts() {
  std::vector<CUcontext> all;
  for (CUcontext top = nullptr; cu.cuCtxGetCurrent(&top) == CUDA_SUCCESS && top != nullptr;) {
    assert_true(driver_ok(cu.cuCtxPopCurrent(&top)));
    all.push_back(top);
  }
  for (auto at = all.rbegin(); at != all.rend(); ++at) assert_true(driver_ok(cu.cuCtxPushCurrent(*at)));
  return all;
}

inline CUstreamCaptureMode capture_mode() {
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  assert_true(driver_ok(cu.cuThreadExchangeStreamCaptureMode(&mode)));
  CUstreamCaptureMode back = mode;
  assert_true(driver_ok(cu.cuThreadExchangeStreamCaptureMode(&back)));
  return mode;
}

}  // namespace cuda_test
