"""The C headers as ctypes tables, and the library behind them.

The tables can be read without the library; the first call of `library()` loads it and compares every constant, size and offset
with what it says about itself. Names are those of the headers, where each is documented. Nothing here is safe: a wrong pointer
is a wrong pointer. The safe layer is the rest of this package.
"""
from __future__ import annotations

import ctypes
import os
import threading
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint32,
                    c_uint64, c_void_p)
from typing import Any, Type, TypeVar

SONAME = 'libshmalloc.so.0.1'

CONSTANTS: dict[str, int] = {
    # base.h
    'SHMALLOC_VERSION_MAJOR': 0, 'SHMALLOC_VERSION_MINOR': 1, 'SHMALLOC_VERSION_PATCH': 0, 'SHMALLOC_VERSION': 1000,
    'SHMALLOC_STREAM_DEFAULT': 0, 'SHMALLOC_STREAM_OWN': ctypes.c_uint64(-1).value,
    'SHMALLOC_TIME_DEFAULT': 0, 'SHMALLOC_TIME_FOREVER': -1, 'SHMALLOC_TIME_NONE': -2,
    'SHMALLOC_STATUS_OK': 0,
    'SHMALLOC_STATUS_INVALID': -1,
    'SHMALLOC_STATUS_NO_MEMORY': -2,
    'SHMALLOC_STATUS_NO_SPACE': -3,
    'SHMALLOC_STATUS_NOT_FOUND': -4,
    'SHMALLOC_STATUS_EXISTS': -5,
    'SHMALLOC_STATUS_PERMISSION': -6,
    'SHMALLOC_STATUS_BUSY': -7,
    'SHMALLOC_STATUS_TIMEOUT': -8,
    'SHMALLOC_STATUS_UNSUPPORTED': -9,
    'SHMALLOC_STATUS_VERSION': -10,
    'SHMALLOC_STATUS_CORRUPT': -11,
    'SHMALLOC_STATUS_STALE': -12,
    'SHMALLOC_STATUS_PEER_GONE': -13,
    'SHMALLOC_STATUS_CLOSED': -14,
    'SHMALLOC_STATUS_INTERRUPTED': -15,
    'SHMALLOC_STATUS_SYSTEM': -16,
    'SHMALLOC_STATUS_BACKEND': -17,
    'SHMALLOC_STATUS_INTERNAL': -18,
    'SHMALLOC_STATUS_FORCE32': 0x7fffffff,
    'SHMALLOC_LOG_LEVEL_NONE': 0, 'SHMALLOC_LOG_LEVEL_ERROR': 1, 'SHMALLOC_LOG_LEVEL_WARNING': 2, 'SHMALLOC_LOG_LEVEL_NOTE': 3,
    'SHMALLOC_LOG_LEVEL_FORCE32': 0x7fffffff,
    # channel.h
    'SHMALLOC_CHANNEL_NO_RECORD': 1, 'SHMALLOC_CHANNEL_STATE_CLOSED': 1,
    # device.h
    'SHMALLOC_DEVICE_HOST': 0,
    'SHMALLOC_DEVICE_TYPE_HOST': 0, 'SHMALLOC_DEVICE_TYPE_CUDA': 2, 'SHMALLOC_DEVICE_TYPE_VULKAN': 7,
    'SHMALLOC_DEVICE_TYPE_HOST_STREAMS': 0x10000, 'SHMALLOC_DEVICE_TYPE_CUSTOM': 0x10001, 'SHMALLOC_DEVICE_TYPE_FORCE32': 0x7fffffff,
    'SHMALLOC_CAPABILITY_HOST_ACCESS': 1, 'SHMALLOC_CAPABILITY_EXPORT': 2, 'SHMALLOC_CAPABILITY_EXPORT_BYTES': 4,
    'SHMALLOC_CAPABILITY_READ_ONLY': 8, 'SHMALLOC_CAPABILITY_GROW': 16, 'SHMALLOC_CAPABILITY_HUGE_PAGES': 32,
    'SHMALLOC_CAPABILITY_STREAMS': 64, 'SHMALLOC_CAPABILITY_CALL': 128, 'SHMALLOC_CAPABILITY_CAPTURE': 256,
    'SHMALLOC_CAPABILITY_PEERS': 512, 'SHMALLOC_CAPABILITY_VIRTUAL': 1024,
    # allocator.h
    'SHMALLOC_ALLOCATOR_KIND_DEFAULT': 0, 'SHMALLOC_ALLOCATOR_KIND_DIRECT': 1, 'SHMALLOC_ALLOCATOR_KIND_MAP': 2,
    'SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED': 3, 'SHMALLOC_ALLOCATOR_KIND_SHARED': 4,
    'SHMALLOC_ALLOCATOR_KIND_CACHING': 5, 'SHMALLOC_ALLOCATOR_KIND_FORCE32': 0x7fffffff,
    'SHMALLOC_ALLOCATOR_ENVIRONMENT': 1,
    'SHMALLOC_TRIM_DEFERRED': 1, 'SHMALLOC_TRIM_EXPIRED': 2, 'SHMALLOC_TRIM_FREE': 4,
    'SHMALLOC_NOTICE_MEMORY_LOW': 1, 'SHMALLOC_NOTICE_OUT_OF_MEMORY': 2,
    # storage.h
    'SHMALLOC_MAPPED_SHARED': 1, 'SHMALLOC_MAPPED_SHAREDMEM': 2, 'SHMALLOC_MAPPED_EXCLUSIVE': 4, 'SHMALLOC_MAPPED_NOCREATE': 8,
    'SHMALLOC_MAPPED_KEEPFD': 16, 'SHMALLOC_MAPPED_FROMFD': 32, 'SHMALLOC_MAPPED_UNLINK': 64, 'SHMALLOC_MAPPED_NO_GROW': 128,
    'SHMALLOC_MAPPED_READ_ONLY': 256, 'SHMALLOC_MAPPED_MEMFD': 512, 'SHMALLOC_MAPPED_HUGETLB': 1024,
    'SHMALLOC_STORAGE_ZEROED': 1, 'SHMALLOC_STORAGE_ISOLATED': 2,
    'SHMALLOC_STORAGE_STATE_SHARED': 1, 'SHMALLOC_STORAGE_STATE_IMPORTED': 2, 'SHMALLOC_STORAGE_STATE_READ_ONLY': 4,
    'SHMALLOC_STORAGE_STATE_SEALED': 8, 'SHMALLOC_STORAGE_STATE_WRITE_SEALED': 16, 'SHMALLOC_STORAGE_STATE_IMMUTABLE': 32,
    'SHMALLOC_STORAGE_STATE_CLOSED': 64, 'SHMALLOC_STORAGE_STATE_FORKED': 128,
    'SHMALLOC_ACCESS_DEFAULT': 0, 'SHMALLOC_ACCESS_READ': 1, 'SHMALLOC_ACCESS_WRITE': 2, 'SHMALLOC_ACCESS_FORCE32': 0x7fffffff,
    'SHMALLOC_SIZE_ALL': ctypes.c_size_t(-1).value,
    'SHMALLOC_COPY_NON_BLOCKING': 1,
    # dlpack.h
    'SHMALLOC_TENSOR_READ_ONLY': 1, 'SHMALLOC_TENSOR_PADDED': 2,
    # ipc.h
    'SHMALLOC_HANDLE_MAX': 512, 'SHMALLOC_HANDLE_TEXT_MAX': 704, 'SHMALLOC_MESSAGE_MAX': 253,
    'SHMALLOC_HANDLE_FORMAT_NATIVE': 0, 'SHMALLOC_HANDLE_FORMAT_TORCH_FD': 1, 'SHMALLOC_HANDLE_FORMAT_TORCH_FILE': 2,
    'SHMALLOC_HANDLE_FORMAT_FORCE32': 0x7fffffff,
    'SHMALLOC_EXPORT_READ_ONLY': 1, 'SHMALLOC_EXPORT_DESCRIPTOR': 2, 'SHMALLOC_EXPORT_COUNTED': 4,
    'SHMALLOC_IMPORT_READ_ONLY': 1, 'SHMALLOC_IMPORT_SAME_USER': 2, 'SHMALLOC_IMPORT_COUNTED': 4,
    'SHMALLOC_HANDLE_ROUTE_DESCRIPTOR': 0, 'SHMALLOC_HANDLE_ROUTE_SHM': 1, 'SHMALLOC_HANDLE_ROUTE_FILE': 2,
    'SHMALLOC_HANDLE_ROUTE_PROCESS': 3, 'SHMALLOC_HANDLE_ROUTE_EMPTY': 4, 'SHMALLOC_HANDLE_ROUTE_FORCE32': 0x7fffffff,
    # machine.h
    'SHMALLOC_OBJECT_MAKER_UNKNOWN': 0, 'SHMALLOC_OBJECT_MAKER_SHMALLOC': 1, 'SHMALLOC_OBJECT_MAKER_TORCH': 2,
    'SHMALLOC_OBJECT_MAKER_FORCE32': 0x7fffffff,
    'SHMALLOC_OBJECT_NAMED': 1, 'SHMALLOC_OBJECT_COUNTED': 2, 'SHMALLOC_OBJECT_LOCKED': 4, 'SHMALLOC_OBJECT_ABANDONED': 8,
    'SHMALLOC_OBJECT_UNCERTAIN': 16,
    'SHMALLOC_RECLAIM_FORCE': 1, 'SHMALLOC_RECLAIM_DRY_RUN': 2,
    # trace.h
    'SHMALLOC_STAT_POOL_ALL': 0, 'SHMALLOC_STAT_POOL_SMALL': 1, 'SHMALLOC_STAT_POOL_LARGE': 2,
    'SHMALLOC_STAT_POOL_FORCE32': 0x7fffffff,
    'SHMALLOC_RESET_PEAKS': 1, 'SHMALLOC_RESET_ACCUMULATED': 2,
    'SHMALLOC_HISTORY_RECORD': 1, 'SHMALLOC_HISTORY_CLEAR': 2,
    'SHMALLOC_SNAPSHOT_FORMAT_JSON': 0, 'SHMALLOC_SNAPSHOT_FORMAT_FORCE32': 0x7fffffff,
}


class Error(Structure):
    _fields_ = [('status', c_int32), ('os_error', c_int32), ('backend_error', c_int64), ('message', c_char * 240)]


class DeviceInfo(Structure):
    _fields_ = [('struct_size', c_size_t), ('device', c_uint64), ('total', c_uint64), ('available', c_uint64),
                ('page_size', c_uint64), ('count', c_uint32), ('capabilities', c_uint32), ('name', c_char * 64)]


class AllocatorParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('device', c_uint64), ('name', c_char_p), ('config', c_char_p), ('kind', c_int32),
                ('flags', c_uint32)]


class AllocatorInfo(Structure):
    _fields_ = [('struct_size', c_size_t), ('device', c_uint64), ('id', c_uint64), ('references', c_uint64),
                ('live_storages', c_uint64), ('live_bytes', c_uint64), ('alignment', c_uint64), ('kind', c_int32),
                ('capabilities', c_uint32), ('name', c_char * 64)]


class CacheInfo(Structure):
    _fields_ = [('struct_size', c_size_t), ('largest', c_uint64), ('cached', c_uint64), ('available', c_uint64), ('total', c_uint64)]


class CachingParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('max_split_size', c_uint64), ('max_non_split_rounding', c_uint64),
                ('large_segment_size', c_uint64), ('garbage_collection_ppm', c_uint32), ('memory_ppm', c_uint32),
                ('roundup_divisions', c_uint32 * 16)]


class Notice(Structure):
    _fields_ = [('struct_size', c_size_t), ('report', c_char_p), ('device', c_uint64), ('allocator_id', c_uint64),
                ('stream', c_uint64), ('requested', c_uint64), ('rounded', c_uint64), ('total', c_uint64), ('available', c_uint64),
                ('limit', c_uint64), ('reserved', c_uint64), ('allocated', c_uint64), ('pending', c_uint64),
                ('largest_free', c_uint64), ('kind', c_int32), ('fragmentation', c_uint32)]


class StorageParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('name', c_char_p), ('alignment', c_uint64), ('capacity', c_uint64),
                ('file_offset', c_uint64), ('page_size', c_uint64), ('flags', c_uint32), ('mapped', c_uint32), ('mode', c_uint32),
                ('fd', c_int32), ('numa_node', c_int32), ('reserved', c_uint32)]


class StorageInfo(Structure):
    _fields_ = [('struct_size', c_size_t), ('data', c_void_p), ('address', c_uint64), ('device', c_uint64), ('size', c_uint64),
                ('capacity', c_uint64), ('id', c_uint64), ('generation', c_uint64), ('allocator_id', c_uint64),
                ('references', c_uint64), ('pins', c_uint64), ('kind', c_int32), ('state', c_uint32), ('mapped', c_uint32),
                ('fd', c_int32)]


class AdoptParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('stream', c_uint64), ('access', c_int32), ('flags', c_uint32)]


class ExportParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('ttl_ns', c_int64), ('stream', c_uint64), ('flags', c_uint32), ('format', c_int32)]


class ImportParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('timeout_ns', c_int64), ('stream', c_uint64), ('flags', c_uint32), ('format', c_int32)]


class HandleInfo(Structure):
    _fields_ = [('struct_size', c_size_t), ('size', c_uint64), ('capacity', c_uint64), ('offset', c_uint64), ('device', c_uint64),
                ('identity', c_uint8 * 16), ('format', c_int32), ('kind', c_int32), ('flags', c_uint32), ('route', c_int32),
                ('pid', c_int32), ('version_major', c_uint16), ('version_minor', c_uint16)]


class ChannelParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('capacity', c_uint64), ('record_size', c_uint32), ('flags', c_uint32)]


class ChannelInfo(Structure):
    _fields_ = [('struct_size', c_size_t), ('capacity', c_uint64), ('length', c_uint64), ('sent', c_uint64),
                ('received', c_uint64), ('skipped', c_uint64), ('record_size', c_uint32), ('attached', c_uint32),
                ('state', c_uint32), ('reserved', c_uint32)]


class ObjectInfo(Structure):
    _fields_ = [('struct_size', c_size_t), ('size', c_uint64), ('resident', c_uint64), ('modified_ns', c_int64),
                ('refcount', c_int64), ('maker', c_int32), ('state', c_uint32), ('holders', c_int32), ('holder_pid', c_int32),
                ('uid', c_int32), ('mode', c_uint32), ('name', c_char * 272)]


class Stat(Structure):
    _fields_ = [('current', c_int64), ('peak', c_int64), ('allocated', c_int64), ('freed', c_int64)]


class Statistics(Structure):
    _fields_ = [('struct_size', c_size_t), ('allocation', Stat * 3), ('segment', Stat * 3), ('active', Stat * 3),
                ('inactive_split', Stat * 3), ('allocated_bytes', Stat * 3), ('reserved_bytes', Stat * 3), ('active_bytes', Stat * 3),
                ('inactive_split_bytes', Stat * 3), ('requested_bytes', Stat * 3), ('oversize_allocations', Stat),
                ('oversize_segments', Stat), ('pending', Stat), ('pending_bytes', Stat), ('num_alloc_retries', c_int64),
                ('num_ooms', c_int64), ('num_sync_all_streams', c_int64), ('num_device_alloc', c_int64), ('num_device_free', c_int64),
                ('max_split_size', c_int64)]


class HistoryParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('max_entries', c_uint64), ('flags', c_uint32), ('reserved', c_uint32)]


class SnapshotParams(Structure):
    _fields_ = [('struct_size', c_size_t), ('format', c_int32), ('flags', c_uint32)]


class Tensor(Structure):
    _fields_ = [('struct_size', c_size_t), ('shape', POINTER(c_int64)), ('strides', POINTER(c_int64)), ('offset', c_uint64),
                ('ndim', c_int32), ('flags', c_uint32), ('code', c_uint8), ('bits', c_uint8), ('lanes', c_uint16),
                ('reserved', c_uint32)]


destroy_fn = CFUNCTYPE(None, c_void_p)
log_fn = CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
object_fn = CFUNCTYPE(c_int32, POINTER(ObjectInfo), c_void_p)
work_fn = CFUNCTYPE(None, c_void_p)
observer_fn = CFUNCTYPE(c_int32, POINTER(Notice), c_void_p)

# A function of somebody's that comes to a device as an argument stays an address: it is passed on, and not called from here.
backend_make_fn = CFUNCTYPE(c_int32, c_uint64, POINTER(c_uint64), c_void_p)
backend_range_fn = CFUNCTYPE(c_int32, c_uint64, c_uint64, c_void_p)
backend_number_fn = CFUNCTYPE(c_int32, c_uint64, c_void_p)
backend_query_fn = CFUNCTYPE(c_int32, c_uint64, POINTER(c_int32), c_void_p)
backend_order_fn = CFUNCTYPE(c_int32, c_uint64, c_uint64, c_void_p)
backend_device_fn = CFUNCTYPE(c_int32, c_void_p)
backend_memory_fn = CFUNCTYPE(c_int32, POINTER(c_uint64), POINTER(c_uint64), c_void_p)
backend_copy_fn = CFUNCTYPE(c_int32, c_uint64, c_uint64, c_uint64, c_uint64, c_void_p)
backend_fill_fn = CFUNCTYPE(c_int32, c_uint64, c_uint32, c_uint64, c_uint64, c_void_p)
backend_call_fn = CFUNCTYPE(c_int32, c_uint64, c_void_p, c_void_p, c_void_p)
backend_map_fn = CFUNCTYPE(c_int32, c_uint64, c_uint64, c_uint64, c_void_p)
backend_peer_fn = CFUNCTYPE(c_int32, c_void_p, c_void_p)


class Backend(Structure):
    _fields_ = [('struct_size', c_size_t), ('name', c_char_p), ('alignment', c_uint64), ('page_size', c_uint64),
                ('capabilities', c_uint32), ('reserved', c_uint32),
                ('allocate', backend_make_fn), ('deallocate', backend_range_fn), ('memory_info', backend_memory_fn),
                ('copy', backend_copy_fn), ('fill', backend_fill_fn), ('call', backend_call_fn),
                ('synchronize', backend_device_fn), ('stream_create', backend_make_fn), ('stream_destroy', backend_number_fn),
                ('stream_synchronize', backend_number_fn), ('stream_wait', backend_order_fn), ('stream_capturing', backend_query_fn),
                ('event_create', backend_make_fn), ('event_destroy', backend_number_fn), ('event_record', backend_order_fn),
                ('event_query', backend_query_fn), ('event_synchronize', backend_number_fn),
                ('virtual_reserve', backend_make_fn), ('virtual_unreserve', backend_range_fn), ('virtual_create', backend_make_fn),
                ('virtual_destroy', backend_number_fn), ('virtual_map', backend_map_fn), ('virtual_unmap', backend_range_fn),
                ('virtual_access', backend_map_fn), ('enable_peer', backend_peer_fn)]


STRUCTS: dict[str, Type[Structure]] = {
    'shmalloc_error': Error,
    'shmalloc_device_info': DeviceInfo,
    'shmalloc_allocator_params': AllocatorParams,
    'shmalloc_allocator_info': AllocatorInfo,
    'shmalloc_backend': Backend,
    'shmalloc_cache_info': CacheInfo,
    'shmalloc_caching_params': CachingParams,
    'shmalloc_notice': Notice,
    'shmalloc_storage_params': StorageParams,
    'shmalloc_storage_info': StorageInfo,
    'shmalloc_adopt_params': AdoptParams,
    'shmalloc_export_params': ExportParams,
    'shmalloc_import_params': ImportParams,
    'shmalloc_handle_info': HandleInfo,
    'shmalloc_object_info': ObjectInfo,
    'shmalloc_channel_params': ChannelParams,
    'shmalloc_channel_info': ChannelInfo,
    'shmalloc_stat': Stat,
    'shmalloc_statistics': Statistics,
    'shmalloc_history_params': HistoryParams,
    'shmalloc_snapshot_params': SnapshotParams,
    'shmalloc_tensor': Tensor,
}

CALLBACKS = {
    'shmalloc_destroy_fn': destroy_fn, 'shmalloc_log_fn': log_fn, 'shmalloc_object_fn': object_fn, 'shmalloc_work_fn': work_fn,
    'shmalloc_observer_fn': observer_fn, 'shmalloc_backend_make_fn': backend_make_fn, 'shmalloc_backend_range_fn': backend_range_fn,
    'shmalloc_backend_number_fn': backend_number_fn, 'shmalloc_backend_query_fn': backend_query_fn,
    'shmalloc_backend_order_fn': backend_order_fn, 'shmalloc_backend_device_fn': backend_device_fn,
    'shmalloc_backend_memory_fn': backend_memory_fn, 'shmalloc_backend_copy_fn': backend_copy_fn,
    'shmalloc_backend_fill_fn': backend_fill_fn, 'shmalloc_backend_call_fn': backend_call_fn,
    'shmalloc_backend_map_fn': backend_map_fn, 'shmalloc_backend_peer_fn': backend_peer_fn,
}

# For reading the table below: handles are plain addresses, an enum travels as an int.
_status, _handle, _out_handle, _err = c_int32, c_void_p, POINTER(c_void_p), POINTER(Error)
_device, _address, _stream, _event = c_uint64, c_uint64, c_uint64, c_uint64
_number = POINTER(c_uint64)
_bytes, _length = POINTER(c_uint8), POINTER(c_size_t)

FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    # base.h
    'shmalloc_version': (c_uint32, []),
    'shmalloc_version_string': (c_char_p, []),
    'shmalloc_status_name': (c_char_p, [c_int32]),
    'shmalloc_abi_lookup': (_status, [c_char_p, POINTER(c_int64), _err]),
    'shmalloc_set_log': (_status, [log_fn, c_int32, c_void_p, destroy_fn, _err]),
    'shmalloc_format_size': (_status, [c_uint64, c_char_p, _length, _err]),
    'shmalloc_release_deferred': (None, [_handle]),
    # device.h
    'shmalloc_device_get_info': (_status, [_device, POINTER(DeviceInfo), _err]),
    'shmalloc_device_synchronize': (_status, [_device, _err]),
    'shmalloc_device_enable_peer': (_status, [_device, _device, _err]),
    'shmalloc_device_copy': (_status, [_device, _address, _address, c_size_t, _stream, _err]),
    'shmalloc_device_fill': (_status, [_device, _address, c_uint32, c_size_t, _stream, _err]),
    'shmalloc_stream_create': (_status, [_device, _number, _err]),
    'shmalloc_stream_destroy': (_status, [_device, _stream, _err]),
    'shmalloc_stream_synchronize': (_status, [_device, _stream, _err]),
    'shmalloc_stream_wait': (_status, [_device, _stream, _event, _err]),
    'shmalloc_stream_call': (_status, [_device, _stream, work_fn, c_void_p, _err]),
    'shmalloc_event_create': (_status, [_device, _number, _err]),
    'shmalloc_event_destroy': (_status, [_device, _event, _err]),
    'shmalloc_event_record': (_status, [_device, _event, _stream, _err]),
    'shmalloc_event_query': (_status, [_device, _event, POINTER(c_int32), _err]),
    'shmalloc_event_synchronize': (_status, [_device, _event, _err]),
    # backend.h
    'shmalloc_device_register': (_status, [POINTER(Backend), c_void_p, destroy_fn, _number, _err]),
    'shmalloc_device_unregister': (_status, [_device, _err]),
    # allocator.h
    'shmalloc_allocator_create': (_status, [POINTER(AllocatorParams), _out_handle, _err]),
    'shmalloc_allocator_retain': (None, [_handle]),
    'shmalloc_allocator_release': (None, [_handle]),
    'shmalloc_allocator_get_current': (_status, [_device, _out_handle, _err]),
    'shmalloc_allocator_set_current': (_status, [_handle, _err]),
    'shmalloc_allocator_get_info': (_status, [_handle, POINTER(AllocatorInfo), _err]),
    'shmalloc_allocator_configure': (_status, [_handle, c_char_p, _err]),
    'shmalloc_allocator_get_config': (_status, [_handle, c_char_p, c_char_p, _length, _err]),
    'shmalloc_allocator_trim': (_status, [_handle, c_uint32, c_uint64, _number, _err]),
    'shmalloc_allocator_allocate': (_status, [_handle, c_size_t, _stream, _number, _err]),
    'shmalloc_allocator_deallocate': (_status, [_handle, _address, _stream, _err]),
    'shmalloc_allocator_record_stream': (_status, [_handle, _address, _stream, _err]),
    'shmalloc_allocator_get_base': (_status, [_handle, _address, _number, _number, _err]),
    'shmalloc_allocator_get_cache_info': (_status, [_handle, POINTER(CacheInfo), _err]),
    'shmalloc_allocator_configure_caching': (_status, [_handle, POINTER(CachingParams), _err]),
    'shmalloc_allocator_observe': (_status, [_handle, c_uint32, observer_fn, c_void_p, destroy_fn, _number, _err]),
    'shmalloc_allocator_unobserve': (_status, [_handle, c_uint64, _err]),
    # storage.h
    'shmalloc_storage_create': (_status, [_handle, c_size_t, _stream, POINTER(StorageParams), _out_handle, _err]),
    'shmalloc_storage_adopt': (_status, [_device, _address, c_size_t, POINTER(AdoptParams), c_void_p, destroy_fn, _out_handle,
                                         _err]),
    'shmalloc_storage_find': (_status, [_device, _address, _out_handle, _length, _err]),
    'shmalloc_storage_retain': (None, [_handle]),
    'shmalloc_storage_release': (None, [_handle]),
    'shmalloc_storage_close': (_status, [_handle, _err]),
    'shmalloc_storage_data': (c_void_p, [_handle]),
    'shmalloc_storage_address': (_address, [_handle]),
    'shmalloc_storage_size': (c_size_t, [_handle]),
    'shmalloc_storage_get_info': (_status, [_handle, POINTER(StorageInfo), _err]),
    'shmalloc_storage_get_name': (_status, [_handle, c_char_p, _length, _err]),
    'shmalloc_make_name': (_status, [c_char_p, c_char_p, _length, _err]),
    'shmalloc_storage_record_stream': (_status, [_handle, _stream, _err]),
    'shmalloc_storage_pin': (_status, [_handle, c_int32, _out_handle, _length, _err]),
    'shmalloc_storage_unpin': (None, [_handle, c_int32]),
    'shmalloc_storage_copy': (_status, [_handle, c_size_t, _handle, c_size_t, c_size_t, _stream, c_uint32, _err]),
    'shmalloc_storage_share': (_status, [_handle, _handle, _stream, _err]),
    'shmalloc_storage_grow': (_status, [_handle, c_size_t, _stream, _err]),
    'shmalloc_storage_seal': (_status, [_handle, _err]),
    # ipc.h
    'shmalloc_storage_export': (_status, [_handle, POINTER(ExportParams), _bytes, _length, _err]),
    'shmalloc_storage_export_fds': (_status, [_handle, POINTER(ExportParams), POINTER(c_int32), _length, _err]),
    'shmalloc_storage_import': (_status, [_bytes, c_size_t, POINTER(c_int32), c_size_t, POINTER(ImportParams), _out_handle, _err]),
    'shmalloc_storage_revoke': (_status, [_handle, _err]),
    'shmalloc_storage_send': (_status, [c_int32, _out_handle, c_size_t, POINTER(ExportParams), _err]),
    'shmalloc_storage_receive': (_status, [c_int32, POINTER(ImportParams), _out_handle, _length, _err]),
    'shmalloc_handle_to_text': (_status, [_bytes, c_size_t, c_char_p, _length, _err]),
    'shmalloc_handle_from_text': (_status, [c_char_p, _bytes, _length, _err]),
    'shmalloc_handle_get_info': (_status, [_bytes, c_size_t, POINTER(HandleInfo), _err]),
    # channel.h
    'shmalloc_channel_create': (_status, [POINTER(ChannelParams), _out_handle, _err]),
    'shmalloc_channel_open': (_status, [_handle, _out_handle, _err]),
    'shmalloc_channel_retain': (None, [_handle]),
    'shmalloc_channel_release': (None, [_handle]),
    'shmalloc_channel_storage': (_status, [_handle, _out_handle, _err]),
    'shmalloc_channel_send': (_status, [_handle, _handle, _bytes, c_size_t, c_int64, _err]),
    'shmalloc_channel_receive': (_status, [_handle, _out_handle, _bytes, _length, c_int64, _err]),
    'shmalloc_channel_close': (_status, [_handle, _err]),
    'shmalloc_channel_get_info': (_status, [_handle, POINTER(ChannelInfo), _err]),
    # machine.h
    'shmalloc_machine_describe': (_status, [c_char_p, _length, _err]),
    'shmalloc_machine_walk': (_status, [c_char_p, object_fn, c_void_p, _err]),
    'shmalloc_machine_reclaim': (_status, [c_char_p, c_char_p, c_uint32, _number, _number, _err]),
    # trace.h
    'shmalloc_allocator_get_statistics': (_status, [_handle, POINTER(Statistics), _err]),
    'shmalloc_allocator_reset_statistics': (_status, [_handle, c_uint32, _err]),
    'shmalloc_allocator_record_history': (_status, [_handle, POINTER(HistoryParams), _err]),
    'shmalloc_allocator_snapshot': (_status, [_handle, POINTER(SnapshotParams), _handle, _out_handle, _err]),
    # dlpack.h: managed tensors are plain addresses
    'shmalloc_dlpack_export': (_status, [_handle, POINTER(Tensor), _out_handle, _err]),
    'shmalloc_dlpack_export_unversioned': (_status, [_handle, POINTER(Tensor), _out_handle, _err]),
    'shmalloc_dlpack_import': (_status, [c_void_p, POINTER(Tensor), _out_handle, _err]),
    'shmalloc_dlpack_import_unversioned': (_status, [c_void_p, POINTER(Tensor), _out_handle, _err]),
    # torch.h
    'shmalloc_torch_refcount': (_status, [_handle, c_int32, POINTER(c_int32), _err]),
    'shmalloc_torch_manager_run': (_status, [c_char_p, c_int32, _err]),
}

# Contract `Call: leaf`: they keep the GIL, so a finalizer may call them; all others let it go.
LEAF = frozenset({
    'shmalloc_channel_retain', 'shmalloc_channel_storage', 'shmalloc_channel_get_info',
    'shmalloc_version', 'shmalloc_version_string', 'shmalloc_status_name', 'shmalloc_abi_lookup', 'shmalloc_format_size',
    'shmalloc_release_deferred', 'shmalloc_allocator_retain', 'shmalloc_storage_retain', 'shmalloc_storage_data',
    'shmalloc_storage_address', 'shmalloc_storage_size', 'shmalloc_storage_pin', 'shmalloc_storage_unpin',
    'shmalloc_handle_to_text', 'shmalloc_handle_from_text', 'shmalloc_handle_get_info',
})


class Library:
    """The loaded library: an attribute for each function, with its types."""

    def __init__(self, path: str) -> None:
        self.path = path
        released, held = ctypes.CDLL(path), ctypes.PyDLL(path)
        for name, (result, arguments) in FUNCTIONS.items():
            try:
                function = getattr(held if name in LEAF else released, name)
            except AttributeError as error:
                ours = _version_text(CONSTANTS['SHMALLOC_VERSION'])
                raise ImportError(f'{path} has no {name}; this binding is for shmalloc {ours}') from error
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self._check()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f'{self.path} has no {name}')

    def _lookup(self, name: str) -> int | None:
        value = c_int64()
        status = self.shmalloc_abi_lookup(name.encode(), ctypes.byref(value), None)
        return value.value if status == 0 else None

    def _check(self) -> None:
        """Every table above is what the library says about itself. Versions before 1.0 fit when major and minor are the same."""
        ours, theirs = CONSTANTS['SHMALLOC_VERSION'], self.shmalloc_version()
        fits = theirs >= ours and theirs // 1000000 == ours // 1000000 and (ours >= 1000000 or theirs // 1000 == ours // 1000)
        if not fits:
            raise ImportError(f'{self.path} is shmalloc {_version_text(theirs)}; this binding is for {_version_text(ours)}')
        wrong = []
        for name, value in CONSTANTS.items():
            if not name.startswith('SHMALLOC_VERSION') and self._lookup(name) != c_int64(value).value:
                wrong.append(name)
        for name, struct in STRUCTS.items():
            size = self._lookup(f'sizeof({name})')
            if size is None or size < ctypes.sizeof(struct):  # longer: a later version appended fields
                wrong.append(f'sizeof({name})')
            for field, *_ in struct._fields_:
                if self._lookup(f'offsetof({name},{field})') != getattr(struct, field).offset:
                    wrong.append(f'offsetof({name},{field})')
        if wrong:
            raise ImportError(f'{self.path} and this binding differ in {", ".join(wrong)}')


def _version_text(version: int) -> str:
    return f'{version // 1000000}.{version // 1000 % 1000}.{version % 1000}'


def find() -> str:
    """Where the library is: SHMALLOC_LIBRARY, else where the loader finds it, else where ldconfig does."""
    chosen = os.environ.get('SHMALLOC_LIBRARY')
    if chosen:
        return chosen
    try:
        ctypes.CDLL(SONAME)
        return SONAME
    except OSError as error:
        from ctypes.util import find_library  # slow to import, slow to run
        found = find_library('shmalloc')
        if not found:
            raise ImportError(f'{SONAME} can not be loaded ({error}). Install shmalloc, or put the path of the library '
                              'into the environment variable SHMALLOC_LIBRARY') from error
        return found


_lock = threading.Lock()
_loaded: Library | None = None


def library() -> Library:
    """The library, loaded at the first call. ImportError: not found, or not the one that these tables are for."""
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                try:
                    _loaded = Library(find())
                except OSError as error:
                    raise ImportError(f'{find()} can not be loaded: {error}') from error
    return _loaded


S = TypeVar('S', bound=Structure)


def make(struct: Type[S]) -> S:
    """An instance of one of STRUCTS with struct_size set and all else 0: every field's default."""
    value = struct()
    setattr(value, 'struct_size', ctypes.sizeof(struct))
    return value
