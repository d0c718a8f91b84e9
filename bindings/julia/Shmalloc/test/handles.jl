@testset "bytes and text" begin
    storage = Storage(100)
    SharedBytes(bytes -> bytes .= 1, storage)
    handle, text = export_bytes(storage), export_text(storage)
    @test Shmalloc.handle_from_text(Shmalloc.handle_to_text(handle)) == handle && occursin(r"^shmalloc1:[\w-]+$", text)
    @test SharedBytes(sum, open(Storage, handle)) == SharedBytes(sum, open(Storage, text)) == 100
    @test open(other -> SharedBytes(bytes -> bytes[1] = 2, other), Storage, text) == 2
    @test SharedBytes(sum, storage) == 101
    about = Shmalloc.handle_info(handle)
    @test (about.size, about.kind, about.read_only, about.pid) == (100, :shared, false, getpid())
    @test about.identity == Shmalloc.handle_info(text).identity
    @test status(() -> open(Storage, "nonsense")) == :CORRUPT
    @test status(() -> open(Storage, handle[1:end-1])) == :CORRUPT
    @test status(() -> Shmalloc.handle_info(UInt8[])) == :CORRUPT
    @test status(() -> open(Storage, "shmalloc1:" * "A"^1000)) == :CORRUPT
end

@testset "how long they are good" begin
    storage = Storage(100)
    handle = export_bytes(storage)
    Shmalloc.revoke(storage)
    @test status(() -> open(Storage, handle)) == :STALE
    gone, kept = export_bytes(storage; ttl=0), Storage(100)
    release(storage)
    @test status(() -> open(Storage, gone)) == :STALE
    lingering = export_bytes(kept; ttl=Inf)
    release(kept)
    @test sizeof(open(Storage, lingering)) == 100
    open(close, Storage, lingering)
end

@testset "read-only, and by descriptors" begin
    storage = Storage(100; isolated=true)
    reader = open(Storage, export_bytes(storage; read_only=true))
    @test :read_only in info(reader).state && Shmalloc.handle_info(export_bytes(reader; read_only=true)).read_only
    @test status(() -> export_bytes(reader)) == :PERMISSION
    handle, fds = export_bytes(storage; descriptor=true, read_only=true), export_fds(storage; read_only=true)
    @test length(fds) == 1 && length(export_fds(Storage(0))) == 0
    @test sizeof(open(Storage, handle; fds=fds)) == 100
    @test status(() -> open(Storage, handle; fds=[fds; fds])) == :INVALID
    shut(map(fd -> reinterpret(Cint, fd), fds)...)
end

@testset "PyTorch's counts" begin
    counted = Storage(100; allocator=Allocator(:map_refcounted; prefix=PREFIX, export_ttl_ms=0))
    @test Shmalloc.torch_refcount(counted) == 1 && Shmalloc.torch_refcount(counted, 2) == 3
    handle = export_bytes(counted; format=:torch_file)
    @test occursin(PREFIX, String(copy(handle)))
    again = open(Storage, handle; format=:torch_file)
    @test Shmalloc.torch_refcount(again) == 4
    release(again)
    @test Shmalloc.torch_refcount(counted, -2) == 1
    @test status(() -> Shmalloc.torch_refcount(Storage(1))) == :UNSUPPORTED
    release(counted)
end
