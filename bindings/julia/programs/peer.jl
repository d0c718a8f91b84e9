# A process that does what it is told: commands as lines on its standard input, one answer each on its standard output.
# Run with the folder of the packages in JULIA_LOAD_PATH. What there is to say stands at the functions named `command`.
using Shmalloc

const storages = Dict{String,Storage}()
const allocators = Dict{String,Allocator}()

"Asked for a command that there is not, or for a storage that nobody made."
struct Misuse <: Exception
    message::String
end

held(name) = get(() -> throw(Misuse("there is no $name")), storages, name)

"Byte `i`, from 0, of a pattern."
expected(i, seed) = (7i + seed) % UInt8

function fill!(storage, seed)
    SharedBytes(storage) do bytes
        for i in eachindex(bytes)
            @inbounds bytes[i] = expected(i - 1, seed)
        end
    end
end

"Index of the first byte that is not as the pattern says, or nothing."
first_bad(storage, seed) = ReadOnlyStorageArray{UInt8}(storage) do bytes
    for i in eachindex(bytes)
        @inbounds bytes[i] == expected(i - 1, seed) || return i - 1
    end
    return nothing
end

"make NAME KIND SIZE SEED: of an allocator that lives as long as this process"
function command(::Val{:make}, name, kind, size, seed)
    isolated = kind == "isolated"
    allocator = get!(() -> Allocator(isolated ? :shared : Symbol(kind)), allocators, kind)
    storages[name] = isolated ? Storage(parse(Int, size); allocator=allocator, isolated=true) : Storage(parse(Int, size); allocator=allocator)
    fill!(storages[name], parse(Int, seed))
end

"share NAME: makes a private storage shareable"
command(::Val{:share}, name) = share!(held(name))

"text NAME: its handle"
command(::Val{:text}, name) = export_text(held(name); ttl=0)

"open NAME TEXT: imports it, and tells its size"
function command(::Val{:open}, name, text)
    storages[name] = open(Storage, text)
    return sizeof(storages[name])
end

"send FD NAME..: in one message"
command(::Val{:send}, fd, names...) = send(parse(Int, fd), Storage[held(name) for name in names]; ttl=0)

"receive FD NAME..: of one message"
function command(::Val{:receive}, fd, names...)
    received = receive(parse(Int, fd))
    length(received) == length(names) || throw(Misuse("$(length(received)) storages came"))
    merge!(storages, Dict(zip(names, received)))
end

"check NAME SEED: compares every byte"
function command(::Val{:check}, name, seed)
    bad = first_bad(held(name), parse(Int, seed))
    return bad === nothing ? nothing : Answer("bad $bad")
end

"fill NAME SEED: writes the pattern"
command(::Val{:fill}, name, seed) = fill!(held(name), parse(Int, seed))

"release NAME: gives it back at once"
function command(::Val{:release}, name)
    release(held(name))
    delete!(storages, name)
end

"time OP N: nanoseconds of N times OP. One goes before them, for Julia compiles what is called first."
function command(::Val{:time}, op, count)
    work, clear = operation(Val(Symbol(op)))
    try
        repeat(work, 1)
        return repeat(work, parse(Int, count))
    finally
        clear()
    end
end

command(::Val, _words...) = throw(Misuse("no such command"))

"A whole answer."
struct Answer
    line::String
end

answer(result::Union{Integer,AbstractString}) = "ok $result"
answer(_result) = "ok"
answer(whole::Answer) = whole.line

@noinline function repeat(work::F, count) where {F}
    begun = time_ns()
    for _ in 1:count
        work()
    end
    return time_ns() - begun
end

# What is timed, and how to clear up after it.

operation(::Val{:version}) = (Shmalloc.version_number, () -> nothing)
operation(::Val{:create}) = (() -> release(Storage(4096)), () -> nothing)

function operation(::Val{:import})
    storage = Storage(4096)
    handle = export_bytes(storage)
    return () -> release(open(Storage, handle)), () -> release(storage)
end

function operation(::Val{:view})
    storage = Storage(4096)
    return () -> SharedBytes(bytes -> bytes[1] = 0x01, storage), () -> release(storage)
end

function operation(::Val{:send})
    storage, channel = Storage(4096), StorageChannel()
    function work()
        send(channel, storage)
        received, _ = receive(channel)
        release(received)
    end
    return work, () -> (release(channel); release(storage))
end

operation(::Val) = throw(Misuse("no such operation"))

"The answer to one command."
function reply(words)
    try
        isempty(words) && throw(Misuse("an empty line"))
        return answer(command(Val(Symbol(words[1])), words[2:end]...))
    catch problem
        return failure(problem)
    end
end

"What went wrong, on one line."
function failure(problem)
    status = problem isa ShmallocError ? problem.status : :UNKNOWN
    message = problem isa Union{ShmallocError,Misuse} ? problem.message : sprint(showerror, problem)
    return "error $status " * replace(message, '\n' => ' ')
end

"Until the end of the input, or until the last command."
function serve()
    for line in eachline()
        line == "quit" && return quit()
        println(reply(split(line)))
        flush(stdout)
    end
end

function quit()
    foreach(release, values(storages))
    foreach(release, values(allocators))
    println("ok")
end

serve()
