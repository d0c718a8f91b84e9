# What several tests need.

const PROGRAMS = joinpath(@__DIR__, "..", "..", "programs")
const JULIA = `$(Base.julia_cmd()) --startup-file=no`
const LIMIT = 60  # seconds after which a test that waits for a fact has failed

# No export outlives what it exports, so that nothing is left when a test is over.
Shmalloc.configure!(nothing; export_ttl_ms=0)

"Wait for a fact."
function eventually(fact)
    begun = time()
    while time() - begun < LIMIT
        fact() && return true
        sleep(0.01)
    end
    return false
end

"The status of the ShmallocError that `f` throws; `nothing` if it throws none."
function status(f)
    try
        f()
    catch problem
        problem isa ShmallocError || rethrow()
        return problem.status
    end
    return nothing
end

"What this process has in /dev/shm under its own prefix."
const PREFIX = "julia-test-$(getpid())"
names() = filter(name -> occursin(PREFIX, name), readdir("/dev/shm"))

"After the garbage collector: nothing is held, and no name stays."
function leaves_nothing()
    GC.gc()
    trim()
    return isempty(names()) && isempty(Shmalloc.kept)
end

"A Julia process of the program peer.jl, which does what `ask` says."
struct Peer
    process::Base.Process
end
Peer() = Peer(open(pipeline(`$JULIA $(joinpath(PROGRAMS, "peer.jl"))`; stderr=stderr), "r+"))

"One command, and its answer."
function ask(peer::Peer, words...)
    println(peer.process, join(words, ' '))
    return readline(peer.process)
end

"The same for a command that must do; what it answers beside ok."
function told(peer::Peer, words...)
    answer = ask(peer, words...)
    startswith(answer, "ok") || error("$(join(words, ' ')): $answer")
    return strip(answer[3:end])
end

function stop(peer::Peer)
    told(peer, "quit")
    close(peer.process.in)
    wait(peer.process)
    return success(peer.process)
end

"SIGKILL, and wait until it is gone."
function murder(process::Base.Process)
    kill(process, Base.SIGKILL)
    wait(process)
end

"Two ends of a unix socket, which children inherit: SOCK_STREAM 1, SOCK_SEQPACKET 5."
function socketpair(type)
    ends = Ref{NTuple{2,Cint}}()
    systemerror("socketpair", ccall(:socketpair, Cint, (Cint, Cint, Cint, Ptr{Cvoid}), 1, type, 0, ends) != 0)
    return ends[]
end
shut(fds...) = foreach(fd -> ccall(:close, Cint, (Cint,), fd), fds)

expected(i, seed) = (7i + seed) % UInt8
pattern(size, seed) = [expected(i, seed) for i in 0:size-1]

# A device that every machine has.
const HERE = Device(:host_streams)
const ELSEWHERE = Device(:host_streams, 1)

"Nothing that is queued on the stream is done until `f` calls what it gets."
function gated(f, stream)
    gate = Libc.calloc(1, 64)
    opened = Ref(false)
    open_gate() = opened[] || (opened[] = true; ccall(:sem_post, Cint, (Ptr{Cvoid},), gate))
    ccall(:sem_init, Cint, (Ptr{Cvoid}, Cint, Cuint), gate, 0, 0)
    Shmalloc.call(stream, cglobal(:sem_wait), gate)
    try
        f(open_gate)
    finally
        open_gate()
        wait(stream)
        Libc.free(gate)
    end
end
