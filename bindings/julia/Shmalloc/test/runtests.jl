# All tests of the safe layer, or those that are named: runtests.jl array channel
using Shmalloc
using Shmalloc: info, trim
using Test

include("support.jl")

const FILES = ["storage", "array", "lifetime", "allocator", "adopt", "handles", "sockets", "channel", "machine", "dlpack", "device", "caching", "backend",
               "peers", "distributed"]

@testset "Shmalloc" begin
    @testset "$file" for file in (isempty(ARGS) ? FILES : ARGS)
        include("$file.jl")
        @test leaves_nothing()
    end
end
