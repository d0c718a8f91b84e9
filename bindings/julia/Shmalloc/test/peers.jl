# Real second processes: the programs of the test matrix and the demo, and what is left when one is killed.

@testset "a peer" begin
    peer = Peer()
    told(peer, "make", "a", "shared", 10000, 3)
    text = told(peer, "text", "a")
    storage = open(Storage, text)
    @test SharedBytes(Vector, storage) == pattern(10000, 3)
    SharedBytes(bytes -> copyto!(bytes, pattern(10000, 4)), storage)
    @test ask(peer, "check", "a", 4) == "ok" && ask(peer, "check", "a", 3) == "bad 0"
    told(peer, "fill", "a", 5)
    @test SharedBytes(bytes -> bytes[end], storage) == expected(9999, 5)

    @test told(peer, "open", "b", export_text(storage)) == "10000"
    for kind in ("direct", "map", "map_refcounted", "isolated")
        told(peer, "make", kind, kind, 100, 1)
    end
    @test startswith(ask(peer, "text", "direct"), "error UNSUPPORTED ")
    told(peer, "share", "direct")
    @test SharedBytes(Vector, open(Storage, told(peer, "text", "direct"))) == pattern(100, 1)
    foreach(name -> told(peer, "release", name), ("b", "map", "isolated"))
    @test startswith(ask(peer, "release", "b"), "error UNKNOWN ") && startswith(ask(peer, "nonsense"), "error UNKNOWN ")
    @test startswith(ask(peer, "open", "c", "nonsense"), "error CORRUPT ")
    for op in ("version", "create", "import", "view", "send")
        @test parse(Int, told(peer, "time", op, 10)) > 0
    end
    @test stop(peer)
end

@testset "a peer at the other end of a socket" begin
    here, there = socketpair(5)
    peer = Peer()
    shut(there)
    told(peer, "make", "a", "shared", 100, 1)
    told(peer, "make", "b", "isolated", 200, 2)
    told(peer, "send", there, "a", "b")
    a, b = receive(here)
    @test (SharedBytes(Vector, a), SharedBytes(Vector, b)) == (pattern(100, 1), pattern(200, 2))
    mine = Storage(300)
    SharedBytes(bytes -> copyto!(bytes, pattern(300, 9)), mine)
    send(here, [a, mine])
    told(peer, "receive", there, "c", "d")
    @test ask(peer, "check", "c", 1) == ask(peer, "check", "d", 9) == "ok"
    send(here, mine)
    @test startswith(ask(peer, "receive", there, "e", "f"), "error UNKNOWN ")
    @test stop(peer)
    shut(here)
end

@testset "a peer that is killed" begin
    peer = Peer()
    told(peer, "make", "a", "shared", 1000, 7)
    told(peer, "make", "alone", "isolated", 1000, 7)
    told(peer, "make", "named", "map_refcounted", 1000, 7)
    alone = told(peer, "text", "alone")
    storage, named = open(Storage, told(peer, "text", "a")), open(Storage, told(peer, "text", "named"))
    name = Shmalloc.name(named)
    murder(peer.process)
    @test SharedBytes(Vector, storage) == pattern(1000, 7)  # who has it keeps it
    @test status(() -> open(Storage, alone)) == :PEER_GONE
    @test status(() -> Shmalloc.reclaim(name)) == :BUSY
    release(named)
    @test Shmalloc.reclaim(name).objects == 1 && !ispath("/dev/shm$name")
end

"A consumer that is ready."
function consumer(channel)
    process = open(pipeline(`$JULIA $(joinpath(PROGRAMS, "consumer.jl")) $(export_text(Storage(channel)))`; stderr=stderr))
    @test readline(process) == "ready"
    return process
end

function send_piece(channel, number, words, sum)
    Storage(8 * length(words)) do piece
        StorageArray{UInt64}(bytes -> copyto!(bytes, words), piece)
        send(channel, piece, reinterpret(UInt8, UInt64[number, 8 * length(words), sum]))
    end
end

@testset "the demo's consumer" begin
    channel = StorageChannel(4)
    process = consumer(channel)
    for number in 1:50
        words = rand(UInt64, 10 + number)
        send_piece(channel, number, words, sum(words))
    end
    close(channel)
    @test readline(process) == "Julia: 50 pieces, $(8 * sum(11:60)) bytes, all as sent"
    wait(process)
    @test success(process)

    channel = StorageChannel()
    process = consumer(channel)
    send_piece(channel, 1, UInt64[1, 2], 4)
    @test readline(process) == "Julia: piece 1 is not as sent"
    wait(process)
    @test process.exitcode == 1
end

@testset "a consumer that is killed" begin
    channel = StorageChannel()
    process = consumer(channel)
    @test info(channel).attached == 2
    waiting = @async status(() -> receive(channel))
    yield()
    murder(process)
    @test fetch(waiting) == :PEER_GONE
end
