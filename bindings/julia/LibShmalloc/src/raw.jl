# Made by abi/make_raw.py of the C headers; ./dev abi-update makes it anew.

"Only ever pointed to."
mutable struct shmalloc_allocator end

"Only ever pointed to."
mutable struct shmalloc_channel end

"Only ever pointed to."
mutable struct shmalloc_storage end

"Only ever pointed to."
mutable struct DLManagedTensor end

"Only ever pointed to."
mutable struct DLManagedTensorVersioned end

const shmalloc_address = UInt64
const shmalloc_device = UInt64
const shmalloc_event = UInt64
const shmalloc_stream = UInt64

const SHMALLOC_DEVICE_HOST = 0
const SHMALLOC_HANDLE_MAX = 512
const SHMALLOC_HANDLE_TEXT_MAX = 704
const SHMALLOC_MESSAGE_MAX = 253
const SHMALLOC_SIZE_ALL = UInt64(18446744073709551615)
const SHMALLOC_STREAM_DEFAULT = 0
const SHMALLOC_STREAM_OWN = UInt64(18446744073709551615)
const SHMALLOC_TIME_DEFAULT = Int64(0)
const SHMALLOC_TIME_FOREVER = Int64(-1)
const SHMALLOC_TIME_NONE = Int64(-2)
const SHMALLOC_VERSION = 1000
const SHMALLOC_VERSION_MAJOR = 0
const SHMALLOC_VERSION_MINOR = 1
const SHMALLOC_VERSION_PATCH = 0

const shmalloc_access = Int32
const SHMALLOC_ACCESS_DEFAULT = Int32(0)
const SHMALLOC_ACCESS_READ = Int32(1)
const SHMALLOC_ACCESS_WRITE = Int32(2)
const SHMALLOC_ACCESS_FORCE32 = Int32(2147483647)
const shmalloc_allocator_flags = UInt32
const SHMALLOC_ALLOCATOR_ENVIRONMENT = UInt32(1)
const shmalloc_allocator_kind = Int32
const SHMALLOC_ALLOCATOR_KIND_DEFAULT = Int32(0)
const SHMALLOC_ALLOCATOR_KIND_DIRECT = Int32(1)
const SHMALLOC_ALLOCATOR_KIND_MAP = Int32(2)
const SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED = Int32(3)
const SHMALLOC_ALLOCATOR_KIND_SHARED = Int32(4)
const SHMALLOC_ALLOCATOR_KIND_CACHING = Int32(5)
const SHMALLOC_ALLOCATOR_KIND_FORCE32 = Int32(2147483647)
const shmalloc_capability_flags = UInt32
const SHMALLOC_CAPABILITY_HOST_ACCESS = UInt32(1)
const SHMALLOC_CAPABILITY_EXPORT = UInt32(2)
const SHMALLOC_CAPABILITY_EXPORT_BYTES = UInt32(4)
const SHMALLOC_CAPABILITY_READ_ONLY = UInt32(8)
const SHMALLOC_CAPABILITY_GROW = UInt32(16)
const SHMALLOC_CAPABILITY_HUGE_PAGES = UInt32(32)
const SHMALLOC_CAPABILITY_STREAMS = UInt32(64)
const SHMALLOC_CAPABILITY_CALL = UInt32(128)
const SHMALLOC_CAPABILITY_CAPTURE = UInt32(256)
const SHMALLOC_CAPABILITY_PEERS = UInt32(512)
const SHMALLOC_CAPABILITY_VIRTUAL = UInt32(1024)
const shmalloc_channel_flags = UInt32
const SHMALLOC_CHANNEL_NO_RECORD = UInt32(1)
const shmalloc_channel_state_flags = UInt32
const SHMALLOC_CHANNEL_STATE_CLOSED = UInt32(1)
const shmalloc_copy_flags = UInt32
const SHMALLOC_COPY_NON_BLOCKING = UInt32(1)
const shmalloc_device_type = Int32
const SHMALLOC_DEVICE_TYPE_HOST = Int32(0)
const SHMALLOC_DEVICE_TYPE_CUDA = Int32(2)
const SHMALLOC_DEVICE_TYPE_VULKAN = Int32(7)
const SHMALLOC_DEVICE_TYPE_HOST_STREAMS = Int32(65536)
const SHMALLOC_DEVICE_TYPE_CUSTOM = Int32(65537)
const SHMALLOC_DEVICE_TYPE_FORCE32 = Int32(2147483647)
const shmalloc_export_flags = UInt32
const SHMALLOC_EXPORT_READ_ONLY = UInt32(1)
const SHMALLOC_EXPORT_DESCRIPTOR = UInt32(2)
const SHMALLOC_EXPORT_COUNTED = UInt32(4)
const shmalloc_handle_format = Int32
const SHMALLOC_HANDLE_FORMAT_NATIVE = Int32(0)
const SHMALLOC_HANDLE_FORMAT_TORCH_FD = Int32(1)
const SHMALLOC_HANDLE_FORMAT_TORCH_FILE = Int32(2)
const SHMALLOC_HANDLE_FORMAT_FORCE32 = Int32(2147483647)
const shmalloc_handle_route = Int32
const SHMALLOC_HANDLE_ROUTE_DESCRIPTOR = Int32(0)
const SHMALLOC_HANDLE_ROUTE_SHM = Int32(1)
const SHMALLOC_HANDLE_ROUTE_FILE = Int32(2)
const SHMALLOC_HANDLE_ROUTE_PROCESS = Int32(3)
const SHMALLOC_HANDLE_ROUTE_EMPTY = Int32(4)
const SHMALLOC_HANDLE_ROUTE_FORCE32 = Int32(2147483647)
const shmalloc_history_flags = UInt32
const SHMALLOC_HISTORY_RECORD = UInt32(1)
const SHMALLOC_HISTORY_CLEAR = UInt32(2)
const shmalloc_import_flags = UInt32
const SHMALLOC_IMPORT_READ_ONLY = UInt32(1)
const SHMALLOC_IMPORT_SAME_USER = UInt32(2)
const SHMALLOC_IMPORT_COUNTED = UInt32(4)
const shmalloc_log_level = Int32
const SHMALLOC_LOG_LEVEL_NONE = Int32(0)
const SHMALLOC_LOG_LEVEL_ERROR = Int32(1)
const SHMALLOC_LOG_LEVEL_WARNING = Int32(2)
const SHMALLOC_LOG_LEVEL_NOTE = Int32(3)
const SHMALLOC_LOG_LEVEL_FORCE32 = Int32(2147483647)
const shmalloc_mapped_flags = UInt32
const SHMALLOC_MAPPED_SHARED = UInt32(1)
const SHMALLOC_MAPPED_SHAREDMEM = UInt32(2)
const SHMALLOC_MAPPED_EXCLUSIVE = UInt32(4)
const SHMALLOC_MAPPED_NOCREATE = UInt32(8)
const SHMALLOC_MAPPED_KEEPFD = UInt32(16)
const SHMALLOC_MAPPED_FROMFD = UInt32(32)
const SHMALLOC_MAPPED_UNLINK = UInt32(64)
const SHMALLOC_MAPPED_NO_GROW = UInt32(128)
const SHMALLOC_MAPPED_READ_ONLY = UInt32(256)
const SHMALLOC_MAPPED_MEMFD = UInt32(512)
const SHMALLOC_MAPPED_HUGETLB = UInt32(1024)
const shmalloc_notice_flags = UInt32
const SHMALLOC_NOTICE_MEMORY_LOW = UInt32(1)
const SHMALLOC_NOTICE_OUT_OF_MEMORY = UInt32(2)
const shmalloc_object_flags = UInt32
const SHMALLOC_OBJECT_NAMED = UInt32(1)
const SHMALLOC_OBJECT_COUNTED = UInt32(2)
const SHMALLOC_OBJECT_LOCKED = UInt32(4)
const SHMALLOC_OBJECT_ABANDONED = UInt32(8)
const SHMALLOC_OBJECT_UNCERTAIN = UInt32(16)
const shmalloc_object_maker = Int32
const SHMALLOC_OBJECT_MAKER_UNKNOWN = Int32(0)
const SHMALLOC_OBJECT_MAKER_SHMALLOC = Int32(1)
const SHMALLOC_OBJECT_MAKER_TORCH = Int32(2)
const SHMALLOC_OBJECT_MAKER_FORCE32 = Int32(2147483647)
const shmalloc_reclaim_flags = UInt32
const SHMALLOC_RECLAIM_FORCE = UInt32(1)
const SHMALLOC_RECLAIM_DRY_RUN = UInt32(2)
const shmalloc_reset_flags = UInt32
const SHMALLOC_RESET_PEAKS = UInt32(1)
const SHMALLOC_RESET_ACCUMULATED = UInt32(2)
const shmalloc_snapshot_format = Int32
const SHMALLOC_SNAPSHOT_FORMAT_JSON = Int32(0)
const SHMALLOC_SNAPSHOT_FORMAT_FORCE32 = Int32(2147483647)
const shmalloc_stat_pool = Int32
const SHMALLOC_STAT_POOL_ALL = Int32(0)
const SHMALLOC_STAT_POOL_SMALL = Int32(1)
const SHMALLOC_STAT_POOL_LARGE = Int32(2)
const SHMALLOC_STAT_POOL_FORCE32 = Int32(2147483647)
const shmalloc_status = Int32
const SHMALLOC_STATUS_OK = Int32(0)
const SHMALLOC_STATUS_INVALID = Int32(-1)
const SHMALLOC_STATUS_NO_MEMORY = Int32(-2)
const SHMALLOC_STATUS_NO_SPACE = Int32(-3)
const SHMALLOC_STATUS_NOT_FOUND = Int32(-4)
const SHMALLOC_STATUS_EXISTS = Int32(-5)
const SHMALLOC_STATUS_PERMISSION = Int32(-6)
const SHMALLOC_STATUS_BUSY = Int32(-7)
const SHMALLOC_STATUS_TIMEOUT = Int32(-8)
const SHMALLOC_STATUS_UNSUPPORTED = Int32(-9)
const SHMALLOC_STATUS_VERSION = Int32(-10)
const SHMALLOC_STATUS_CORRUPT = Int32(-11)
const SHMALLOC_STATUS_STALE = Int32(-12)
const SHMALLOC_STATUS_PEER_GONE = Int32(-13)
const SHMALLOC_STATUS_CLOSED = Int32(-14)
const SHMALLOC_STATUS_INTERRUPTED = Int32(-15)
const SHMALLOC_STATUS_SYSTEM = Int32(-16)
const SHMALLOC_STATUS_BACKEND = Int32(-17)
const SHMALLOC_STATUS_INTERNAL = Int32(-18)
const SHMALLOC_STATUS_FORCE32 = Int32(2147483647)
const shmalloc_storage_flags = UInt32
const SHMALLOC_STORAGE_ZEROED = UInt32(1)
const SHMALLOC_STORAGE_ISOLATED = UInt32(2)
const shmalloc_storage_state_flags = UInt32
const SHMALLOC_STORAGE_STATE_SHARED = UInt32(1)
const SHMALLOC_STORAGE_STATE_IMPORTED = UInt32(2)
const SHMALLOC_STORAGE_STATE_READ_ONLY = UInt32(4)
const SHMALLOC_STORAGE_STATE_SEALED = UInt32(8)
const SHMALLOC_STORAGE_STATE_WRITE_SEALED = UInt32(16)
const SHMALLOC_STORAGE_STATE_IMMUTABLE = UInt32(32)
const SHMALLOC_STORAGE_STATE_CLOSED = UInt32(64)
const SHMALLOC_STORAGE_STATE_FORKED = UInt32(128)
const shmalloc_tensor_flags = UInt32
const SHMALLOC_TENSOR_READ_ONLY = UInt32(1)
const SHMALLOC_TENSOR_PADDED = UInt32(2)
const shmalloc_trim_flags = UInt32
const SHMALLOC_TRIM_DEFERRED = UInt32(1)
const SHMALLOC_TRIM_EXPIRED = UInt32(2)
const SHMALLOC_TRIM_FREE = UInt32(4)

struct shmalloc_adopt_params
    struct_size::Csize_t
    stream::shmalloc_stream
    access::Int32
    flags::UInt32
end

struct shmalloc_allocator_info
    struct_size::Csize_t
    device::shmalloc_device
    id::UInt64
    references::UInt64
    live_storages::UInt64
    live_bytes::UInt64
    alignment::UInt64
    kind::Int32
    capabilities::UInt32
    name::NTuple{64,Cchar}
end

struct shmalloc_allocator_params
    struct_size::Csize_t
    device::shmalloc_device
    name::Ptr{Cchar}
    config::Ptr{Cchar}
    kind::Int32
    flags::UInt32
end

struct shmalloc_backend
    struct_size::Csize_t
    name::Ptr{Cchar}
    alignment::UInt64
    page_size::UInt64
    capabilities::UInt32
    reserved::UInt32
    allocate::Ptr{Cvoid}
    deallocate::Ptr{Cvoid}
    memory_info::Ptr{Cvoid}
    copy::Ptr{Cvoid}
    fill::Ptr{Cvoid}
    call::Ptr{Cvoid}
    synchronize::Ptr{Cvoid}
    stream_create::Ptr{Cvoid}
    stream_destroy::Ptr{Cvoid}
    stream_synchronize::Ptr{Cvoid}
    stream_wait::Ptr{Cvoid}
    stream_capturing::Ptr{Cvoid}
    event_create::Ptr{Cvoid}
    event_destroy::Ptr{Cvoid}
    event_record::Ptr{Cvoid}
    event_query::Ptr{Cvoid}
    event_synchronize::Ptr{Cvoid}
    virtual_reserve::Ptr{Cvoid}
    virtual_unreserve::Ptr{Cvoid}
    virtual_create::Ptr{Cvoid}
    virtual_destroy::Ptr{Cvoid}
    virtual_map::Ptr{Cvoid}
    virtual_unmap::Ptr{Cvoid}
    virtual_access::Ptr{Cvoid}
    enable_peer::Ptr{Cvoid}
end

struct shmalloc_cache_info
    struct_size::Csize_t
    largest::UInt64
    cached::UInt64
    available::UInt64
    total::UInt64
end

struct shmalloc_caching_params
    struct_size::Csize_t
    max_split_size::UInt64
    max_non_split_rounding::UInt64
    large_segment_size::UInt64
    garbage_collection_ppm::UInt32
    memory_ppm::UInt32
    roundup_divisions::NTuple{16,UInt32}
end

struct shmalloc_channel_info
    struct_size::Csize_t
    capacity::UInt64
    length::UInt64
    sent::UInt64
    received::UInt64
    skipped::UInt64
    record_size::UInt32
    attached::UInt32
    state::UInt32
    reserved::UInt32
end

struct shmalloc_channel_params
    struct_size::Csize_t
    capacity::UInt64
    record_size::UInt32
    flags::UInt32
end

struct shmalloc_device_info
    struct_size::Csize_t
    device::shmalloc_device
    total::UInt64
    available::UInt64
    page_size::UInt64
    count::UInt32
    capabilities::UInt32
    name::NTuple{64,Cchar}
end

struct shmalloc_error
    status::Int32
    os_error::Int32
    backend_error::Int64
    message::NTuple{240,Cchar}
end

struct shmalloc_export_params
    struct_size::Csize_t
    ttl_ns::Int64
    stream::shmalloc_stream
    flags::UInt32
    format::Int32
end

struct shmalloc_handle_info
    struct_size::Csize_t
    size::UInt64
    capacity::UInt64
    offset::UInt64
    device::shmalloc_device
    identity::NTuple{16,UInt8}
    format::Int32
    kind::Int32
    flags::UInt32
    route::Int32
    pid::Int32
    version_major::UInt16
    version_minor::UInt16
end

struct shmalloc_history_params
    struct_size::Csize_t
    max_entries::UInt64
    flags::UInt32
    reserved::UInt32
end

struct shmalloc_import_params
    struct_size::Csize_t
    timeout_ns::Int64
    stream::shmalloc_stream
    flags::UInt32
    format::Int32
end

struct shmalloc_notice
    struct_size::Csize_t
    report::Ptr{Cchar}
    device::shmalloc_device
    allocator_id::UInt64
    stream::shmalloc_stream
    requested::UInt64
    rounded::UInt64
    total::UInt64
    available::UInt64
    limit::UInt64
    reserved::UInt64
    allocated::UInt64
    pending::UInt64
    largest_free::UInt64
    kind::Int32
    fragmentation::UInt32
end

struct shmalloc_object_info
    struct_size::Csize_t
    size::UInt64
    resident::UInt64
    modified_ns::Int64
    refcount::Int64
    maker::Int32
    state::UInt32
    holders::Int32
    holder_pid::Int32
    uid::Int32
    mode::UInt32
    name::NTuple{272,Cchar}
end

struct shmalloc_snapshot_params
    struct_size::Csize_t
    format::Int32
    flags::UInt32
end

struct shmalloc_stat
    current::Int64
    peak::Int64
    allocated::Int64
    freed::Int64
end

struct shmalloc_statistics
    struct_size::Csize_t
    allocation::NTuple{3,shmalloc_stat}
    segment::NTuple{3,shmalloc_stat}
    active::NTuple{3,shmalloc_stat}
    inactive_split::NTuple{3,shmalloc_stat}
    allocated_bytes::NTuple{3,shmalloc_stat}
    reserved_bytes::NTuple{3,shmalloc_stat}
    active_bytes::NTuple{3,shmalloc_stat}
    inactive_split_bytes::NTuple{3,shmalloc_stat}
    requested_bytes::NTuple{3,shmalloc_stat}
    oversize_allocations::shmalloc_stat
    oversize_segments::shmalloc_stat
    pending::shmalloc_stat
    pending_bytes::shmalloc_stat
    num_alloc_retries::Int64
    num_ooms::Int64
    num_sync_all_streams::Int64
    num_device_alloc::Int64
    num_device_free::Int64
    max_split_size::Int64
end

struct shmalloc_storage_info
    struct_size::Csize_t
    data::Ptr{Cvoid}
    address::shmalloc_address
    device::shmalloc_device
    size::UInt64
    capacity::UInt64
    id::UInt64
    generation::UInt64
    allocator_id::UInt64
    references::UInt64
    pins::UInt64
    kind::Int32
    state::UInt32
    mapped::UInt32
    fd::Int32
end

struct shmalloc_storage_params
    struct_size::Csize_t
    name::Ptr{Cchar}
    alignment::UInt64
    capacity::UInt64
    file_offset::UInt64
    page_size::UInt64
    flags::UInt32
    mapped::UInt32
    mode::UInt32
    fd::Int32
    numa_node::Int32
    reserved::UInt32
end

struct shmalloc_tensor
    struct_size::Csize_t
    shape::Ptr{Int64}
    strides::Ptr{Int64}
    offset::UInt64
    ndim::Int32
    flags::UInt32
    code::UInt8
    bits::UInt8
    lanes::UInt16
    reserved::UInt32
end

"shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_abi_lookup(name, out_value, err) = ccall((:shmalloc_abi_lookup, libshmalloc), shmalloc_status, (Cstring, Ptr{Int64}, Ptr{shmalloc_error}), name, out_value, err)
"shmalloc/allocator.h. Threading: any. Call: wait +cb. Since: 0.1"
shmalloc_allocator_allocate(allocator, size, stream, out_address, err) = ccall((:shmalloc_allocator_allocate, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Csize_t, shmalloc_stream, Ptr{shmalloc_address}, Ptr{shmalloc_error}), allocator, size, stream, out_address, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_configure(allocator, config, err) = ccall((:shmalloc_allocator_configure, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Cstring, Ptr{shmalloc_error}), allocator, config, err)
"shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1"
shmalloc_allocator_configure_caching(allocator, params, err) = ccall((:shmalloc_allocator_configure_caching, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Ptr{shmalloc_caching_params}, Ptr{shmalloc_error}), allocator, params, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_create(params, out_allocator, err) = ccall((:shmalloc_allocator_create, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator_params}, Ptr{Ptr{shmalloc_allocator}}, Ptr{shmalloc_error}), params, out_allocator, err)
"shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1"
shmalloc_allocator_deallocate(allocator, address, stream, err) = ccall((:shmalloc_allocator_deallocate, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, shmalloc_address, shmalloc_stream, Ptr{shmalloc_error}), allocator, address, stream, err)
"shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1"
shmalloc_allocator_get_base(allocator, address, out_base, out_size, err) = ccall((:shmalloc_allocator_get_base, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, shmalloc_address, Ptr{shmalloc_address}, Ptr{UInt64}, Ptr{shmalloc_error}), allocator, address, out_base, out_size, err)
"shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1"
shmalloc_allocator_get_cache_info(allocator, out_info, err) = ccall((:shmalloc_allocator_get_cache_info, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Ptr{shmalloc_cache_info}, Ptr{shmalloc_error}), allocator, out_info, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_get_config(allocator, key, text, inout_length, err) = ccall((:shmalloc_allocator_get_config, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Cstring, Ptr{Cchar}, Ptr{Csize_t}, Ptr{shmalloc_error}), allocator, key, text, inout_length, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_get_current(device, out_allocator, err) = ccall((:shmalloc_allocator_get_current, libshmalloc), shmalloc_status, (shmalloc_device, Ptr{Ptr{shmalloc_allocator}}, Ptr{shmalloc_error}), device, out_allocator, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_get_info(allocator, out_info, err) = ccall((:shmalloc_allocator_get_info, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Ptr{shmalloc_allocator_info}, Ptr{shmalloc_error}), allocator, out_info, err)
"shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_get_statistics(allocator, out_statistics, err) = ccall((:shmalloc_allocator_get_statistics, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Ptr{shmalloc_statistics}, Ptr{shmalloc_error}), allocator, out_statistics, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_observe(allocator, kinds, fn, userdata, destroy_fn, out_id, err) = ccall((:shmalloc_allocator_observe, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, UInt32, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{UInt64}, Ptr{shmalloc_error}), allocator, kinds, fn, userdata, destroy_fn, out_id, err)
"shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_record_history(allocator, params, err) = ccall((:shmalloc_allocator_record_history, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Ptr{shmalloc_history_params}, Ptr{shmalloc_error}), allocator, params, err)
"shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1"
shmalloc_allocator_record_stream(allocator, address, stream, err) = ccall((:shmalloc_allocator_record_stream, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, shmalloc_address, shmalloc_stream, Ptr{shmalloc_error}), allocator, address, stream, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_release(allocator) = ccall((:shmalloc_allocator_release, libshmalloc), Cvoid, (Ptr{shmalloc_allocator},), allocator)
"shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_reset_statistics(allocator, what, err) = ccall((:shmalloc_allocator_reset_statistics, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, UInt32, Ptr{shmalloc_error}), allocator, what, err)
"shmalloc/allocator.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_allocator_retain(allocator) = ccall((:shmalloc_allocator_retain, libshmalloc), Cvoid, (Ptr{shmalloc_allocator},), allocator)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_set_current(allocator, err) = ccall((:shmalloc_allocator_set_current, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Ptr{shmalloc_error}), allocator, err)
"shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_snapshot(allocator, params, to, out_storage, err) = ccall((:shmalloc_allocator_snapshot, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Ptr{shmalloc_snapshot_params}, Ptr{shmalloc_allocator}, Ptr{Ptr{shmalloc_storage}}, Ptr{shmalloc_error}), allocator, params, to, out_storage, err)
"shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_allocator_trim(allocator, what, keep_bytes, out_bytes, err) = ccall((:shmalloc_allocator_trim, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, UInt32, UInt64, Ptr{UInt64}, Ptr{shmalloc_error}), allocator, what, keep_bytes, out_bytes, err)
"shmalloc/allocator.h. Threading: any. Call: wait +cb. Since: 0.1"
shmalloc_allocator_unobserve(allocator, id, err) = ccall((:shmalloc_allocator_unobserve, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, UInt64, Ptr{shmalloc_error}), allocator, id, err)
"shmalloc/channel.h. Threading: any. Call: work. Since: 0.1"
shmalloc_channel_close(channel, err) = ccall((:shmalloc_channel_close, libshmalloc), shmalloc_status, (Ptr{shmalloc_channel}, Ptr{shmalloc_error}), channel, err)
"shmalloc/channel.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_channel_create(params, out_channel, err) = ccall((:shmalloc_channel_create, libshmalloc), shmalloc_status, (Ptr{shmalloc_channel_params}, Ptr{Ptr{shmalloc_channel}}, Ptr{shmalloc_error}), params, out_channel, err)
"shmalloc/channel.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_channel_get_info(channel, out_info, err) = ccall((:shmalloc_channel_get_info, libshmalloc), shmalloc_status, (Ptr{shmalloc_channel}, Ptr{shmalloc_channel_info}, Ptr{shmalloc_error}), channel, out_info, err)
"shmalloc/channel.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_channel_open(storage, out_channel, err) = ccall((:shmalloc_channel_open, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{Ptr{shmalloc_channel}}, Ptr{shmalloc_error}), storage, out_channel, err)
"shmalloc/channel.h. Threading: any. Call: wait +cb. Since: 0.1"
shmalloc_channel_receive(channel, out_storage, record, inout_length, timeout_ns, err) = ccall((:shmalloc_channel_receive, libshmalloc), shmalloc_status, (Ptr{shmalloc_channel}, Ptr{Ptr{shmalloc_storage}}, Ptr{UInt8}, Ptr{Csize_t}, Int64, Ptr{shmalloc_error}), channel, out_storage, record, inout_length, timeout_ns, err)
"shmalloc/channel.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_channel_release(channel) = ccall((:shmalloc_channel_release, libshmalloc), Cvoid, (Ptr{shmalloc_channel},), channel)
"shmalloc/channel.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_channel_retain(channel) = ccall((:shmalloc_channel_retain, libshmalloc), Cvoid, (Ptr{shmalloc_channel},), channel)
"shmalloc/channel.h. Threading: any. Call: wait. Since: 0.1"
shmalloc_channel_send(channel, storage, record, record_length, timeout_ns, err) = ccall((:shmalloc_channel_send, libshmalloc), shmalloc_status, (Ptr{shmalloc_channel}, Ptr{shmalloc_storage}, Ptr{UInt8}, Csize_t, Int64, Ptr{shmalloc_error}), channel, storage, record, record_length, timeout_ns, err)
"shmalloc/channel.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_channel_storage(channel, out_storage, err) = ccall((:shmalloc_channel_storage, libshmalloc), shmalloc_status, (Ptr{shmalloc_channel}, Ptr{Ptr{shmalloc_storage}}, Ptr{shmalloc_error}), channel, out_storage, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_device_copy(device, to, from, size, stream, err) = ccall((:shmalloc_device_copy, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_address, shmalloc_address, Csize_t, shmalloc_stream, Ptr{shmalloc_error}), device, to, from, size, stream, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_device_enable_peer(device, peer, err) = ccall((:shmalloc_device_enable_peer, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_device, Ptr{shmalloc_error}), device, peer, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_device_fill(device, to, value, size, stream, err) = ccall((:shmalloc_device_fill, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_address, UInt32, Csize_t, shmalloc_stream, Ptr{shmalloc_error}), device, to, value, size, stream, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_device_get_info(device, out_info, err) = ccall((:shmalloc_device_get_info, libshmalloc), shmalloc_status, (shmalloc_device, Ptr{shmalloc_device_info}, Ptr{shmalloc_error}), device, out_info, err)
"shmalloc/backend.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_device_register(backend, userdata, destroy_fn, out_device, err) = ccall((:shmalloc_device_register, libshmalloc), shmalloc_status, (Ptr{shmalloc_backend}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{shmalloc_device}, Ptr{shmalloc_error}), backend, userdata, destroy_fn, out_device, err)
"shmalloc/device.h. Threading: any. Call: wait. Since: 0.1"
shmalloc_device_synchronize(device, err) = ccall((:shmalloc_device_synchronize, libshmalloc), shmalloc_status, (shmalloc_device, Ptr{shmalloc_error}), device, err)
"shmalloc/backend.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_device_unregister(device, err) = ccall((:shmalloc_device_unregister, libshmalloc), shmalloc_status, (shmalloc_device, Ptr{shmalloc_error}), device, err)
"shmalloc/dlpack.h. Threading: any. Call: work. Since: 0.1"
shmalloc_dlpack_export(storage, tensor, out_managed, err) = ccall((:shmalloc_dlpack_export, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_tensor}, Ptr{Ptr{DLManagedTensorVersioned}}, Ptr{shmalloc_error}), storage, tensor, out_managed, err)
"shmalloc/dlpack.h. Threading: any. Call: work. Since: 0.1"
shmalloc_dlpack_export_unversioned(storage, tensor, out_managed, err) = ccall((:shmalloc_dlpack_export_unversioned, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_tensor}, Ptr{Ptr{DLManagedTensor}}, Ptr{shmalloc_error}), storage, tensor, out_managed, err)
"shmalloc/dlpack.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_dlpack_import(managed, out_tensor, out_storage, err) = ccall((:shmalloc_dlpack_import, libshmalloc), shmalloc_status, (Ptr{DLManagedTensorVersioned}, Ptr{shmalloc_tensor}, Ptr{Ptr{shmalloc_storage}}, Ptr{shmalloc_error}), managed, out_tensor, out_storage, err)
"shmalloc/dlpack.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_dlpack_import_unversioned(managed, out_tensor, out_storage, err) = ccall((:shmalloc_dlpack_import_unversioned, libshmalloc), shmalloc_status, (Ptr{DLManagedTensor}, Ptr{shmalloc_tensor}, Ptr{Ptr{shmalloc_storage}}, Ptr{shmalloc_error}), managed, out_tensor, out_storage, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_event_create(device, out_event, err) = ccall((:shmalloc_event_create, libshmalloc), shmalloc_status, (shmalloc_device, Ptr{shmalloc_event}, Ptr{shmalloc_error}), device, out_event, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_event_destroy(device, event, err) = ccall((:shmalloc_event_destroy, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_event, Ptr{shmalloc_error}), device, event, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_event_query(device, event, out_done, err) = ccall((:shmalloc_event_query, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_event, Ptr{Int32}, Ptr{shmalloc_error}), device, event, out_done, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_event_record(device, event, stream, err) = ccall((:shmalloc_event_record, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_event, shmalloc_stream, Ptr{shmalloc_error}), device, event, stream, err)
"shmalloc/device.h. Threading: any. Call: wait. Since: 0.1"
shmalloc_event_synchronize(device, event, err) = ccall((:shmalloc_event_synchronize, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_event, Ptr{shmalloc_error}), device, event, err)
"shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_format_size(size, text, inout_length, err) = ccall((:shmalloc_format_size, libshmalloc), shmalloc_status, (UInt64, Ptr{Cchar}, Ptr{Csize_t}, Ptr{shmalloc_error}), size, text, inout_length, err)
"shmalloc/ipc.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_handle_from_text(text, bytes, inout_length, err) = ccall((:shmalloc_handle_from_text, libshmalloc), shmalloc_status, (Cstring, Ptr{UInt8}, Ptr{Csize_t}, Ptr{shmalloc_error}), text, bytes, inout_length, err)
"shmalloc/ipc.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_handle_get_info(bytes, length, out_info, err) = ccall((:shmalloc_handle_get_info, libshmalloc), shmalloc_status, (Ptr{UInt8}, Csize_t, Ptr{shmalloc_handle_info}, Ptr{shmalloc_error}), bytes, length, out_info, err)
"shmalloc/ipc.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_handle_to_text(bytes, length, text, inout_length, err) = ccall((:shmalloc_handle_to_text, libshmalloc), shmalloc_status, (Ptr{UInt8}, Csize_t, Ptr{Cchar}, Ptr{Csize_t}, Ptr{shmalloc_error}), bytes, length, text, inout_length, err)
"shmalloc/machine.h. Threading: any. Call: work. Since: 0.1"
shmalloc_machine_describe(text, inout_length, err) = ccall((:shmalloc_machine_describe, libshmalloc), shmalloc_status, (Ptr{Cchar}, Ptr{Csize_t}, Ptr{shmalloc_error}), text, inout_length, err)
"shmalloc/machine.h. Threading: any. Call: work. Since: 0.1"
shmalloc_machine_reclaim(name, prefix, flags, out_objects, out_bytes, err) = ccall((:shmalloc_machine_reclaim, libshmalloc), shmalloc_status, (Cstring, Cstring, UInt32, Ptr{UInt64}, Ptr{UInt64}, Ptr{shmalloc_error}), name, prefix, flags, out_objects, out_bytes, err)
"shmalloc/machine.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_machine_walk(prefix, fn, userdata, err) = ccall((:shmalloc_machine_walk, libshmalloc), shmalloc_status, (Cstring, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{shmalloc_error}), prefix, fn, userdata, err)
"shmalloc/storage.h. Threading: any. Call: work. Since: 0.1"
shmalloc_make_name(prefix, text, inout_length, err) = ccall((:shmalloc_make_name, libshmalloc), shmalloc_status, (Cstring, Ptr{Cchar}, Ptr{Csize_t}, Ptr{shmalloc_error}), prefix, text, inout_length, err)
"shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_release_deferred(handle) = ccall((:shmalloc_release_deferred, libshmalloc), Cvoid, (Ptr{Cvoid},), handle)
"shmalloc/base.h. Threading: any. Call: wait +cb. Since: 0.1"
shmalloc_set_log(fn, level, userdata, destroy_fn, err) = ccall((:shmalloc_set_log, libshmalloc), shmalloc_status, (Ptr{Cvoid}, shmalloc_log_level, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{shmalloc_error}), fn, level, userdata, destroy_fn, err)
"shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_status_name(status) = ccall((:shmalloc_status_name, libshmalloc), Cstring, (Int32,), status)
"shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_storage_address(storage) = ccall((:shmalloc_storage_address, libshmalloc), shmalloc_address, (Ptr{shmalloc_storage},), storage)
"shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_storage_adopt(device, address, size, params, userdata, destroy_fn, out_storage, err) = ccall((:shmalloc_storage_adopt, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_address, Csize_t, Ptr{shmalloc_adopt_params}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Ptr{shmalloc_storage}}, Ptr{shmalloc_error}), device, address, size, params, userdata, destroy_fn, out_storage, err)
"shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_storage_close(storage, err) = ccall((:shmalloc_storage_close, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_error}), storage, err)
"shmalloc/storage.h. Threading: any. Call: wait. Since: 0.1"
shmalloc_storage_copy(dst, dst_offset, src, src_offset, size, stream, flags, err) = ccall((:shmalloc_storage_copy, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Csize_t, Ptr{shmalloc_storage}, Csize_t, Csize_t, shmalloc_stream, UInt32, Ptr{shmalloc_error}), dst, dst_offset, src, src_offset, size, stream, flags, err)
"shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_storage_create(allocator, size, stream, params, out_storage, err) = ccall((:shmalloc_storage_create, libshmalloc), shmalloc_status, (Ptr{shmalloc_allocator}, Csize_t, shmalloc_stream, Ptr{shmalloc_storage_params}, Ptr{Ptr{shmalloc_storage}}, Ptr{shmalloc_error}), allocator, size, stream, params, out_storage, err)
"shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_storage_data(storage) = ccall((:shmalloc_storage_data, libshmalloc), Ptr{Cvoid}, (Ptr{shmalloc_storage},), storage)
"shmalloc/ipc.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_export(storage, params, bytes, inout_length, err) = ccall((:shmalloc_storage_export, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_export_params}, Ptr{UInt8}, Ptr{Csize_t}, Ptr{shmalloc_error}), storage, params, bytes, inout_length, err)
"shmalloc/ipc.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_export_fds(storage, params, out_fds, inout_count, err) = ccall((:shmalloc_storage_export_fds, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_export_params}, Ptr{Int32}, Ptr{Csize_t}, Ptr{shmalloc_error}), storage, params, out_fds, inout_count, err)
"shmalloc/storage.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_find(device, address, out_storage, out_offset, err) = ccall((:shmalloc_storage_find, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_address, Ptr{Ptr{shmalloc_storage}}, Ptr{Csize_t}, Ptr{shmalloc_error}), device, address, out_storage, out_offset, err)
"shmalloc/storage.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_get_info(storage, out_info, err) = ccall((:shmalloc_storage_get_info, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_storage_info}, Ptr{shmalloc_error}), storage, out_info, err)
"shmalloc/storage.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_get_name(storage, text, inout_length, err) = ccall((:shmalloc_storage_get_name, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{Cchar}, Ptr{Csize_t}, Ptr{shmalloc_error}), storage, text, inout_length, err)
"shmalloc/storage.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_grow(storage, size, stream, err) = ccall((:shmalloc_storage_grow, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Csize_t, shmalloc_stream, Ptr{shmalloc_error}), storage, size, stream, err)
"shmalloc/ipc.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_storage_import(bytes, length, fds, fd_count, params, out_storage, err) = ccall((:shmalloc_storage_import, libshmalloc), shmalloc_status, (Ptr{UInt8}, Csize_t, Ptr{Int32}, Csize_t, Ptr{shmalloc_import_params}, Ptr{Ptr{shmalloc_storage}}, Ptr{shmalloc_error}), bytes, length, fds, fd_count, params, out_storage, err)
"shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_storage_pin(storage, access, out_data, out_size, err) = ccall((:shmalloc_storage_pin, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, shmalloc_access, Ptr{Ptr{Cvoid}}, Ptr{Csize_t}, Ptr{shmalloc_error}), storage, access, out_data, out_size, err)
"shmalloc/ipc.h. Threading: serial. Call: wait +cb. Since: 0.1"
shmalloc_storage_receive(socket, params, out_storages, inout_count, err) = ccall((:shmalloc_storage_receive, libshmalloc), shmalloc_status, (Int32, Ptr{shmalloc_import_params}, Ptr{Ptr{shmalloc_storage}}, Ptr{Csize_t}, Ptr{shmalloc_error}), socket, params, out_storages, inout_count, err)
"shmalloc/storage.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_record_stream(storage, stream, err) = ccall((:shmalloc_storage_record_stream, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, shmalloc_stream, Ptr{shmalloc_error}), storage, stream, err)
"shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_storage_release(storage) = ccall((:shmalloc_storage_release, libshmalloc), Cvoid, (Ptr{shmalloc_storage},), storage)
"shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_storage_retain(storage) = ccall((:shmalloc_storage_retain, libshmalloc), Cvoid, (Ptr{shmalloc_storage},), storage)
"shmalloc/ipc.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_revoke(storage, err) = ccall((:shmalloc_storage_revoke, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_error}), storage, err)
"shmalloc/storage.h. Threading: any. Call: work. Since: 0.1"
shmalloc_storage_seal(storage, err) = ccall((:shmalloc_storage_seal, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_error}), storage, err)
"shmalloc/ipc.h. Threading: serial. Call: wait. Since: 0.1"
shmalloc_storage_send(socket, storages, count, params, err) = ccall((:shmalloc_storage_send, libshmalloc), shmalloc_status, (Int32, Ptr{Ptr{shmalloc_storage}}, Csize_t, Ptr{shmalloc_export_params}, Ptr{shmalloc_error}), socket, storages, count, params, err)
"shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1"
shmalloc_storage_share(storage, to, stream, err) = ccall((:shmalloc_storage_share, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Ptr{shmalloc_allocator}, shmalloc_stream, Ptr{shmalloc_error}), storage, to, stream, err)
"shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_storage_size(storage) = ccall((:shmalloc_storage_size, libshmalloc), Csize_t, (Ptr{shmalloc_storage},), storage)
"shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_storage_unpin(storage, access) = ccall((:shmalloc_storage_unpin, libshmalloc), Cvoid, (Ptr{shmalloc_storage}, shmalloc_access), storage, access)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_stream_call(device, stream, fn, userdata, err) = ccall((:shmalloc_stream_call, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_stream, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{shmalloc_error}), device, stream, fn, userdata, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_stream_create(device, out_stream, err) = ccall((:shmalloc_stream_create, libshmalloc), shmalloc_status, (shmalloc_device, Ptr{shmalloc_stream}, Ptr{shmalloc_error}), device, out_stream, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_stream_destroy(device, stream, err) = ccall((:shmalloc_stream_destroy, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_stream, Ptr{shmalloc_error}), device, stream, err)
"shmalloc/device.h. Threading: any. Call: wait. Since: 0.1"
shmalloc_stream_synchronize(device, stream, err) = ccall((:shmalloc_stream_synchronize, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_stream, Ptr{shmalloc_error}), device, stream, err)
"shmalloc/device.h. Threading: any. Call: work. Since: 0.1"
shmalloc_stream_wait(device, stream, event, err) = ccall((:shmalloc_stream_wait, libshmalloc), shmalloc_status, (shmalloc_device, shmalloc_stream, shmalloc_event, Ptr{shmalloc_error}), device, stream, event, err)
"shmalloc/torch.h. Threading: any. Call: wait. Since: 0.1"
shmalloc_torch_manager_run(path, stop_fd, err) = ccall((:shmalloc_torch_manager_run, libshmalloc), shmalloc_status, (Cstring, Int32, Ptr{shmalloc_error}), path, stop_fd, err)
"shmalloc/torch.h. Threading: any. Call: work. Since: 0.1"
shmalloc_torch_refcount(storage, change, out_count, err) = ccall((:shmalloc_torch_refcount, libshmalloc), shmalloc_status, (Ptr{shmalloc_storage}, Int32, Ptr{Int32}, Ptr{shmalloc_error}), storage, change, out_count, err)
"shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_version() = ccall((:shmalloc_version, libshmalloc), UInt32, ())
"shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1"
shmalloc_version_string() = ccall((:shmalloc_version_string, libshmalloc), Cstring, ())

"Every function of the library."
const FUNCTIONS = Symbol[
    :shmalloc_abi_lookup, :shmalloc_allocator_allocate, :shmalloc_allocator_configure,
    :shmalloc_allocator_configure_caching, :shmalloc_allocator_create, :shmalloc_allocator_deallocate,
    :shmalloc_allocator_get_base, :shmalloc_allocator_get_cache_info, :shmalloc_allocator_get_config,
    :shmalloc_allocator_get_current, :shmalloc_allocator_get_info, :shmalloc_allocator_get_statistics,
    :shmalloc_allocator_observe, :shmalloc_allocator_record_history, :shmalloc_allocator_record_stream,
    :shmalloc_allocator_release, :shmalloc_allocator_reset_statistics, :shmalloc_allocator_retain,
    :shmalloc_allocator_set_current, :shmalloc_allocator_snapshot, :shmalloc_allocator_trim,
    :shmalloc_allocator_unobserve, :shmalloc_channel_close, :shmalloc_channel_create, :shmalloc_channel_get_info,
    :shmalloc_channel_open, :shmalloc_channel_receive, :shmalloc_channel_release, :shmalloc_channel_retain,
    :shmalloc_channel_send, :shmalloc_channel_storage, :shmalloc_device_copy, :shmalloc_device_enable_peer,
    :shmalloc_device_fill, :shmalloc_device_get_info, :shmalloc_device_register, :shmalloc_device_synchronize,
    :shmalloc_device_unregister, :shmalloc_dlpack_export, :shmalloc_dlpack_export_unversioned, :shmalloc_dlpack_import,
    :shmalloc_dlpack_import_unversioned, :shmalloc_event_create, :shmalloc_event_destroy, :shmalloc_event_query,
    :shmalloc_event_record, :shmalloc_event_synchronize, :shmalloc_format_size, :shmalloc_handle_from_text,
    :shmalloc_handle_get_info, :shmalloc_handle_to_text, :shmalloc_machine_describe, :shmalloc_machine_reclaim,
    :shmalloc_machine_walk, :shmalloc_make_name, :shmalloc_release_deferred, :shmalloc_set_log, :shmalloc_status_name,
    :shmalloc_storage_address, :shmalloc_storage_adopt, :shmalloc_storage_close, :shmalloc_storage_copy,
    :shmalloc_storage_create, :shmalloc_storage_data, :shmalloc_storage_export, :shmalloc_storage_export_fds,
    :shmalloc_storage_find, :shmalloc_storage_get_info, :shmalloc_storage_get_name, :shmalloc_storage_grow,
    :shmalloc_storage_import, :shmalloc_storage_pin, :shmalloc_storage_receive, :shmalloc_storage_record_stream,
    :shmalloc_storage_release, :shmalloc_storage_retain, :shmalloc_storage_revoke, :shmalloc_storage_seal,
    :shmalloc_storage_send, :shmalloc_storage_share, :shmalloc_storage_size, :shmalloc_storage_unpin,
    :shmalloc_stream_call, :shmalloc_stream_create, :shmalloc_stream_destroy, :shmalloc_stream_synchronize,
    :shmalloc_stream_wait, :shmalloc_torch_manager_run, :shmalloc_torch_refcount, :shmalloc_version,
    :shmalloc_version_string
]

"Every constant, by the name that shmalloc_abi_lookup knows."
const CONSTANTS = Pair{String,Any}[string(name) => getfield(@__MODULE__, name) for name in Symbol[
    :SHMALLOC_ACCESS_DEFAULT, :SHMALLOC_ACCESS_READ, :SHMALLOC_ACCESS_WRITE, :SHMALLOC_ACCESS_FORCE32,
    :SHMALLOC_ALLOCATOR_ENVIRONMENT, :SHMALLOC_ALLOCATOR_KIND_DEFAULT, :SHMALLOC_ALLOCATOR_KIND_DIRECT,
    :SHMALLOC_ALLOCATOR_KIND_MAP, :SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED, :SHMALLOC_ALLOCATOR_KIND_SHARED,
    :SHMALLOC_ALLOCATOR_KIND_CACHING, :SHMALLOC_ALLOCATOR_KIND_FORCE32, :SHMALLOC_CAPABILITY_HOST_ACCESS,
    :SHMALLOC_CAPABILITY_EXPORT, :SHMALLOC_CAPABILITY_EXPORT_BYTES, :SHMALLOC_CAPABILITY_READ_ONLY,
    :SHMALLOC_CAPABILITY_GROW, :SHMALLOC_CAPABILITY_HUGE_PAGES, :SHMALLOC_CAPABILITY_STREAMS, :SHMALLOC_CAPABILITY_CALL,
    :SHMALLOC_CAPABILITY_CAPTURE, :SHMALLOC_CAPABILITY_PEERS, :SHMALLOC_CAPABILITY_VIRTUAL, :SHMALLOC_CHANNEL_NO_RECORD,
    :SHMALLOC_CHANNEL_STATE_CLOSED, :SHMALLOC_COPY_NON_BLOCKING, :SHMALLOC_DEVICE_TYPE_HOST, :SHMALLOC_DEVICE_TYPE_CUDA,
    :SHMALLOC_DEVICE_TYPE_VULKAN, :SHMALLOC_DEVICE_TYPE_HOST_STREAMS, :SHMALLOC_DEVICE_TYPE_CUSTOM,
    :SHMALLOC_DEVICE_TYPE_FORCE32, :SHMALLOC_EXPORT_READ_ONLY, :SHMALLOC_EXPORT_DESCRIPTOR, :SHMALLOC_EXPORT_COUNTED,
    :SHMALLOC_HANDLE_FORMAT_NATIVE, :SHMALLOC_HANDLE_FORMAT_TORCH_FD, :SHMALLOC_HANDLE_FORMAT_TORCH_FILE,
    :SHMALLOC_HANDLE_FORMAT_FORCE32, :SHMALLOC_HANDLE_ROUTE_DESCRIPTOR, :SHMALLOC_HANDLE_ROUTE_SHM,
    :SHMALLOC_HANDLE_ROUTE_FILE, :SHMALLOC_HANDLE_ROUTE_PROCESS, :SHMALLOC_HANDLE_ROUTE_EMPTY,
    :SHMALLOC_HANDLE_ROUTE_FORCE32, :SHMALLOC_HISTORY_RECORD, :SHMALLOC_HISTORY_CLEAR, :SHMALLOC_IMPORT_READ_ONLY,
    :SHMALLOC_IMPORT_SAME_USER, :SHMALLOC_IMPORT_COUNTED, :SHMALLOC_LOG_LEVEL_NONE, :SHMALLOC_LOG_LEVEL_ERROR,
    :SHMALLOC_LOG_LEVEL_WARNING, :SHMALLOC_LOG_LEVEL_NOTE, :SHMALLOC_LOG_LEVEL_FORCE32, :SHMALLOC_MAPPED_SHARED,
    :SHMALLOC_MAPPED_SHAREDMEM, :SHMALLOC_MAPPED_EXCLUSIVE, :SHMALLOC_MAPPED_NOCREATE, :SHMALLOC_MAPPED_KEEPFD,
    :SHMALLOC_MAPPED_FROMFD, :SHMALLOC_MAPPED_UNLINK, :SHMALLOC_MAPPED_NO_GROW, :SHMALLOC_MAPPED_READ_ONLY,
    :SHMALLOC_MAPPED_MEMFD, :SHMALLOC_MAPPED_HUGETLB, :SHMALLOC_NOTICE_MEMORY_LOW, :SHMALLOC_NOTICE_OUT_OF_MEMORY,
    :SHMALLOC_OBJECT_NAMED, :SHMALLOC_OBJECT_COUNTED, :SHMALLOC_OBJECT_LOCKED, :SHMALLOC_OBJECT_ABANDONED,
    :SHMALLOC_OBJECT_UNCERTAIN, :SHMALLOC_OBJECT_MAKER_UNKNOWN, :SHMALLOC_OBJECT_MAKER_SHMALLOC,
    :SHMALLOC_OBJECT_MAKER_TORCH, :SHMALLOC_OBJECT_MAKER_FORCE32, :SHMALLOC_RECLAIM_FORCE, :SHMALLOC_RECLAIM_DRY_RUN,
    :SHMALLOC_RESET_PEAKS, :SHMALLOC_RESET_ACCUMULATED, :SHMALLOC_SNAPSHOT_FORMAT_JSON,
    :SHMALLOC_SNAPSHOT_FORMAT_FORCE32, :SHMALLOC_STAT_POOL_ALL, :SHMALLOC_STAT_POOL_SMALL, :SHMALLOC_STAT_POOL_LARGE,
    :SHMALLOC_STAT_POOL_FORCE32, :SHMALLOC_STATUS_OK, :SHMALLOC_STATUS_INVALID, :SHMALLOC_STATUS_NO_MEMORY,
    :SHMALLOC_STATUS_NO_SPACE, :SHMALLOC_STATUS_NOT_FOUND, :SHMALLOC_STATUS_EXISTS, :SHMALLOC_STATUS_PERMISSION,
    :SHMALLOC_STATUS_BUSY, :SHMALLOC_STATUS_TIMEOUT, :SHMALLOC_STATUS_UNSUPPORTED, :SHMALLOC_STATUS_VERSION,
    :SHMALLOC_STATUS_CORRUPT, :SHMALLOC_STATUS_STALE, :SHMALLOC_STATUS_PEER_GONE, :SHMALLOC_STATUS_CLOSED,
    :SHMALLOC_STATUS_INTERRUPTED, :SHMALLOC_STATUS_SYSTEM, :SHMALLOC_STATUS_BACKEND, :SHMALLOC_STATUS_INTERNAL,
    :SHMALLOC_STATUS_FORCE32, :SHMALLOC_STORAGE_ZEROED, :SHMALLOC_STORAGE_ISOLATED, :SHMALLOC_STORAGE_STATE_SHARED,
    :SHMALLOC_STORAGE_STATE_IMPORTED, :SHMALLOC_STORAGE_STATE_READ_ONLY, :SHMALLOC_STORAGE_STATE_SEALED,
    :SHMALLOC_STORAGE_STATE_WRITE_SEALED, :SHMALLOC_STORAGE_STATE_IMMUTABLE, :SHMALLOC_STORAGE_STATE_CLOSED,
    :SHMALLOC_STORAGE_STATE_FORKED, :SHMALLOC_TENSOR_READ_ONLY, :SHMALLOC_TENSOR_PADDED, :SHMALLOC_TRIM_DEFERRED,
    :SHMALLOC_TRIM_EXPIRED, :SHMALLOC_TRIM_FREE, :SHMALLOC_DEVICE_HOST, :SHMALLOC_HANDLE_MAX, :SHMALLOC_HANDLE_TEXT_MAX,
    :SHMALLOC_MESSAGE_MAX, :SHMALLOC_SIZE_ALL, :SHMALLOC_STREAM_DEFAULT, :SHMALLOC_STREAM_OWN, :SHMALLOC_TIME_DEFAULT,
    :SHMALLOC_TIME_FOREVER, :SHMALLOC_TIME_NONE, :SHMALLOC_VERSION, :SHMALLOC_VERSION_MAJOR, :SHMALLOC_VERSION_MINOR,
    :SHMALLOC_VERSION_PATCH
]]

"Every struct."
const STRUCTS = DataType[
    shmalloc_adopt_params, shmalloc_allocator_info, shmalloc_allocator_params, shmalloc_backend,
    shmalloc_cache_info, shmalloc_caching_params, shmalloc_channel_info, shmalloc_channel_params,
    shmalloc_device_info, shmalloc_error, shmalloc_export_params, shmalloc_handle_info, shmalloc_history_params,
    shmalloc_import_params, shmalloc_notice, shmalloc_object_info, shmalloc_snapshot_params, shmalloc_stat,
    shmalloc_statistics, shmalloc_storage_info, shmalloc_storage_params, shmalloc_tensor
]
