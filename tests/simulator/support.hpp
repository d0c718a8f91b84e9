// What the simulator's tests need. Each body runs in a process of its own, with a driver and devices of its own.
#pragma once

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "../contract/driver.hpp"
#include "sim.h"

struct Sim {
#define SIM_FUNCTIONS(X) X(configure) X(reset) X(calls) X(mistakes) X(injected) X(live) X(used) X(order) X(report)
#define X(name) decltype(&sim_##name) name = nullptr;
  SIM_FUNCTIONS(X)
#undef X
};
inline Sim sim;

#define SO(condition)                                                                  \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      std::fprintf(stderr, "# %s:%d: %s is not so\n", __FILE__, __LINE__, #condition); \
      _exit(1);                                                                        \
    }                                                                                  \
  } while (0)
#define GIVES(wanted, ...)                                                                                       \
  do {                                                                                                           \
    const int given_ = (__VA_ARGS__);                                                                            \
    if (given_ != (wanted)) {                                                                                    \
      std::fprintf(stderr, "# %s:%d: %s gives %d, not " #wanted "\n", __FILE__, __LINE__, #__VA_ARGS__, given_); \
      _exit(1);                                                                                                  \
    }                                                                                                            \
  } while (0)
#define OK(...) GIVES(CUDA_SUCCESS, __VA_ARGS__)

inline void load() {
  SO(cu.load());
#define X(name) sim.name = reinterpret_cast<decltype(&sim_##name)>(dlsym(cu.library, "sim_" #name));
  SIM_FUNCTIONS(X)
#undef X
  SO(sim.reset != nullptr);
}

inline CUcontext use(int device = 0) {
  CUcontext context = nullptr;
  OK(cu.cuInit(0));
  OK(cu.cuDevicePrimaryCtxRetain(&context, device));
  OK(cu.cuCtxSetCurrent(context));
  return context;
}

inline CUdeviceptr allocate(std::size_t size) {
  CUdeviceptr address = 0;
  OK(cu.cuMemAlloc(&address, size));
  return address;
}

inline CUstream new_stream(unsigned flags = CU_STREAM_NON_BLOCKING) {
  CUstream stream = nullptr;
  OK(cu.cuStreamCreate(&stream, flags));
  return stream;
}

inline CUevent recorded(CUstream stream) {
  CUevent event = nullptr;
  OK(cu.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  OK(cu.cuEventRecord(event, stream));
  return event;
}

// Starts a process that runs `body` with these options and then exits as programs do.
template <class Body>
pid_t start(const char *options, Body &&body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(60);
  setenv("SHMALLOC_SIM_OPTIONS", options, 1);
  load();
  body();
  std::exit(0);
}

// How it ended, as of waitpid.
inline int end_of(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

#define RUN(options, ...)                                                                   \
  do {                                                                                      \
    const int ended_ = end_of(start(options, [&] { __VA_ARGS__; }));                        \
    if (ended_ != 0) fail_msg("the process ended with %#x", static_cast<unsigned>(ended_)); \
  } while (0)
