"""
Storages that the processes and languages of a machine share: one buffer, seen by several processes, without copying.

    using Shmalloc

    storage = Storage(1 << 20)
    array = StorageArray{Float64}(storage)         # the bytes themselves, as an array
    array .= 1.5
    text = export_text(storage)                    # for JSON, a command line, a variable

    # in another process:
    storage = open(Storage, text)
    sum(StorageArray{Float64}(storage))

`Device`, `DeviceStream` and `DeviceEvent` are for memory of devices, and `Allocator(; device=..)` makes storages there.
"""
module Shmalloc

using FileWatching: poll_fd
using LibShmalloc
using Serialization: Serialization, AbstractSerializer
import Sockets: send

# Every constant, function and struct is known here by its C name.
for name in names(LibShmalloc; all=true)
    startswith(lowercase(string(name)), "shmalloc_") && @eval using LibShmalloc: $name
end
using LibShmalloc: DLManagedTensor, DLManagedTensorVersioned, libshmalloc

export Allocator, Device, DeviceEvent, DeviceStream, ReadOnlyStorageArray, SharedBytes, ShmallocError, Storage, StorageArray, StorageChannel
export adopt, export_bytes, export_fds, export_text, receive, release, seal, send, share!

include("words.jl")
include("errors.jl")
include("reference.jl")
include("waiting.jl")
include("list.jl")
include("device.jl")
include("stream.jl")
include("allocator.jl")
include("trace.jl")
include("handles.jl")
include("storage.jl")
include("adopt.jl")
include("caching.jl")
include("observer.jl")
include("backend.jl")
include("array.jl")
include("sockets.jl")
include("channel.jl")
include("machine.jl")
include("log.jl")
include("torch.jl")
include("dlpack.jl")
include("serialize.jl")

end
