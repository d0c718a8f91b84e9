using Sockets

@testset "many in one message ($type)" for type in (1, 5)
    here, there = socketpair(type)
    storages = [Storage(100 + i; isolated=iseven(i)) for i in 1:20]
    send(here, storages)
    send(RawFD(here), storages[1])
    received = receive(there)
    @test map(sizeof, received) == 101:120
    SharedBytes(bytes -> bytes .= 9, received[7])
    @test SharedBytes(bytes -> all(bytes .== 9), storages[7])
    @test map(sizeof, receive(RawFD(there); same_user=true, read_only=true)) == [101]
    @test status(() -> receive(there; timeout=0)) == :TIMEOUT
    @test status(() -> receive(there; timeout=0.01)) == :TIMEOUT
    send(here, storages[1:2])
    @test status(() -> receive(there; room=1)) == :NO_SPACE
    @test length(receive(there; room=2)) == 2
    release(storages[1])
    @test status(() -> send(here, storages[1:3])) == :CLOSED
    shut(here)
    @test status(() -> receive(there)) == :PEER_GONE
    shut(there)
end

@testset "other tasks run meanwhile" begin
    here, there = socketpair(5)
    waiting = @async receive(there)
    beside = @async begin
        yield()
        send(here, Storage(77))
        "ran"
    end
    @test fetch(beside) == "ran" && sizeof(only(fetch(waiting))) == 77
    # Fill the socket: the one who sends waits, too.
    full = @async begin
        sent = 0
        while status(() -> send(here, Storage(1; isolated=true); timeout=0)) === nothing
            sent += 1
        end
        sent
    end
    count = fetch(full)
    @test count > 0
    more = @async send(here, Storage(2))
    sizes = Int[]
    while last(append!(sizes, map(sizeof, receive(there)))) != 2 end
    wait(more)
    @test length(sizes) == count + 1
    shut(here, there)
end

@testset "Julia's own sockets" begin
    folder = mktempdir()
    server = listen(joinpath(folder, "socket"))
    client = connect(joinpath(folder, "socket"))
    accepted = accept(server)
    waiting = @async receive(accepted)
    yield()
    send(client, Storage(55))
    @test sizeof(only(fetch(waiting))) == 55
    close(client)
    @test status(() -> receive(accepted)) == :PEER_GONE
    close(accepted)
    close(server)
end
