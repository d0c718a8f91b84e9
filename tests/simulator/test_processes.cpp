// Processes that share devices: one account of the memory, and what a killed one held comes back.
#include <sys/mman.h>
#include <sys/socket.h>

#include <string>

#include "support.hpp"

namespace {

constexpr std::size_t kSize = 16 << 20;

// A world for the processes of one test, and a line between them.
struct Shared {
  int file;
  int ends[2];
  Shared() : file(memfd_create("test-world", MFD_CLOEXEC)) {
    const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(file);
    setenv("SHMALLOC_SIM", path.c_str(), 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  }
  ~Shared() {
    unsetenv("SHMALLOC_SIM");
    for (const int end : ends) close(end);
    close(file);
  }
  Shared(const Shared &) = delete;
  Shared &operator=(const Shared &) = delete;
};

void signal_other(int end) { SO(write(end, "!", 1) == 1); }
void await(int end) {
  char byte = 0;
  SO(read(end, &byte, 1) == 1);
}

std::size_t available() {
  std::size_t some = 0, all = 0;
  OK(cu.cuMemGetInfo(&some, &all));
  return some;
}

void the_memory_of_a_killed_process_comes_back(void **) {
  const Shared shared;
  const pid_t holder = start("memory=32M", [&] {
    use();
    allocate(kSize);
    signal_other(shared.ends[0]);
    pause();
  });
  const pid_t watcher = start("memory=32M", [&] {
    await(shared.ends[1]);
    use();
    SO(available() == kSize);
    SO(sim.used(0) == kSize);
    CUdeviceptr address = 0;
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&address, kSize + 1));
    signal_other(shared.ends[1]);
    await(shared.ends[1]);  // It is killed and gone.
    SO(available() == 2 * kSize);
    OK(cu.cuMemAlloc(&address, 2 * kSize));
  });
  await(shared.ends[0]);
  kill(holder, SIGKILL);
  const int killed = end_of(holder);
  signal_other(shared.ends[0]);
  assert_int_equal(end_of(watcher), 0);
  assert_true(WIFSIGNALED(killed));
}

void a_process_that_exits_leaves_nothing(void **) {
  const Shared shared;
  for (int i = 0; i < 100; ++i) {  // more than there are places for processes
    RUN("memory=32M", {
      use();
      SO(available() == 2 * kSize);
      allocate(kSize);
    });
  }
}

void a_forked_child_does_not_keep_its_parents_memory(void **) {
  const Shared shared;
  const pid_t parent = start("memory=32M", [&] {
    use();
    allocate(kSize);
    if (fork() == 0) {
      alarm(60);
      signal_other(shared.ends[1]);
      await(shared.ends[1]);
      _exit(0);
    }
    await(shared.ends[0]);  // It has begun.
  });
  assert_int_equal(end_of(parent), 0);
  RUN("memory=32M", {
    use();
    SO(available() == 2 * kSize);
  });
  signal_other(shared.ends[0]);
}

// The exporter is killed; its descriptor, which nobody imported yet, keeps the memory, and gives it back when closed.
void an_exported_descriptor_counts_while_it_is_open(void **) {
  const Shared shared;
  const pid_t exporter = start("memory=32M", [&] {
    CUmemGenericAllocationHandle handle = 0;
    CUmemAllocationProp wanted{};
    wanted.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    wanted.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    wanted.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    use();
    OK(cu.cuMemCreate(&handle, kSize, &wanted, 0));
    int descriptor = -1;
    OK(cu.cuMemExportToShareableHandle(&descriptor, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    if (fork() == 0) {
      alarm(60);
      signal_other(shared.ends[0]);
      await(shared.ends[0]);
      close(descriptor);
      signal_other(shared.ends[0]);
      _exit(0);
    }
    pause();
  });
  char byte = 0;
  assert_int_equal(read(shared.ends[1], &byte, 1), 1);
  kill(exporter, SIGKILL);
  end_of(exporter);
  RUN("memory=32M", {
    use();
    SO(available() == kSize);
    signal_other(shared.ends[1]);
    await(shared.ends[1]);
    SO(available() == 2 * kSize);
  });
}

// Who waits for an event of a process that is killed before it is done does not wait for ever.
void work_of_a_killed_process_holds_up_nobody(void **) {
  const Shared shared;
  const pid_t recorder = start("schedule=late patience=0", [&] {
    CUevent event = nullptr;
    CUipcEventHandle handle;
    use();
    OK(cu.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS));
    OK(cu.cuEventRecord(event, nullptr));
    OK(cu.cuIpcGetEventHandle(&handle, event));
    SO(write(shared.ends[0], &handle, sizeof handle) == sizeof handle);
    pause();
  });
  const pid_t waiter = start("", [&] {
    CUevent event = nullptr;
    CUipcEventHandle handle;
    SO(read(shared.ends[1], &handle, sizeof handle) == sizeof handle);
    use();
    OK(cu.cuIpcOpenEventHandle(&event, handle));
    GIVES(CUDA_ERROR_NOT_READY, cu.cuEventQuery(event));
    const CUstream stream = new_stream();
    OK(cu.cuStreamWaitEvent(stream, event, 0));
    signal_other(shared.ends[1]);
    OK(cu.cuStreamSynchronize(stream));
  });
  char byte = 0;
  assert_int_equal(read(shared.ends[0], &byte, 1), 1);
  kill(recorder, SIGKILL);
  end_of(recorder);
  assert_int_equal(end_of(waiter), 0);
}

// A later record by another process makes the event done, but tells nothing of the work before the first one.
void anothers_record_orders_nothing_of_ours(void **) {
  const Shared shared;
  const pid_t first = start("schedule=late patience=0", [&] {
    CUevent event = nullptr;
    CUipcEventHandle handle;
    use();
    const CUdeviceptr address = allocate(4096);
    const CUstream stream = new_stream();
    OK(cu.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS));
    OK(cu.cuMemsetD8Async(address, 1, 4096, stream));
    OK(cu.cuEventRecord(event, stream));
    OK(cu.cuIpcGetEventHandle(&handle, event));
    SO(write(shared.ends[0], &handle, sizeof handle) == sizeof handle);
    await(shared.ends[0]);
    OK(cu.cuEventQuery(event));
    OK(cu.cuMemsetD8Async(address, 1, 4096, new_stream()));
    SO(sim.mistakes("race") == 1);
  });
  const pid_t second = start("", [&] {
    CUevent event = nullptr;
    CUipcEventHandle handle;
    SO(read(shared.ends[1], &handle, sizeof handle) == sizeof handle);
    use();
    OK(cu.cuIpcOpenEventHandle(&event, handle));
    OK(cu.cuEventRecord(event, nullptr));
    OK(cu.cuEventSynchronize(event));
    signal_other(shared.ends[1]);
  });
  assert_int_equal(end_of(first), 0);
  assert_int_equal(end_of(second), 0);
}

void another_file_is_no_world(void **) {
  setenv("SHMALLOC_SIM", "/proc/self/exe", 1);
  RUN("", GIVES(CUDA_ERROR_OPERATING_SYSTEM, cu.cuInit(0)));
  unsetenv("SHMALLOC_SIM");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_memory_of_a_killed_process_comes_back),
      cmocka_unit_test(a_process_that_exits_leaves_nothing),
      cmocka_unit_test(a_forked_child_does_not_keep_its_parents_memory),
      cmocka_unit_test(an_exported_descriptor_counts_while_it_is_open),
      cmocka_unit_test(work_of_a_killed_process_holds_up_nobody),
      cmocka_unit_test(anothers_record_orders_nothing_of_ours),
      cmocka_unit_test(another_file_is_no_world),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
