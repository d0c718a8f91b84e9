// What driver_api.hpp says of the driver's binary interface is what cuda.h says. There is nothing to run: it compiles, or it is wrong.
#include <cuda.h>
#include <cudaTypedefs.h>

#include <type_traits>

#include "device/cuda/driver_api.hpp"

namespace {

namespace api = shmalloc::device::cuda::api;

#define SAME(ours, theirs) static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs))
SAME(api::Code::success, CUDA_SUCCESS);
SAME(api::Code::invalid_value, CUDA_ERROR_INVALID_VALUE);
SAME(api::Code::out_of_memory, CUDA_ERROR_OUT_OF_MEMORY);
SAME(api::Code::deinitialized, CUDA_ERROR_DEINITIALIZED);
SAME(api::Code::stub_library, CUDA_ERROR_STUB_LIBRARY);
SAME(api::Code::no_device, CUDA_ERROR_NO_DEVICE);
SAME(api::Code::peer_access_unsupported, CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
SAME(api::Code::invalid_handle, CUDA_ERROR_INVALID_HANDLE);
SAME(api::Code::not_ready, CUDA_ERROR_NOT_READY);
SAME(api::Code::peer_access_already_enabled, CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
SAME(api::Code::too_many_peers, CUDA_ERROR_TOO_MANY_PEERS);
SAME(api::Code::not_supported, CUDA_ERROR_NOT_SUPPORTED);
SAME(api::Code::system_driver_mismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
SAME(api::Code::stream_capture_unsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
SAME(api::Code::stream_capture_implicit, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
SAME(api::Code::stream_capture_wrong_thread, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
SAME(api::Attribute::unified_addressing, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING);
SAME(api::Attribute::virtual_memory, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED);
SAME(api::Attribute::posix_descriptors, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED);
SAME(api::kStreamNonBlocking, CU_STREAM_NON_BLOCKING);
SAME(api::kEventWithoutTiming, CU_EVENT_DISABLE_TIMING);
SAME(api::CaptureStatus::none, CU_STREAM_CAPTURE_STATUS_NONE);
SAME(api::CaptureStatus::active, CU_STREAM_CAPTURE_STATUS_ACTIVE);
SAME(api::CaptureStatus::invalidated, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
SAME(api::CaptureMode::global, CU_STREAM_CAPTURE_MODE_GLOBAL);
SAME(api::CaptureMode::thread_local_, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
SAME(api::CaptureMode::relaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
SAME(api::LocationType::device, CU_MEM_LOCATION_TYPE_DEVICE);
SAME(api::AllocationType::pinned, CU_MEM_ALLOCATION_TYPE_PINNED);
SAME(api::HandleType::none, CU_MEM_HANDLE_TYPE_NONE);
SAME(api::HandleType::posix_descriptor, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
SAME(api::Granularity::minimum, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
SAME(api::Protection::none, CU_MEM_ACCESS_FLAGS_PROT_NONE);
SAME(api::Protection::read, CU_MEM_ACCESS_FLAGS_PROT_READ);
SAME(api::Protection::read_write, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);

#define SAME_MEMBER(ours, member, theirs, their_member)                     \
  static_assert(offsetof(ours, member) == offsetof(theirs, their_member) && \
                sizeof(std::declval<ours>().member) == sizeof(std::declval<theirs>().their_member))
#define SAME_TYPE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs) && alignof(ours) == alignof(theirs))
SAME_TYPE(api::Location, CUmemLocation);
SAME_MEMBER(api::Location, type, CUmemLocation, type);
SAME_MEMBER(api::Location, id, CUmemLocation, id);
SAME_TYPE(api::MemoryProperties, CUmemAllocationProp);
SAME_MEMBER(api::MemoryProperties, type, CUmemAllocationProp, type);
SAME_MEMBER(api::MemoryProperties, handles, CUmemAllocationProp, requestedHandleTypes);
SAME_MEMBER(api::MemoryProperties, location, CUmemAllocationProp, location);
SAME_MEMBER(api::MemoryProperties, windows, CUmemAllocationProp, win32HandleMetaData);
SAME_MEMBER(api::MemoryProperties, flags, CUmemAllocationProp, allocFlags);
SAME_TYPE(api::MemoryAccess, CUmemAccessDesc);
SAME_MEMBER(api::MemoryAccess, location, CUmemAccessDesc, location);
SAME_MEMBER(api::MemoryAccess, protection, CUmemAccessDesc, flags);

// Functions are the same if their arguments are, one by one: the same number if it is one, an address where there is one.
template <class Ours, class Theirs>
constexpr bool kSameArgument =
    sizeof(Ours) == sizeof(Theirs) && alignof(Ours) == alignof(Theirs) &&
    std::is_pointer_v<Ours> == std::is_pointer_v<Theirs> &&std::is_floating_point_v<Ours> == std::is_floating_point_v<Theirs>;
template <class Ours, class Theirs>
constexpr bool kSamePointee = kSameArgument<Ours, Theirs>;
template <class Ours, class Theirs>
requires(!std::is_void_v<Ours> && !std::is_void_v<Theirs> && std::is_object_v<Ours> && std::is_object_v<Theirs> && requires {
  sizeof(Ours) + sizeof(Theirs);
}) constexpr bool kSamePointee<Ours *, Theirs *> = kSameArgument<Ours, Theirs> && std::is_const_v<Ours> == std::is_const_v<Theirs>;

template <class Ours, class Theirs>
struct SameFunction : std::false_type {};
template <class... Ours, class... Theirs>
requires(sizeof...(Ours) == sizeof...(Theirs)) struct SameFunction<api::Code (*)(Ours...), CUresult (*)(Theirs...)>
    : std::bool_constant<((kSameArgument<Ours, Theirs> && kSamePointee<Ours, Theirs>)&&...)> {
};

static_assert(sizeof(api::Code) == sizeof(CUresult));
// These are looked for at the versions that cudaTypedefs.h has beside their names.
namespace entries {
using namespace api;
#define X(name, symbol, version, needed, ...) \
  using name##_ours = Code(*) __VA_ARGS__;    \
  static_assert(SameFunction<name##_ours, PFN_##symbol##_v##version>::value, #symbol);
#include "device/cuda/driver_entries.inc"
#undef X
}  // namespace entries
static_assert(SameFunction<api::GetProcAddress1, PFN_cuGetProcAddress_v11030>::value);
static_assert(SameFunction<api::GetProcAddress2, PFN_cuGetProcAddress_v12000>::value);

}  // namespace

int main() { return 0; }
