// What the simulator is told by SHMALLOC_SIM_OPTIONS and by sim_configure: key=value pairs with blanks between them. README.md lists them.
#pragma once

#include <cuda.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sim {

constexpr int kMaxDevices = 16;

// The nth call of a function answers with a code and does nothing; `onwards`: so do all later ones.
struct Fault {
  std::string name;
  std::uint64_t nth = 0;
  bool onwards = false;
  CUresult code = CUDA_SUCCESS;
};

enum class Schedule {
  now,   // work is done as soon as what it waits for is
  late,  // only when someone waits or asks for it
  seeded
};

struct Settings {
  int devices = 2;
  std::array<std::uint64_t, kMaxDevices> memory{};  // bytes of each
  int driver = CUDA_VERSION;
  Schedule schedule = Schedule::now;
  std::uint64_t seed = 0;
  std::uint64_t limit = UINT64_MAX;  // bytes of a device that this process may hold
  std::vector<Fault> faults;
  bool peers = true;
  bool virtual_memory = true;
  int patience = 20;  // milliseconds without a call after which work is done all the same; 0: never
  bool report = false;
  bool strict = false;  // leaks and mistakes change the exit status

  Settings() { memory.fill(std::uint64_t{256} << 20); }

  // Changes what the text names. False, with the reason, if something in it is not understood; nothing is changed then.
  bool read(const char *text, std::string *why);
};

}  // namespace sim
