// Rules about a driver, one subtest each. A rule runs in a process of its own, so that one that hangs, crashes or spoils its context costs
// no other. Rules of two processes have two functions, with a socket between them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "driver.hpp"

namespace contract {

struct Rule {
  const char *name;
  void (*first)();
  void (*second)(int socket);  // nullptr: the rule needs one process
  void (*first_of_two)(int socket);
};

std::vector<Rule> &rules();
struct Register {
  explicit Register(const Rule &rule) { rules().push_back(rule); }
};

#define RULE(name)                                                                  \
  static void name();                                                               \
  static const contract::Register register_##name({#name, name, nullptr, nullptr}); \
  static void name()

// RULE_OF_TWO(name) is what the first process does, THE_OTHER(name) the second.
#define RULE_OF_TWO(name)                                                                \
  static void name(int socket);                                                          \
  static void name##_other(int socket);                                                  \
  static const contract::Register register_##name({#name, nullptr, name##_other, name}); \
  static void name(int socket)
#define THE_OTHER(name) static void name##_other(int socket)

// End the process: with what is not so, or with why the rule says nothing here.
[[noreturn]] void broken(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
[[noreturn]] void skip(const char *why);
const char *name_of(CUresult result);

#define SO(condition)                                                         \
  do {                                                                        \
    if (!(condition)) contract::broken(__FILE__, __LINE__, "%s", #condition); \
  } while (0)
#define GIVES(wanted, ...)                                                                                        \
  do {                                                                                                            \
    const CUresult given_ = (__VA_ARGS__);                                                                        \
    if (given_ != (wanted))                                                                                       \
      contract::broken(__FILE__, __LINE__, "%s gives %s, not " #wanted, #__VA_ARGS__, contract::name_of(given_)); \
  } while (0)
#define FAILS(...)                                                                                        \
  do {                                                                                                    \
    if ((__VA_ARGS__) == CUDA_SUCCESS) contract::broken(__FILE__, __LINE__, "%s succeeds", #__VA_ARGS__); \
  } while (0)
#define OK(...) GIVES(CUDA_SUCCESS, __VA_ARGS__)

// The driver initialised and a device's primary context current.
CUcontext use(int device = 0);
int devices();
int attribute(CUdevice_attribute which, int device = 0);

CUstream new_stream(unsigned flags = CU_STREAM_NON_BLOCKING);
CUevent new_event(unsigned flags = CU_EVENT_DISABLE_TIMING);
CUdeviceptr allocate(std::size_t size);
CUevent recorded(CUstream stream);  // a new event, just recorded
void fill(CUdeviceptr address, unsigned char value, std::size_t size);
bool filled(CUdeviceptr address, unsigned char value, std::size_t size);  // waits for the device

// Work that a stream doesn't get past before `open`.
class Gate {
 public:
  explicit Gate(CUstream stream);
  void open() { open_ = true; }
  ~Gate();
  Gate(const Gate &) = delete;
  Gate &operator=(const Gate &) = delete;

 private:
  static void CUDA_CB wait(void *gate);
  std::atomic<bool> open_{false};
  std::atomic<bool> passed_{false};
};

// Memory without an address of the device, and where it is mapped.
struct Mapping {
  CUmemAllocationProp properties{};
  CUmemGenericAllocationHandle handle = 0;
  CUdeviceptr address = 0;
  std::size_t size = 0;
};
CUmemAllocationProp properties(int device, CUmemAllocationHandleType type = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
std::size_t granularity();  // skips the rule where there is no virtual memory
CUmemAccessDesc access(int device, CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
Mapping map_new(int device = 0);
CUdeviceptr map_at_new_address(CUmemGenericAllocationHandle handle, std::size_t size, int device = 0);

// Between the two processes of a rule.
void send(int socket, const void *data, std::size_t size, int descriptor = -1);
void receive(int socket, void *data, std::size_t size, int *descriptor = nullptr);
void signal(int socket);
void await(int socket);
void await_end(int socket);  // of the other process

}  // namespace contract
