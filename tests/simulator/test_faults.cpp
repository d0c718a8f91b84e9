// Calls that are made to fail, limits, and drivers of other times.
#include "support.hpp"

namespace {

void the_nth_call_fails(void **) {
  RUN("fail=cuMemAlloc:2:2,cuMemFree:1:999", {
    use();
    CUdeviceptr address = 0;
    OK(cu.cuMemAlloc(&address, 4096));
    const auto used = sim.used(0);
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&address, 4096));
    SO(sim.used(0) == used);
    OK(cu.cuMemAlloc(&address, 4096));
    GIVES(CUDA_ERROR_UNKNOWN, cu.cuMemFree(address));
    OK(cu.cuMemFree(address));
    SO(sim.injected() == 2);
    SO(sim.calls("cuMemAlloc") == 3);
    SO(sim.calls("cuMemFree") == 2);
  });
}

void all_calls_from_the_nth_on_fail(void **) {
  RUN("", {
    use();
    CUdeviceptr address = 0;
    GIVES(0, sim.configure("fail=cuMemAlloc:2+:2"));
    OK(cu.cuMemAlloc(&address, 4096));
    for (int i = 0; i < 5; ++i) GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&address, 4096));
    sim.reset();
    OK(cu.cuMemAlloc(&address, 4096));
  });
}

void an_error_of_the_device_lasts(void **) {
  RUN("fail=cuStreamSynchronize:1:700", {
    use();
    CUdeviceptr address = 0;
    const CUstream stream = new_stream();
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cu.cuStreamSynchronize(stream));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cu.cuMemAlloc(&address, 4096));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cu.cuStreamDestroy(stream));
  });
}

void a_limit_is_kept(void **) {
  RUN("limit=1M memory=4M", {
    use();
    CUdeviceptr address = 0;
    std::size_t available = 0, total = 0;
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&address, (1 << 20) + 1));
    OK(cu.cuMemAlloc(&address, 1 << 19));
    OK(cu.cuMemGetInfo(&available, &total));
    SO(available == 1 << 19 && total == 4 << 20);
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cu.cuMemAlloc(&address, (1 << 19) + 1));
    GIVES(0, sim.configure("limit=4M"));
    OK(cu.cuMemAlloc(&address, 1 << 20));
  });
}

void devices_are_as_many_and_as_large_as_said(void **) {
  RUN("devices=3 memory=1M,2M", {
    int count = 0;
    std::size_t total = 0;
    use();
    OK(cu.cuDeviceGetCount(&count));
    SO(count == 3);
    for (int i = 0; i < 3; ++i) {
      OK(cu.cuDeviceTotalMem(&total, i));
      SO(total == (i == 0 ? 1U << 20 : 2U << 20));
    }
  });
  RUN("devices=0", GIVES(CUDA_ERROR_NO_DEVICE, cu.cuInit(0)));
}

void an_old_driver_lacks_entries(void **) {
  RUN("driver=12000", {
    int version = 0;
    CUdriverProcAddressQueryResult status;
    OK(cu.cuDriverGetVersion(&version));
    SO(version == 12000);
    SO(cu.find("cuMemCreate", 12000, 0, &status) != nullptr);
    void *found = nullptr;
    GIVES(CUDA_ERROR_INVALID_VALUE, cu.get("cuMemCreate", &found, 12010, 0, &status));
    SO(cu.find("cuStreamGetCaptureInfo", 12000) != nullptr);
  });
  RUN("driver=10010", {
    CUdriverProcAddressQueryResult status;
    SO(cu.find("cuMemAlloc", 10010) != nullptr);
    SO(cu.find("cuMemCreate", 10010, 0, &status) == nullptr);
    SO(status == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    SO(cu.cuMemCreate == nullptr);
  });
}

void each_version_of_an_entry_is_found(void **) {
  RUN("", {
    void *const first = cu.find("cuStreamGetCaptureInfo", 11020), *const second = cu.find("cuStreamGetCaptureInfo", 12020),
                *const third = cu.find("cuStreamGetCaptureInfo", 13000);
    SO(first != nullptr && second != nullptr && third != nullptr);
    SO(first != second && second != third && first != third);
  });
}

void devices_without_features_say_so(void **) {
  RUN("vmm=0 peers=0", {
    int can = 1;
    const CUcontext second = use(1);
    use(0);
    CUdeviceptr address = 0;
    GIVES(CUDA_ERROR_NOT_SUPPORTED, cu.cuMemAddressReserve(&address, 2 << 20, 0, 0, 0));
    OK(cu.cuDeviceGetAttribute(&can, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0));
    SO(can == 0);
    OK(cu.cuDeviceCanAccessPeer(&can, 0, 1));
    SO(can == 0);
    GIVES(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, cu.cuCtxEnablePeerAccess(second, 0));
  });
}

void options_that_make_no_sense_are_not_taken(void **) {
  for (const char *options :
       {"devces=2", "devices", "devices=two", "memory=1X", "devices=17", "fail=cuInit:0:1", "fail=cuInit:1", "schedule=soon"}) {
    RUN(options, GIVES(CUDA_ERROR_OPERATING_SYSTEM, cu.cuInit(0)));
  }
  RUN("", {
    GIVES(-1, sim.configure("limit=1M nonsense=1"));
    use();
    allocate(2 << 20);  // nothing of it was taken
  });
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_nth_call_fails),
      cmocka_unit_test(all_calls_from_the_nth_on_fail),
      cmocka_unit_test(an_error_of_the_device_lasts),
      cmocka_unit_test(a_limit_is_kept),
      cmocka_unit_test(devices_are_as_many_and_as_large_as_said),
      cmocka_unit_test(an_old_driver_lacks_entries),
      cmocka_unit_test(each_version_of_an_entry_is_found),
      cmocka_unit_test(devices_without_features_say_so),
      cmocka_unit_test(options_that_make_no_sense_are_not_taken),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
