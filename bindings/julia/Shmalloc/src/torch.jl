# What only those who talk to PyTorch processes need. Storages go to and from PyTorch by the formats :torch_fd and :torch_file.

"    torch_refcount(storage, change=0)\n\nPyTorch's count of a `:map_refcounted` storage, after `change` was added to it."
function torch_refcount(storage::Storage, change::Integer=0)
    count = Ref{Int32}(0)
    held(pointer -> attempt(err -> shmalloc_torch_refcount(pointer, change, count, err)), storage.reference)
    return Int(count[])
end

"""
    torch_manager_run(path, stop)

Answer PyTorch's torch_shm_manager protocol on the unix socket `path` until the descriptor `stop` becomes readable or its other end is closed. All of Julia
stands still meanwhile, so give it a process of its own, with a pipe as its standard input: `open(`julia -e 'using Shmalloc;
Shmalloc.torch_manager_run("/run/manager", 0)'`, "w")`, to be closed in the end.
"""
function torch_manager_run(path::AbstractString, stop::SocketLike)
    socket, fd = text_in(path), descriptor(stop)
    attempt(err -> shmalloc_torch_manager_run(socket, fd, err))
end
