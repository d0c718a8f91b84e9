# The tables of raw.jl against what the library says of itself.
using LibShmalloc
using LibShmalloc: CONSTANTS, FUNCTIONS, STRUCTS, libshmalloc
using Libdl
using Test

"What the library says, or its status."
function lookup(name)
    value = Ref{Int64}()
    status = LibShmalloc.shmalloc_abi_lookup(name, value, C_NULL)
    return status == LibShmalloc.SHMALLOC_STATUS_OK ? value[] : status
end

"Size and offsets of a struct, by the names that C has for them."
c_names(T) = ["sizeof($(nameof(T)))" => sizeof(T);
              ["offsetof($(nameof(T)),$field)" => fieldoffset(T, i) for (i, field) in enumerate(fieldnames(T))]]

"A Julia that only loads the package: did it work, and what did it say?"
function load(setting...)
    said = IOBuffer()
    code = "using LibShmalloc; println(LibShmalloc.shmalloc_version())"
    process = run(pipeline(ignorestatus(addenv(`$(Base.julia_cmd()) --startup-file=no -e $code`, setting...)); stdout=said, stderr=said))
    return success(process), String(take!(said))
end

addenv(command, settings...) = setenv(command, merge(Dict(pairs(ENV)), Dict(settings...)))

@testset "LibShmalloc" begin
    @testset "constants" begin
        @test length(CONSTANTS) > 100
        for (name, value) in CONSTANTS
            @test (name, lookup(name)) == (name, value % Int64)
        end
        @test lookup("SHMALLOC_NO_SUCH_NAME") == LibShmalloc.SHMALLOC_STATUS_NOT_FOUND
    end

    @testset "structs" begin
        @test length(STRUCTS) > 10
        for T in STRUCTS, (name, value) in c_names(T)
            @test (name, lookup(name)) == (name, Int(value))
        end
    end

    @testset "functions" begin
        @test length(FUNCTIONS) > 60
        library = dlopen(libshmalloc)
        for name in FUNCTIONS
            @test (name, dlsym(library, name; throw_error=false) === nothing) == (name, false)
            @test isdefined(LibShmalloc, name)
        end
        @test dlsym(library, :shmalloc_no_such_function; throw_error=false) === nothing
    end

    @testset "versions" begin
        compatible = LibShmalloc.compatible
        @test LibShmalloc.shmalloc_version() == LibShmalloc.SHMALLOC_VERSION
        @test compatible(LibShmalloc.SHMALLOC_VERSION) && compatible(LibShmalloc.SHMALLOC_VERSION + 1)
        @test !compatible(LibShmalloc.SHMALLOC_VERSION + 1_000) && !compatible(LibShmalloc.SHMALLOC_VERSION + 1_000_000)
        @test !compatible(0)
    end

    @testset "where the library is" begin
        elsewhere = "LD_LIBRARY_PATH" => replace(get(ENV, "LD_LIBRARY_PATH", ""), dirname(dlpath(libshmalloc)) => "/nowhere")
        found, said = load(elsewhere, "SHMALLOC_LIBRARY" => realpath(dlpath(libshmalloc)))
        @test (found, said) == (true, "$(LibShmalloc.SHMALLOC_VERSION)\n")
        found, said = load("SHMALLOC_LIBRARY" => "/nowhere/libshmalloc.so")
        @test !found && occursin("SHMALLOC_LIBRARY says /nowhere/libshmalloc.so", said)
        found, said = load("SHMALLOC_LIBRARY" => dlpath("libc.so.6"))
        @test !found && occursin("which is no $libshmalloc", said)
    end
end
