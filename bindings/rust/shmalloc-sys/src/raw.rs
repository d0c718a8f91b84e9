// Made by abi/make_raw.py of the C headers; ./dev abi-update makes it anew.

use std::mem;
use std::os::raw::{c_char, c_void};


/// Only ever pointed to.
#[repr(C)]
pub struct shmalloc_allocator {
    _opaque: [u8; 0],
    _not_send: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// Only ever pointed to.
#[repr(C)]
pub struct shmalloc_channel {
    _opaque: [u8; 0],
    _not_send: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// Only ever pointed to.
#[repr(C)]
pub struct shmalloc_storage {
    _opaque: [u8; 0],
    _not_send: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// Only ever pointed to.
#[repr(C)]
pub struct DLManagedTensor {
    _opaque: [u8; 0],
    _not_send: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// Only ever pointed to.
#[repr(C)]
pub struct DLManagedTensorVersioned {
    _opaque: [u8; 0],
    _not_send: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

pub type shmalloc_address = u64;

pub type shmalloc_device = u64;

pub type shmalloc_event = u64;

pub type shmalloc_stream = u64;

pub const SHMALLOC_DEVICE_HOST: shmalloc_device = 0;

pub const SHMALLOC_HANDLE_MAX: usize = 512;

pub const SHMALLOC_HANDLE_TEXT_MAX: usize = 704;

pub const SHMALLOC_MESSAGE_MAX: usize = 253;

pub const SHMALLOC_SIZE_ALL: usize = 18446744073709551615;

pub const SHMALLOC_STREAM_DEFAULT: shmalloc_stream = 0;

pub const SHMALLOC_STREAM_OWN: shmalloc_stream = 18446744073709551615;

pub const SHMALLOC_TIME_DEFAULT: i64 = 0;

pub const SHMALLOC_TIME_FOREVER: i64 = -1;

pub const SHMALLOC_TIME_NONE: i64 = -2;

pub const SHMALLOC_VERSION: u32 = 1000;

pub const SHMALLOC_VERSION_MAJOR: u32 = 0;

pub const SHMALLOC_VERSION_MINOR: u32 = 1;

pub const SHMALLOC_VERSION_PATCH: u32 = 0;

pub type shmalloc_access = i32;
pub const SHMALLOC_ACCESS_DEFAULT: shmalloc_access = 0;
pub const SHMALLOC_ACCESS_READ: shmalloc_access = 1;
pub const SHMALLOC_ACCESS_WRITE: shmalloc_access = 2;
pub const SHMALLOC_ACCESS_FORCE32: shmalloc_access = 2147483647;

pub type shmalloc_allocator_flags = u32;
pub const SHMALLOC_ALLOCATOR_ENVIRONMENT: shmalloc_allocator_flags = 1;

pub type shmalloc_allocator_kind = i32;
pub const SHMALLOC_ALLOCATOR_KIND_DEFAULT: shmalloc_allocator_kind = 0;
pub const SHMALLOC_ALLOCATOR_KIND_DIRECT: shmalloc_allocator_kind = 1;
pub const SHMALLOC_ALLOCATOR_KIND_MAP: shmalloc_allocator_kind = 2;
pub const SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED: shmalloc_allocator_kind = 3;
pub const SHMALLOC_ALLOCATOR_KIND_SHARED: shmalloc_allocator_kind = 4;
pub const SHMALLOC_ALLOCATOR_KIND_CACHING: shmalloc_allocator_kind = 5;
pub const SHMALLOC_ALLOCATOR_KIND_FORCE32: shmalloc_allocator_kind = 2147483647;

pub type shmalloc_capability_flags = u32;
pub const SHMALLOC_CAPABILITY_HOST_ACCESS: shmalloc_capability_flags = 1;
pub const SHMALLOC_CAPABILITY_EXPORT: shmalloc_capability_flags = 2;
pub const SHMALLOC_CAPABILITY_EXPORT_BYTES: shmalloc_capability_flags = 4;
pub const SHMALLOC_CAPABILITY_READ_ONLY: shmalloc_capability_flags = 8;
pub const SHMALLOC_CAPABILITY_GROW: shmalloc_capability_flags = 16;
pub const SHMALLOC_CAPABILITY_HUGE_PAGES: shmalloc_capability_flags = 32;
pub const SHMALLOC_CAPABILITY_STREAMS: shmalloc_capability_flags = 64;
pub const SHMALLOC_CAPABILITY_CALL: shmalloc_capability_flags = 128;
pub const SHMALLOC_CAPABILITY_CAPTURE: shmalloc_capability_flags = 256;
pub const SHMALLOC_CAPABILITY_PEERS: shmalloc_capability_flags = 512;
pub const SHMALLOC_CAPABILITY_VIRTUAL: shmalloc_capability_flags = 1024;

pub type shmalloc_channel_flags = u32;
pub const SHMALLOC_CHANNEL_NO_RECORD: shmalloc_channel_flags = 1;

pub type shmalloc_channel_state_flags = u32;
pub const SHMALLOC_CHANNEL_STATE_CLOSED: shmalloc_channel_state_flags = 1;

pub type shmalloc_copy_flags = u32;
pub const SHMALLOC_COPY_NON_BLOCKING: shmalloc_copy_flags = 1;

pub type shmalloc_device_type = i32;
pub const SHMALLOC_DEVICE_TYPE_HOST: shmalloc_device_type = 0;
pub const SHMALLOC_DEVICE_TYPE_CUDA: shmalloc_device_type = 2;
pub const SHMALLOC_DEVICE_TYPE_VULKAN: shmalloc_device_type = 7;
pub const SHMALLOC_DEVICE_TYPE_HOST_STREAMS: shmalloc_device_type = 65536;
pub const SHMALLOC_DEVICE_TYPE_CUSTOM: shmalloc_device_type = 65537;
pub const SHMALLOC_DEVICE_TYPE_FORCE32: shmalloc_device_type = 2147483647;

pub type shmalloc_export_flags = u32;
pub const SHMALLOC_EXPORT_READ_ONLY: shmalloc_export_flags = 1;
pub const SHMALLOC_EXPORT_DESCRIPTOR: shmalloc_export_flags = 2;
pub const SHMALLOC_EXPORT_COUNTED: shmalloc_export_flags = 4;

pub type shmalloc_handle_format = i32;
pub const SHMALLOC_HANDLE_FORMAT_NATIVE: shmalloc_handle_format = 0;
pub const SHMALLOC_HANDLE_FORMAT_TORCH_FD: shmalloc_handle_format = 1;
pub const SHMALLOC_HANDLE_FORMAT_TORCH_FILE: shmalloc_handle_format = 2;
pub const SHMALLOC_HANDLE_FORMAT_FORCE32: shmalloc_handle_format = 2147483647;

pub type shmalloc_handle_route = i32;
pub const SHMALLOC_HANDLE_ROUTE_DESCRIPTOR: shmalloc_handle_route = 0;
pub const SHMALLOC_HANDLE_ROUTE_SHM: shmalloc_handle_route = 1;
pub const SHMALLOC_HANDLE_ROUTE_FILE: shmalloc_handle_route = 2;
pub const SHMALLOC_HANDLE_ROUTE_PROCESS: shmalloc_handle_route = 3;
pub const SHMALLOC_HANDLE_ROUTE_EMPTY: shmalloc_handle_route = 4;
pub const SHMALLOC_HANDLE_ROUTE_FORCE32: shmalloc_handle_route = 2147483647;

pub type shmalloc_history_flags = u32;
pub const SHMALLOC_HISTORY_RECORD: shmalloc_history_flags = 1;
pub const SHMALLOC_HISTORY_CLEAR: shmalloc_history_flags = 2;

pub type shmalloc_import_flags = u32;
pub const SHMALLOC_IMPORT_READ_ONLY: shmalloc_import_flags = 1;
pub const SHMALLOC_IMPORT_SAME_USER: shmalloc_import_flags = 2;
pub const SHMALLOC_IMPORT_COUNTED: shmalloc_import_flags = 4;

pub type shmalloc_log_level = i32;
pub const SHMALLOC_LOG_LEVEL_NONE: shmalloc_log_level = 0;
pub const SHMALLOC_LOG_LEVEL_ERROR: shmalloc_log_level = 1;
pub const SHMALLOC_LOG_LEVEL_WARNING: shmalloc_log_level = 2;
pub const SHMALLOC_LOG_LEVEL_NOTE: shmalloc_log_level = 3;
pub const SHMALLOC_LOG_LEVEL_FORCE32: shmalloc_log_level = 2147483647;

pub type shmalloc_mapped_flags = u32;
pub const SHMALLOC_MAPPED_SHARED: shmalloc_mapped_flags = 1;
pub const SHMALLOC_MAPPED_SHAREDMEM: shmalloc_mapped_flags = 2;
pub const SHMALLOC_MAPPED_EXCLUSIVE: shmalloc_mapped_flags = 4;
pub const SHMALLOC_MAPPED_NOCREATE: shmalloc_mapped_flags = 8;
pub const SHMALLOC_MAPPED_KEEPFD: shmalloc_mapped_flags = 16;
pub const SHMALLOC_MAPPED_FROMFD: shmalloc_mapped_flags = 32;
pub const SHMALLOC_MAPPED_UNLINK: shmalloc_mapped_flags = 64;
pub const SHMALLOC_MAPPED_NO_GROW: shmalloc_mapped_flags = 128;
pub const SHMALLOC_MAPPED_READ_ONLY: shmalloc_mapped_flags = 256;
pub const SHMALLOC_MAPPED_MEMFD: shmalloc_mapped_flags = 512;
pub const SHMALLOC_MAPPED_HUGETLB: shmalloc_mapped_flags = 1024;

pub type shmalloc_notice_flags = u32;
pub const SHMALLOC_NOTICE_MEMORY_LOW: shmalloc_notice_flags = 1;
pub const SHMALLOC_NOTICE_OUT_OF_MEMORY: shmalloc_notice_flags = 2;

pub type shmalloc_object_flags = u32;
pub const SHMALLOC_OBJECT_NAMED: shmalloc_object_flags = 1;
pub const SHMALLOC_OBJECT_COUNTED: shmalloc_object_flags = 2;
pub const SHMALLOC_OBJECT_LOCKED: shmalloc_object_flags = 4;
pub const SHMALLOC_OBJECT_ABANDONED: shmalloc_object_flags = 8;
pub const SHMALLOC_OBJECT_UNCERTAIN: shmalloc_object_flags = 16;

pub type shmalloc_object_maker = i32;
pub const SHMALLOC_OBJECT_MAKER_UNKNOWN: shmalloc_object_maker = 0;
pub const SHMALLOC_OBJECT_MAKER_SHMALLOC: shmalloc_object_maker = 1;
pub const SHMALLOC_OBJECT_MAKER_TORCH: shmalloc_object_maker = 2;
pub const SHMALLOC_OBJECT_MAKER_FORCE32: shmalloc_object_maker = 2147483647;

pub type shmalloc_reclaim_flags = u32;
pub const SHMALLOC_RECLAIM_FORCE: shmalloc_reclaim_flags = 1;
pub const SHMALLOC_RECLAIM_DRY_RUN: shmalloc_reclaim_flags = 2;

pub type shmalloc_reset_flags = u32;
pub const SHMALLOC_RESET_PEAKS: shmalloc_reset_flags = 1;
pub const SHMALLOC_RESET_ACCUMULATED: shmalloc_reset_flags = 2;

pub type shmalloc_snapshot_format = i32;
pub const SHMALLOC_SNAPSHOT_FORMAT_JSON: shmalloc_snapshot_format = 0;
pub const SHMALLOC_SNAPSHOT_FORMAT_FORCE32: shmalloc_snapshot_format = 2147483647;

pub type shmalloc_stat_pool = i32;
pub const SHMALLOC_STAT_POOL_ALL: shmalloc_stat_pool = 0;
pub const SHMALLOC_STAT_POOL_SMALL: shmalloc_stat_pool = 1;
pub const SHMALLOC_STAT_POOL_LARGE: shmalloc_stat_pool = 2;
pub const SHMALLOC_STAT_POOL_FORCE32: shmalloc_stat_pool = 2147483647;

pub type shmalloc_status = i32;
pub const SHMALLOC_STATUS_OK: shmalloc_status = 0;
pub const SHMALLOC_STATUS_INVALID: shmalloc_status = -1;
pub const SHMALLOC_STATUS_NO_MEMORY: shmalloc_status = -2;
pub const SHMALLOC_STATUS_NO_SPACE: shmalloc_status = -3;
pub const SHMALLOC_STATUS_NOT_FOUND: shmalloc_status = -4;
pub const SHMALLOC_STATUS_EXISTS: shmalloc_status = -5;
pub const SHMALLOC_STATUS_PERMISSION: shmalloc_status = -6;
pub const SHMALLOC_STATUS_BUSY: shmalloc_status = -7;
pub const SHMALLOC_STATUS_TIMEOUT: shmalloc_status = -8;
pub const SHMALLOC_STATUS_UNSUPPORTED: shmalloc_status = -9;
pub const SHMALLOC_STATUS_VERSION: shmalloc_status = -10;
pub const SHMALLOC_STATUS_CORRUPT: shmalloc_status = -11;
pub const SHMALLOC_STATUS_STALE: shmalloc_status = -12;
pub const SHMALLOC_STATUS_PEER_GONE: shmalloc_status = -13;
pub const SHMALLOC_STATUS_CLOSED: shmalloc_status = -14;
pub const SHMALLOC_STATUS_INTERRUPTED: shmalloc_status = -15;
pub const SHMALLOC_STATUS_SYSTEM: shmalloc_status = -16;
pub const SHMALLOC_STATUS_BACKEND: shmalloc_status = -17;
pub const SHMALLOC_STATUS_INTERNAL: shmalloc_status = -18;
pub const SHMALLOC_STATUS_FORCE32: shmalloc_status = 2147483647;

pub type shmalloc_storage_flags = u32;
pub const SHMALLOC_STORAGE_ZEROED: shmalloc_storage_flags = 1;
pub const SHMALLOC_STORAGE_ISOLATED: shmalloc_storage_flags = 2;

pub type shmalloc_storage_state_flags = u32;
pub const SHMALLOC_STORAGE_STATE_SHARED: shmalloc_storage_state_flags = 1;
pub const SHMALLOC_STORAGE_STATE_IMPORTED: shmalloc_storage_state_flags = 2;
pub const SHMALLOC_STORAGE_STATE_READ_ONLY: shmalloc_storage_state_flags = 4;
pub const SHMALLOC_STORAGE_STATE_SEALED: shmalloc_storage_state_flags = 8;
pub const SHMALLOC_STORAGE_STATE_WRITE_SEALED: shmalloc_storage_state_flags = 16;
pub const SHMALLOC_STORAGE_STATE_IMMUTABLE: shmalloc_storage_state_flags = 32;
pub const SHMALLOC_STORAGE_STATE_CLOSED: shmalloc_storage_state_flags = 64;
pub const SHMALLOC_STORAGE_STATE_FORKED: shmalloc_storage_state_flags = 128;

pub type shmalloc_tensor_flags = u32;
pub const SHMALLOC_TENSOR_READ_ONLY: shmalloc_tensor_flags = 1;
pub const SHMALLOC_TENSOR_PADDED: shmalloc_tensor_flags = 2;

pub type shmalloc_trim_flags = u32;
pub const SHMALLOC_TRIM_DEFERRED: shmalloc_trim_flags = 1;
pub const SHMALLOC_TRIM_EXPIRED: shmalloc_trim_flags = 2;
pub const SHMALLOC_TRIM_FREE: shmalloc_trim_flags = 4;

pub type shmalloc_backend_call_fn = Option<unsafe extern "C" fn(stream: u64, fn_: shmalloc_work_fn, argument: *mut c_void, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_copy_fn = Option<unsafe extern "C" fn(to: u64, from: u64, size: u64, stream: u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_device_fn = Option<unsafe extern "C" fn(userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_fill_fn = Option<unsafe extern "C" fn(to: u64, value: u32, size: u64, stream: u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_make_fn = Option<unsafe extern "C" fn(size: u64, out_number: *mut u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_map_fn = Option<unsafe extern "C" fn(address: u64, size: u64, what: u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_memory_fn = Option<unsafe extern "C" fn(out_available: *mut u64, out_total: *mut u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_number_fn = Option<unsafe extern "C" fn(number: u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_order_fn = Option<unsafe extern "C" fn(event: u64, stream: u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_peer_fn = Option<unsafe extern "C" fn(peer_userdata: *mut c_void, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_query_fn = Option<unsafe extern "C" fn(number: u64, out_yes: *mut i32, userdata: *mut c_void) -> i32>;

pub type shmalloc_backend_range_fn = Option<unsafe extern "C" fn(number: u64, size: u64, userdata: *mut c_void) -> i32>;

pub type shmalloc_destroy_fn = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

pub type shmalloc_log_fn = Option<unsafe extern "C" fn(level: i32, message: *const c_char, userdata: *mut c_void)>;

pub type shmalloc_object_fn = Option<unsafe extern "C" fn(object: *const shmalloc_object_info, userdata: *mut c_void) -> i32>;

pub type shmalloc_observer_fn = Option<unsafe extern "C" fn(notice: *const shmalloc_notice, userdata: *mut c_void) -> i32>;

pub type shmalloc_work_fn = Option<unsafe extern "C" fn(userdata: *mut c_void)>;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_adopt_params {
    pub struct_size: usize,
    pub stream: shmalloc_stream,
    pub access: i32,
    pub flags: u32,
}

impl Default for shmalloc_adopt_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_allocator_info {
    pub struct_size: usize,
    pub device: shmalloc_device,
    pub id: u64,
    pub references: u64,
    pub live_storages: u64,
    pub live_bytes: u64,
    pub alignment: u64,
    pub kind: i32,
    pub capabilities: u32,
    pub name: [c_char; 64],
}

impl Default for shmalloc_allocator_info {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_allocator_params {
    pub struct_size: usize,
    pub device: shmalloc_device,
    pub name: *const c_char,
    pub config: *const c_char,
    pub kind: i32,
    pub flags: u32,
}

impl Default for shmalloc_allocator_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_backend {
    pub struct_size: usize,
    pub name: *const c_char,
    pub alignment: u64,
    pub page_size: u64,
    pub capabilities: u32,
    pub reserved: u32,
    pub allocate: shmalloc_backend_make_fn,
    pub deallocate: shmalloc_backend_range_fn,
    pub memory_info: shmalloc_backend_memory_fn,
    pub copy: shmalloc_backend_copy_fn,
    pub fill: shmalloc_backend_fill_fn,
    pub call: shmalloc_backend_call_fn,
    pub synchronize: shmalloc_backend_device_fn,
    pub stream_create: shmalloc_backend_make_fn,
    pub stream_destroy: shmalloc_backend_number_fn,
    pub stream_synchronize: shmalloc_backend_number_fn,
    pub stream_wait: shmalloc_backend_order_fn,
    pub stream_capturing: shmalloc_backend_query_fn,
    pub event_create: shmalloc_backend_make_fn,
    pub event_destroy: shmalloc_backend_number_fn,
    pub event_record: shmalloc_backend_order_fn,
    pub event_query: shmalloc_backend_query_fn,
    pub event_synchronize: shmalloc_backend_number_fn,
    pub virtual_reserve: shmalloc_backend_make_fn,
    pub virtual_unreserve: shmalloc_backend_range_fn,
    pub virtual_create: shmalloc_backend_make_fn,
    pub virtual_destroy: shmalloc_backend_number_fn,
    pub virtual_map: shmalloc_backend_map_fn,
    pub virtual_unmap: shmalloc_backend_range_fn,
    pub virtual_access: shmalloc_backend_map_fn,
    pub enable_peer: shmalloc_backend_peer_fn,
}

impl Default for shmalloc_backend {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_cache_info {
    pub struct_size: usize,
    pub largest: u64,
    pub cached: u64,
    pub available: u64,
    pub total: u64,
}

impl Default for shmalloc_cache_info {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_caching_params {
    pub struct_size: usize,
    pub max_split_size: u64,
    pub max_non_split_rounding: u64,
    pub large_segment_size: u64,
    pub garbage_collection_ppm: u32,
    pub memory_ppm: u32,
    pub roundup_divisions: [u32; 16],
}

impl Default for shmalloc_caching_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_channel_info {
    pub struct_size: usize,
    pub capacity: u64,
    pub length: u64,
    pub sent: u64,
    pub received: u64,
    pub skipped: u64,
    pub record_size: u32,
    pub attached: u32,
    pub state: u32,
    pub reserved: u32,
}

impl Default for shmalloc_channel_info {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_channel_params {
    pub struct_size: usize,
    pub capacity: u64,
    pub record_size: u32,
    pub flags: u32,
}

impl Default for shmalloc_channel_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_device_info {
    pub struct_size: usize,
    pub device: shmalloc_device,
    pub total: u64,
    pub available: u64,
    pub page_size: u64,
    pub count: u32,
    pub capabilities: u32,
    pub name: [c_char; 64],
}

impl Default for shmalloc_device_info {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_error {
    pub status: i32,
    pub os_error: i32,
    pub backend_error: i64,
    pub message: [c_char; 240],
}

impl Default for shmalloc_error {
    /// All zero.
    fn default() -> Self {
        unsafe { mem::zeroed() }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_export_params {
    pub struct_size: usize,
    pub ttl_ns: i64,
    pub stream: shmalloc_stream,
    pub flags: u32,
    pub format: i32,
}

impl Default for shmalloc_export_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_handle_info {
    pub struct_size: usize,
    pub size: u64,
    pub capacity: u64,
    pub offset: u64,
    pub device: shmalloc_device,
    pub identity: [u8; 16],
    pub format: i32,
    pub kind: i32,
    pub flags: u32,
    pub route: i32,
    pub pid: i32,
    pub version_major: u16,
    pub version_minor: u16,
}

impl Default for shmalloc_handle_info {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_history_params {
    pub struct_size: usize,
    pub max_entries: u64,
    pub flags: u32,
    pub reserved: u32,
}

impl Default for shmalloc_history_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_import_params {
    pub struct_size: usize,
    pub timeout_ns: i64,
    pub stream: shmalloc_stream,
    pub flags: u32,
    pub format: i32,
}

impl Default for shmalloc_import_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_notice {
    pub struct_size: usize,
    pub report: *const c_char,
    pub device: shmalloc_device,
    pub allocator_id: u64,
    pub stream: shmalloc_stream,
    pub requested: u64,
    pub rounded: u64,
    pub total: u64,
    pub available: u64,
    pub limit: u64,
    pub reserved: u64,
    pub allocated: u64,
    pub pending: u64,
    pub largest_free: u64,
    pub kind: i32,
    pub fragmentation: u32,
}

impl Default for shmalloc_notice {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_object_info {
    pub struct_size: usize,
    pub size: u64,
    pub resident: u64,
    pub modified_ns: i64,
    pub refcount: i64,
    pub maker: i32,
    pub state: u32,
    pub holders: i32,
    pub holder_pid: i32,
    pub uid: i32,
    pub mode: u32,
    pub name: [c_char; 272],
}

impl Default for shmalloc_object_info {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_snapshot_params {
    pub struct_size: usize,
    pub format: i32,
    pub flags: u32,
}

impl Default for shmalloc_snapshot_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_stat {
    pub current: i64,
    pub peak: i64,
    pub allocated: i64,
    pub freed: i64,
}

impl Default for shmalloc_stat {
    /// All zero.
    fn default() -> Self {
        unsafe { mem::zeroed() }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_statistics {
    pub struct_size: usize,
    pub allocation: [shmalloc_stat; 3],
    pub segment: [shmalloc_stat; 3],
    pub active: [shmalloc_stat; 3],
    pub inactive_split: [shmalloc_stat; 3],
    pub allocated_bytes: [shmalloc_stat; 3],
    pub reserved_bytes: [shmalloc_stat; 3],
    pub active_bytes: [shmalloc_stat; 3],
    pub inactive_split_bytes: [shmalloc_stat; 3],
    pub requested_bytes: [shmalloc_stat; 3],
    pub oversize_allocations: shmalloc_stat,
    pub oversize_segments: shmalloc_stat,
    pub pending: shmalloc_stat,
    pub pending_bytes: shmalloc_stat,
    pub num_alloc_retries: i64,
    pub num_ooms: i64,
    pub num_sync_all_streams: i64,
    pub num_device_alloc: i64,
    pub num_device_free: i64,
    pub max_split_size: i64,
}

impl Default for shmalloc_statistics {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_storage_info {
    pub struct_size: usize,
    pub data: *mut c_void,
    pub address: shmalloc_address,
    pub device: shmalloc_device,
    pub size: u64,
    pub capacity: u64,
    pub id: u64,
    pub generation: u64,
    pub allocator_id: u64,
    pub references: u64,
    pub pins: u64,
    pub kind: i32,
    pub state: u32,
    pub mapped: u32,
    pub fd: i32,
}

impl Default for shmalloc_storage_info {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_storage_params {
    pub struct_size: usize,
    pub name: *const c_char,
    pub alignment: u64,
    pub capacity: u64,
    pub file_offset: u64,
    pub page_size: u64,
    pub flags: u32,
    pub mapped: u32,
    pub mode: u32,
    pub fd: i32,
    pub numa_node: i32,
    pub reserved: u32,
}

impl Default for shmalloc_storage_params {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct shmalloc_tensor {
    pub struct_size: usize,
    pub shape: *const i64,
    pub strides: *const i64,
    pub offset: u64,
    pub ndim: i32,
    pub flags: u32,
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
    pub reserved: u32,
}

impl Default for shmalloc_tensor {
    /// All zero, which is every field's default, and struct_size set.
    fn default() -> Self {
        let mut value: Self = unsafe { mem::zeroed() };
        value.struct_size = mem::size_of::<Self>();
        value
    }
}

extern "C" {
    /// shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_abi_lookup(name: *const c_char, out_value: *mut i64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: wait +cb. Since: 0.1
    pub fn shmalloc_allocator_allocate(allocator: *mut shmalloc_allocator, size: usize, stream: shmalloc_stream, out_address: *mut shmalloc_address, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_configure(allocator: *mut shmalloc_allocator, config: *const c_char, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_allocator_configure_caching(allocator: *mut shmalloc_allocator, params: *const shmalloc_caching_params, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_create(params: *const shmalloc_allocator_params, out_allocator: *mut *mut shmalloc_allocator, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_allocator_deallocate(allocator: *mut shmalloc_allocator, address: shmalloc_address, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_allocator_get_base(allocator: *mut shmalloc_allocator, address: shmalloc_address, out_base: *mut shmalloc_address, out_size: *mut u64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_allocator_get_cache_info(allocator: *mut shmalloc_allocator, out_info: *mut shmalloc_cache_info, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_get_config(allocator: *mut shmalloc_allocator, key: *const c_char, text: *mut c_char, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_get_current(device: shmalloc_device, out_allocator: *mut *mut shmalloc_allocator, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_get_info(allocator: *mut shmalloc_allocator, out_info: *mut shmalloc_allocator_info, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_get_statistics(allocator: *mut shmalloc_allocator, out_statistics: *mut shmalloc_statistics, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_observe(allocator: *mut shmalloc_allocator, kinds: u32, fn_: shmalloc_observer_fn, userdata: *mut c_void, destroy_fn: shmalloc_destroy_fn, out_id: *mut u64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_record_history(allocator: *mut shmalloc_allocator, params: *const shmalloc_history_params, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_allocator_record_stream(allocator: *mut shmalloc_allocator, address: shmalloc_address, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_release(allocator: *mut shmalloc_allocator);
    /// shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_reset_statistics(allocator: *mut shmalloc_allocator, what: u32, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_allocator_retain(allocator: *mut shmalloc_allocator);
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_set_current(allocator: *mut shmalloc_allocator, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/trace.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_snapshot(allocator: *mut shmalloc_allocator, params: *const shmalloc_snapshot_params, to: *mut shmalloc_allocator, out_storage: *mut *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_allocator_trim(allocator: *mut shmalloc_allocator, what: u32, keep_bytes: u64, out_bytes: *mut u64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/allocator.h. Threading: any. Call: wait +cb. Since: 0.1
    pub fn shmalloc_allocator_unobserve(allocator: *mut shmalloc_allocator, id: u64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/channel.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_channel_close(channel: *mut shmalloc_channel, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/channel.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_channel_create(params: *const shmalloc_channel_params, out_channel: *mut *mut shmalloc_channel, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/channel.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_channel_get_info(channel: *mut shmalloc_channel, out_info: *mut shmalloc_channel_info, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/channel.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_channel_open(storage: *mut shmalloc_storage, out_channel: *mut *mut shmalloc_channel, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/channel.h. Threading: any. Call: wait +cb. Since: 0.1
    pub fn shmalloc_channel_receive(channel: *mut shmalloc_channel, out_storage: *mut *mut shmalloc_storage, record: *mut u8, inout_length: *mut usize, timeout_ns: i64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/channel.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_channel_release(channel: *mut shmalloc_channel);
    /// shmalloc/channel.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_channel_retain(channel: *mut shmalloc_channel);
    /// shmalloc/channel.h. Threading: any. Call: wait. Since: 0.1
    pub fn shmalloc_channel_send(channel: *mut shmalloc_channel, storage: *mut shmalloc_storage, record: *const u8, record_length: usize, timeout_ns: i64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/channel.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_channel_storage(channel: *mut shmalloc_channel, out_storage: *mut *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_device_copy(device: shmalloc_device, to: shmalloc_address, from: shmalloc_address, size: usize, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_device_enable_peer(device: shmalloc_device, peer: shmalloc_device, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_device_fill(device: shmalloc_device, to: shmalloc_address, value: u32, size: usize, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_device_get_info(device: shmalloc_device, out_info: *mut shmalloc_device_info, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/backend.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_device_register(backend: *const shmalloc_backend, userdata: *mut c_void, destroy_fn: shmalloc_destroy_fn, out_device: *mut shmalloc_device, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: wait. Since: 0.1
    pub fn shmalloc_device_synchronize(device: shmalloc_device, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/backend.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_device_unregister(device: shmalloc_device, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/dlpack.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_dlpack_export(storage: *mut shmalloc_storage, tensor: *const shmalloc_tensor, out_managed: *mut *mut DLManagedTensorVersioned, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/dlpack.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_dlpack_export_unversioned(storage: *mut shmalloc_storage, tensor: *const shmalloc_tensor, out_managed: *mut *mut DLManagedTensor, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/dlpack.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_dlpack_import(managed: *mut DLManagedTensorVersioned, out_tensor: *mut shmalloc_tensor, out_storage: *mut *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/dlpack.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_dlpack_import_unversioned(managed: *mut DLManagedTensor, out_tensor: *mut shmalloc_tensor, out_storage: *mut *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_event_create(device: shmalloc_device, out_event: *mut shmalloc_event, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_event_destroy(device: shmalloc_device, event: shmalloc_event, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_event_query(device: shmalloc_device, event: shmalloc_event, out_done: *mut i32, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_event_record(device: shmalloc_device, event: shmalloc_event, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: wait. Since: 0.1
    pub fn shmalloc_event_synchronize(device: shmalloc_device, event: shmalloc_event, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_format_size(size: u64, text: *mut c_char, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/ipc.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_handle_from_text(text: *const c_char, bytes: *mut u8, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/ipc.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_handle_get_info(bytes: *const u8, length: usize, out_info: *mut shmalloc_handle_info, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/ipc.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_handle_to_text(bytes: *const u8, length: usize, text: *mut c_char, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/machine.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_machine_describe(text: *mut c_char, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/machine.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_machine_reclaim(name: *const c_char, prefix: *const c_char, flags: u32, out_objects: *mut u64, out_bytes: *mut u64, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/machine.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_machine_walk(prefix: *const c_char, fn_: shmalloc_object_fn, userdata: *mut c_void, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_make_name(prefix: *const c_char, text: *mut c_char, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_release_deferred(handle: *mut c_void);
    /// shmalloc/base.h. Threading: any. Call: wait +cb. Since: 0.1
    pub fn shmalloc_set_log(fn_: shmalloc_log_fn, level: shmalloc_log_level, userdata: *mut c_void, destroy_fn: shmalloc_destroy_fn, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_status_name(status: i32) -> *const c_char;
    /// shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_storage_address(storage: *mut shmalloc_storage) -> shmalloc_address;
    /// shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_storage_adopt(device: shmalloc_device, address: shmalloc_address, size: usize, params: *const shmalloc_adopt_params, userdata: *mut c_void, destroy_fn: shmalloc_destroy_fn, out_storage: *mut *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_storage_close(storage: *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: wait. Since: 0.1
    pub fn shmalloc_storage_copy(dst: *mut shmalloc_storage, dst_offset: usize, src: *mut shmalloc_storage, src_offset: usize, size: usize, stream: shmalloc_stream, flags: u32, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_storage_create(allocator: *mut shmalloc_allocator, size: usize, stream: shmalloc_stream, params: *const shmalloc_storage_params, out_storage: *mut *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_storage_data(storage: *mut shmalloc_storage) -> *mut c_void;
    /// shmalloc/ipc.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_export(storage: *mut shmalloc_storage, params: *const shmalloc_export_params, bytes: *mut u8, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/ipc.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_export_fds(storage: *mut shmalloc_storage, params: *const shmalloc_export_params, out_fds: *mut i32, inout_count: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_find(device: shmalloc_device, address: shmalloc_address, out_storage: *mut *mut shmalloc_storage, out_offset: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_get_info(storage: *mut shmalloc_storage, out_info: *mut shmalloc_storage_info, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_get_name(storage: *mut shmalloc_storage, text: *mut c_char, inout_length: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_grow(storage: *mut shmalloc_storage, size: usize, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/ipc.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_storage_import(bytes: *const u8, length: usize, fds: *const i32, fd_count: usize, params: *const shmalloc_import_params, out_storage: *mut *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_storage_pin(storage: *mut shmalloc_storage, access: shmalloc_access, out_data: *mut *mut c_void, out_size: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/ipc.h. Threading: serial. Call: wait +cb. Since: 0.1
    pub fn shmalloc_storage_receive(socket: i32, params: *const shmalloc_import_params, out_storages: *mut *mut shmalloc_storage, inout_count: *mut usize, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_record_stream(storage: *mut shmalloc_storage, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_storage_release(storage: *mut shmalloc_storage);
    /// shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_storage_retain(storage: *mut shmalloc_storage);
    /// shmalloc/ipc.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_revoke(storage: *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_storage_seal(storage: *mut shmalloc_storage, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/ipc.h. Threading: serial. Call: wait. Since: 0.1
    pub fn shmalloc_storage_send(socket: i32, storages: *const *mut shmalloc_storage, count: usize, params: *const shmalloc_export_params, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: work +cb. Since: 0.1
    pub fn shmalloc_storage_share(storage: *mut shmalloc_storage, to: *mut shmalloc_allocator, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_storage_size(storage: *mut shmalloc_storage) -> usize;
    /// shmalloc/storage.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_storage_unpin(storage: *mut shmalloc_storage, access: shmalloc_access);
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_stream_call(device: shmalloc_device, stream: shmalloc_stream, fn_: shmalloc_work_fn, userdata: *mut c_void, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_stream_create(device: shmalloc_device, out_stream: *mut shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_stream_destroy(device: shmalloc_device, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: wait. Since: 0.1
    pub fn shmalloc_stream_synchronize(device: shmalloc_device, stream: shmalloc_stream, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/device.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_stream_wait(device: shmalloc_device, stream: shmalloc_stream, event: shmalloc_event, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/torch.h. Threading: any. Call: wait. Since: 0.1
    pub fn shmalloc_torch_manager_run(path: *const c_char, stop_fd: i32, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/torch.h. Threading: any. Call: work. Since: 0.1
    pub fn shmalloc_torch_refcount(storage: *mut shmalloc_storage, change: i32, out_count: *mut i32, err: *mut shmalloc_error) -> shmalloc_status;
    /// shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_version() -> u32;
    /// shmalloc/base.h. Threading: any. Call: leaf. Since: 0.1
    pub fn shmalloc_version_string() -> *const c_char;
}
