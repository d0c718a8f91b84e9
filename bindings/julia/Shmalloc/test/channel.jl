@testset "storages come with their records" begin
    channel, storage = StorageChannel(), Storage(1000)
    SharedBytes(bytes -> bytes[1:5] = b"hello", storage)
    send(channel, storage, b"what it is")
    send(channel, nothing, "alone")
    send(channel, storage)
    about = info(channel)
    @test (about.length, about.capacity, about.record_size, about.attached, about.state) == (3, 256, 32, 1, [])
    received, record = receive(channel)
    @test SharedBytes(bytes -> String(bytes[1:5]), received) == "hello" && record == b"what it is"
    @test receive(channel) == (nothing, b"alone")
    @test sizeof(receive(channel; timeout=0)[1]) == 1000
    @test Shmalloc.try_receive(channel) === nothing
    @test status(() -> receive(channel; timeout=0)) == status(() -> receive(channel; timeout=0.02)) == :TIMEOUT
    @test status(() -> send(channel, nothing, zeros(UInt8, 33))) == :INVALID
    @test status(() -> send(channel, Storage(10; isolated=true))) == :UNSUPPORTED
    again = Shmalloc.retain(channel)
    release(channel)
    @test status(() -> receive(channel)) == :CLOSED && isopen(again) && occursin("0/256", repr(again))
end

@testset "limits" begin
    @test status(() -> StorageChannel(65537)) == status(() -> StorageChannel(; record_size=4097)) == :INVALID
    channel = StorageChannel(3; record_size=0)
    @test (info(channel).capacity, info(channel).record_size) == (4, 0)
    @test all(Shmalloc.try_send(channel, nothing) for _ in 1:4) && !Shmalloc.try_send(channel, nothing)
    @test status(() -> send(channel, nothing; timeout=0.01)) == :TIMEOUT
    @test status(() -> StorageChannel(Storage(10))) == :CORRUPT
end

@testset "iteration until it is closed and empty" begin
    channel = StorageChannel()
    foreach(i -> send(channel, nothing, UInt8[i]), 1:3)
    close(channel)
    @test !isopen(channel) && status(() -> send(channel, nothing)) == :CLOSED
    @test [only(record) for (_, record) in channel] == 1:3
    @test isempty(collect(channel)) && occursin("closed", repr(channel))
end

@testset "other tasks run while one waits" begin
    channel = StorageChannel(2)
    answers = @async [only(record) for (_, record) in channel]
    counted = Ref(0)
    counting = @async while !istaskdone(answers)
        counted[] += 1
        yield()
    end
    for i in 1:50
        send(channel, nothing, UInt8[i])
    end
    @test eventually(() -> counted[] > 100)  # with a receiver that has nothing to receive
    sleep(0.01)
    close(channel)
    @test fetch(answers) == 1:50
    wait(counting)
end

@testset "the garbage collector runs while a thread waits" begin
    channel = StorageChannel()
    waiting = Threads.@spawn receive(channel)
    for _ in 1:5
        GC.gc()
    end
    send(channel, nothing, "here")
    @test fetch(waiting) == (nothing, b"here")
end
