#include "shmalloc/device.h"

#include "boundary.hpp"
#include "device/host/machine.hpp"

using namespace shmalloc;  // NOLINT(google-build-using-namespace)

shmalloc_status shmalloc_device_get_info(shmalloc_device device, shmalloc_device_info *out_info, shmalloc_error *err) {
  return guard(err, [&]() -> Result<void> {
    SHMALLOC_CHECK(check_sized(out_info, sizeof(shmalloc_device_info), "out_info"));
    const auto type = static_cast<std::uint32_t>(device >> 32);
    if (type != SHMALLOC_DEVICE_TYPE_HOST) {
      return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                  "devices of type %u are not in this version of shmalloc, which has host memory only", type);
    }
    if (device != SHMALLOC_DEVICE_HOST) return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "there is one host, with index 0");
    shmalloc_device_info info{};
    SHMALLOC_CHECK(describe_host(&info));
    write_sized(out_info, info);
    return {};
  });
}
