//! The words that storages, allocators and devices are described with.
use crate::sys;

enumeration! {
    /// How memory is carved into storages.
    pub enum Kind: i32 {
        /// Of the host the best for sharing that is built in, and nothing may depend on which; of devices `Caching`. Of adopted
        /// memory: none.
        Default = sys::SHMALLOC_ALLOCATOR_KIND_DEFAULT,
        /// One private allocation a storage, which [`Storage::share`](crate::Storage::share) moves.
        Direct = sys::SHMALLOC_ALLOCATOR_KIND_DIRECT,
        /// One mapping a storage: memfd, POSIX shm object, file, descriptor, huge pages.
        Map = sys::SHMALLOC_ALLOCATOR_KIND_MAP,
        /// A POSIX shm object that begins with PyTorch's 64 bytes of reference count.
        MapRefcounted = sys::SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED,
        /// Many storages in few large segments.
        Shared = sys::SHMALLOC_ALLOCATOR_KIND_SHARED,
        /// Of devices: blocks of few segments, which serve again in the order of their streams.
        Caching = sys::SHMALLOC_ALLOCATOR_KIND_CACHING,
    }
}

enumeration! {
    /// What a range of bytes is used for.
    pub enum Access: i32 {
        /// Whatever the memory allows.
        Default = sys::SHMALLOC_ACCESS_DEFAULT,
        /// Reading.
        Read = sys::SHMALLOC_ACCESS_READ,
        /// Writing, reading included.
        Write = sys::SHMALLOC_ACCESS_WRITE,
    }
}

enumeration! {
    /// What the bytes of a handle are.
    pub enum Format: i32 {
        /// Ours: self-describing, versioned, checksummed.
        Native = sys::SHMALLOC_HANDLE_FORMAT_NATIVE,
        /// PyTorch's file_descriptor strategy: the size in decimal; a descriptor goes with it.
        TorchFd = sys::SHMALLOC_HANDLE_FORMAT_TORCH_FD,
        /// PyTorch's file_system strategy: manager, name and size, a line each. Kind `MapRefcounted` only.
        TorchFile = sys::SHMALLOC_HANDLE_FORMAT_TORCH_FILE,
    }
}

enumeration! {
    /// How a receiver gets at the memory of a handle.
    pub enum Route: i32 {
        /// Only with the descriptor.
        Descriptor = sys::SHMALLOC_HANDLE_ROUTE_DESCRIPTOR,
        /// By the name of a POSIX shm object.
        Shm = sys::SHMALLOC_HANDLE_ROUTE_SHM,
        /// By a path.
        File = sys::SHMALLOC_HANDLE_ROUTE_FILE,
        /// Through the exporter's descriptor table, while it lives and where the system allows.
        Process = sys::SHMALLOC_HANDLE_ROUTE_PROCESS,
        /// There is nothing to get at: the storage has no bytes.
        Empty = sys::SHMALLOC_HANDLE_ROUTE_EMPTY,
    }
}

flags! {
    /// What a storage is now.
    pub struct State {
        /// Another process could map it.
        SHARED = sys::SHMALLOC_STORAGE_STATE_SHARED,
        /// It came by import or receive.
        IMPORTED = sys::SHMALLOC_STORAGE_STATE_IMPORTED,
        /// It can't be written here.
        READ_ONLY = sys::SHMALLOC_STORAGE_STATE_READ_ONLY,
        /// Nobody can shrink it. Whoever touches memory that a peer cut short gets SIGBUS.
        SEALED = sys::SHMALLOC_STORAGE_STATE_SEALED,
        /// Nobody can get to write it who does not already.
        WRITE_SEALED = sys::SHMALLOC_STORAGE_STATE_WRITE_SEALED,
        /// Nobody writes it any more, ever.
        IMMUTABLE = sys::SHMALLOC_STORAGE_STATE_IMMUTABLE,
        /// It was closed.
        CLOSED = sys::SHMALLOC_STORAGE_STATE_CLOSED,
        /// Inherited by fork: the process that made it owns it.
        FORKED = sys::SHMALLOC_STORAGE_STATE_FORKED,
    }
}

flags! {
    /// What a storage of kind `Map` or `MapRefcounted` is mapped from; without any a new nameless object. Two that contradict are
    /// `Invalid` and named; `shmalloc/storage.h` has the rules.
    pub struct Mapped {
        /// The file of the name; writes reach it.
        SHARED = sys::SHMALLOC_MAPPED_SHARED,
        /// The POSIX shm object of the name; a new unguessable name when there is none.
        SHAREDMEM = sys::SHMALLOC_MAPPED_SHAREDMEM,
        /// The name must not exist.
        EXCLUSIVE = sys::SHMALLOC_MAPPED_EXCLUSIVE,
        /// The name must exist.
        NOCREATE = sys::SHMALLOC_MAPPED_NOCREATE,
        /// Keep the descriptor.
        KEEPFD = sys::SHMALLOC_MAPPED_KEEPFD,
        /// The object behind a descriptor.
        FROMFD = sys::SHMALLOC_MAPPED_FROMFD,
        /// Remove the name once it is mapped.
        UNLINK = sys::SHMALLOC_MAPPED_UNLINK,
        /// What is too short is `NoSpace`, never extended.
        NO_GROW = sys::SHMALLOC_MAPPED_NO_GROW,
        /// Open and map for reading only.
        READ_ONLY = sys::SHMALLOC_MAPPED_READ_ONLY,
        /// A new nameless object that can't shrink.
        MEMFD = sys::SHMALLOC_MAPPED_MEMFD,
        /// A new nameless object in huge pages.
        HUGETLB = sys::SHMALLOC_MAPPED_HUGETLB,
    }
}

flags! {
    /// What a device or an allocator can do.
    pub struct Capability {
        /// The host reads and writes the memory.
        HOST_ACCESS = sys::SHMALLOC_CAPABILITY_HOST_ACCESS,
        /// Another process can open its storages, given their descriptors.
        EXPORT = sys::SHMALLOC_CAPABILITY_EXPORT,
        /// .. or given plain bytes.
        EXPORT_BYTES = sys::SHMALLOC_CAPABILITY_EXPORT_BYTES,
        /// .. such that the receiver can't write.
        READ_ONLY = sys::SHMALLOC_CAPABILITY_READ_ONLY,
        /// Its storages can grow.
        GROW = sys::SHMALLOC_CAPABILITY_GROW,
        /// Pages larger than the usual ones are to be had now.
        HUGE_PAGES = sys::SHMALLOC_CAPABILITY_HUGE_PAGES,
        /// Streams and events; memory is given, used and given back in their order.
        STREAMS = sys::SHMALLOC_CAPABILITY_STREAMS,
        /// Closures as work on a stream.
        CALL = sys::SHMALLOC_CAPABILITY_CALL,
        /// Its streams can be captured.
        CAPTURE = sys::SHMALLOC_CAPABILITY_CAPTURE,
        /// Other devices of its type may be allowed to use its memory.
        PEERS = sys::SHMALLOC_CAPABILITY_PEERS,
        /// Addresses and memory can be had apart.
        VIRTUAL = sys::SHMALLOC_CAPABILITY_VIRTUAL,
    }
}
