// What device memory is to the host, and what becomes of it.
#include <sys/mman.h>

#include "support.hpp"

namespace {

constexpr std::size_t kSize = 1 << 16;

void the_host_can_not_touch_device_memory(void **) {
  const pid_t child = start("", [] {
    use();
    const CUdeviceptr address = allocate(kSize);
    OK(cu.cuMemsetD8(address, 1, kSize));
    std::signal(SIGSEGV, [](int) { _exit(42); });
    *reinterpret_cast<volatile char *>(static_cast<std::uintptr_t>(address)) = 1;
  });
  const int status = end_of(child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 42);
}

void pinned_memory_is_gone_when_freed(void **) {
  const pid_t child = start("", [] {
    void *pointer = nullptr;
    use();
    OK(cu.cuMemHostAlloc(&pointer, kSize, 0));
    std::memset(pointer, 1, kSize);
    OK(cu.cuMemFreeHost(pointer));
    std::signal(SIGSEGV, [](int) { _exit(42); });
    *static_cast<volatile char *>(pointer) = 1;
  });
  const int status = end_of(child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 42);
}

void use_after_free_is_found(void **) {
  RUN("", {
    use();
    const CUdeviceptr address = allocate(kSize);
    OK(cu.cuMemFree(address));
    SO(sim.mistakes(nullptr) == 0);
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemsetD8(address + 8, 1, 16));
    SO(sim.mistakes("use_after_free") == 1);
    std::vector<char> own(16);
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemcpyDtoH(own.data(), address, own.size()));
    SO(sim.mistakes("use_after_free") == 2);
    SO(allocate(kSize) != address);  // so it stays found
  });
}

void a_copy_past_the_end_is_found(void **) {
  RUN("", {
    use();
    const CUdeviceptr address = allocate(kSize);
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemsetD8(address, 1, kSize + 1));
    SO(sim.mistakes("use_after_free") == 1);
  });
}

void stale_handles_are_found(void **) {
  RUN("", {
    use();
    const CUdeviceptr address = allocate(kSize);
    OK(cu.cuMemFree(address));
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemFree(address));
    const CUstream stream = new_stream();
    OK(cu.cuStreamDestroy(stream));
    GIVES(CUDA_ERROR_INVALID_HANDLE, cu.cuStreamSynchronize(stream));
    const CUevent event = recorded(nullptr);
    OK(cu.cuEventDestroy(event));
    GIVES(CUDA_ERROR_INVALID_HANDLE, cu.cuEventQuery(event));
    SO(sim.mistakes("bad_handle") == 3);
    SO(new_stream() != stream);
  });
}

void new_memory_is_not_anothers_bytes(void **) {
  RUN("memory=64K", {
    use();
    std::vector<char> own(kSize);
    for (int i = 0; i < 10; ++i) {
      const CUdeviceptr address = allocate(kSize);
      OK(cu.cuMemcpyDtoH(own.data(), address, kSize));
      for (const char byte : own) SO(byte == 0);
      OK(cu.cuMemsetD8(address, 0x55, kSize));
      OK(cu.cuMemFree(address));
    }
  });
}

void what_is_free_in_pieces_is_enough(void **) {
  RUN("memory=64M", {
    use();
    std::vector<CUdeviceptr> pieces;
    for (int i = 0; i < 64; ++i) pieces.push_back(allocate(1 << 20));
    for (std::size_t i = 0; i < pieces.size(); i += 2) OK(cu.cuMemFree(pieces[i]));
    OK(cu.cuMemsetD8(allocate(32 << 20), 1, 32 << 20));
    CUdeviceptr more = 0;
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&more, 4096));
  });
}

void the_child_of_a_fork_has_no_driver(void **) {
  RUN("", {
    use();
    const pid_t child = fork();
    if (child == 0) {
      CUdeviceptr address = 0;
      _exit(cu.cuMemAlloc(&address, 4096) == CUDA_ERROR_NOT_INITIALIZED ? 0 : 1);
    }
    SO(end_of(child) == 0);
    allocate(4096);
  });
}

void access_is_needed_on_each_device(void **) {
  RUN("", {
    const CUcontext second = use(1);
    const CUdeviceptr far = allocate(kSize);
    use(0);
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemsetD8(far, 1, kSize));
    OK(cu.cuCtxEnablePeerAccess(second, 0));
    OK(cu.cuMemsetD8(far, 1, kSize));
    OK(cu.cuCtxDisablePeerAccess(second));
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.cuMemsetD8(far, 1, kSize));
  });
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_host_can_not_touch_device_memory),
      cmocka_unit_test(pinned_memory_is_gone_when_freed),
      cmocka_unit_test(use_after_free_is_found),
      cmocka_unit_test(a_copy_past_the_end_is_found),
      cmocka_unit_test(stale_handles_are_found),
      cmocka_unit_test(new_memory_is_not_anothers_bytes),
      cmocka_unit_test(what_is_free_in_pieces_is_enough),
      cmocka_unit_test(the_child_of_a_fork_has_no_driver),
      cmocka_unit_test(access_is_needed_on_each_device),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
