# Nothing that the garbage collector finds is in use, and all of it goes back.

@noinline make(allocator, count) = foreach(_ -> SharedBytes(Storage(100; allocator=allocator))[1] = 1, 1:count)

@testset "what is dropped goes at the next call" begin
    allocator = Allocator(:map)
    make(allocator, 10)
    GC.gc()
    trim(; what=:deferred)
    @test info(allocator).live_storages == 0
end

@noinline kept_view(allocator) = view(SharedBytes(Storage(100; allocator=allocator)), 10:20)

@testset "what is made of an array holds it" begin
    allocator = Allocator(:map)
    part = kept_view(allocator)
    GC.gc()
    trim(; what=:deferred)
    part .= 5
    @test info(allocator).live_storages == 1 && sum(part) == 55
end

@testset "an allocator outlives its object" begin
    storage = Storage(100; allocator=Allocator(:map))
    GC.gc()
    trim()
    @test info(storage).allocator_id > 0 && SharedBytes(bytes -> length(bytes), storage) == 100
end

"Use a storage until it is released. What else happens is an error."
function use(storage)
    try
        for _ in 1:300
            info(storage), sizeof(storage)
            SharedBytes(bytes -> bytes[1] = 1, storage)
        end
    catch problem
        Shmalloc.isstatus(problem, :CLOSED) || rethrow()
    end
end

@testset "threads release under each other" begin
    @test Threads.nthreads() > 1
    allocator = Allocator(:map)
    for _ in 1:20
        storage = Storage(4096; allocator=allocator)
        users = [Threads.@spawn(use(storage)) for _ in 1:3]
        sizeof(storage)
        release(storage)
        foreach(fetch, users)
    end
    GC.gc()
    trim(; what=:deferred)
    @test info(allocator).live_storages == 0
end

@testset "a release ends no wait" begin
    channel = StorageChannel()
    other = open(StorageChannel, export_bytes(Storage(channel)))
    waiting = @async receive(channel)
    yield()
    release(channel)
    @test status(() -> send(channel, nothing)) == :CLOSED
    send(other, nothing, "still")
    @test fetch(waiting) == (nothing, b"still")
end

@testset "a second process ends cleanly with everything alive" begin
    code = """using Shmalloc; Shmalloc.set_log((level, line) -> println(line)); s = Storage(100; name="/$PREFIX-exit", mapped=:sharedmem)
              a = SharedBytes(s); c = StorageChannel(); k = Shmalloc.adopt(zeros(10)); b = SharedBytes(k)"""
    @test read(`$JULIA -e $code`, String) == "" && isempty(names())
end
