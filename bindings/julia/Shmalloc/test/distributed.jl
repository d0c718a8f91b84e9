# Workers get the handle, not the data.
using Distributed, Serialization

"What `serialize` writes, and what `deserialize` makes of it."
function passed_on(thing)
    io = IOBuffer()
    serialize(io, thing)
    written = position(io)
    seekstart(io)
    return deserialize(io), written
end

@testset "within one process" begin
    array = StorageArray{Float64}(undef, 100, 1000)
    array .= 1
    other, written = passed_on(array)
    @test written < 2000 && other isa StorageArray{Float64,2} && size(other) == (100, 1000)
    other[3, 4] = 2
    @test array[3, 4] == 2
    close(array)
    reading, _ = passed_on(ReadOnlyStorageArray{Float64}(Storage(other), 5; offset=8))
    @test reading isa ReadOnlyStorageArray{Float64,1} && Shmalloc.byteoffset(reading) == 8 && :read_only in info(Storage(reading)).state
    storage = Storage(100)
    (first, second, marker), _ = passed_on((storage, storage, "after"))
    @test first === second && first !== storage && marker == "after"
    sealed = Storage(100; isolated=true)
    seal(sealed)
    @test :immutable in info(passed_on(sealed)[1]).state
    @test status(() -> passed_on(Storage(10; allocator=Allocator(:direct)))) == :UNSUPPORTED
end

workers_here = addprocs(2; exeflags="--startup-file=no")
try
    @everywhere workers_here using Shmalloc

    @testset "workers see the same memory" begin
        array = StorageArray{Int64}(undef, 100)
        array .= 0
        first, second = workers_here
        remotecall_wait(a -> (a[1:50] .= 1; nothing), first, array)
        remotecall_wait(a -> (a[51:100] .= 2; nothing), second, array)
        @test array == [fill(1, 50); fill(2, 50)]
        @test pmap(i -> (array[i] = 10i), WorkerPool(workers_here), 1:20) == 10:10:200
        @test array[1:20] == 10:10:200
    end

    @testset "what a worker made and dropped stays good for the time of its export" begin
        made = remotecall_fetch(first(workers_here)) do
            a = StorageArray{Float64}(undef, 1000)
            a .= 3
            a
        end
        @test sum(made) == 3000
        @test remotecall_fetch(a -> sum(a), last(workers_here), made) == 3000
        Shmalloc.serialized_ttl[] = 0
        @test remotecall_fetch(a -> sum(a), last(workers_here), made) == 3000  # it is held here meanwhile
        Shmalloc.serialized_ttl[] = nothing
    end

    @testset "channels go too" begin
        channel = StorageChannel()
        future = @spawnat first(workers_here) [SharedBytes(sum, storage) for (storage, _) in channel]
        for i in 1:3
            Storage(storage -> (SharedBytes(bytes -> bytes .= i, storage); send(channel, storage)), 10)
        end
        close(channel)
        @test fetch(future) == [10, 20, 30]
    end
finally
    rmprocs(workers_here)
end
