@testset "what the library says" begin
    @test Shmalloc.version_number() == Shmalloc.abi_value("SHMALLOC_VERSION")
    version = Shmalloc.library_version()
    @test (version.major * 1000 + version.minor) * 1000 + version.patch == Shmalloc.version_number()
    @test status(() -> Shmalloc.abi_value("nonsense")) == :NOT_FOUND
    @test Shmalloc.format_size(512) == "512 bytes" && Shmalloc.format_size(3 << 30) == "3.00 GiB"
    @test occursin("\"kernel\"", Shmalloc.describe())
    @test startswith(Shmalloc.make_name(PREFIX), "/$(PREFIX)_") && Shmalloc.make_name() != Shmalloc.make_name()
end

@testset "what is shared here" begin
    storage = Storage(5000; allocator=Allocator(:map; prefix=PREFIX), mapped=:sharedmem)
    object = only(Shmalloc.walk(PREFIX))
    @test (object.name, object.size, object.maker, object.refcount) == (Shmalloc.name(storage), 5000, :shmalloc, nothing)
    @test :named in object.state && :locked in object.state && !(:abandoned in object.state) && object.uid == ccall(:getuid, Cuint, ())
    @test status(() -> Shmalloc.reclaim(object.name)) == :BUSY
    @test Shmalloc.reclaim(; prefix=PREFIX, dry_run=true) == (objects=0, bytes=0)
    @test Shmalloc.reclaim(object.name; force=true).objects == 1
    @test status(() -> Shmalloc.reclaim(object.name)) == :NOT_FOUND
    release(storage)
end

@testset "the log" begin
    heard, manager = [], joinpath(mktempdir(), "nobody")
    counted = Storage(100; allocator=Allocator(:map_refcounted; prefix=PREFIX, export_ttl_ms=0))
    # Opening what has a manager that does not answer is worth a line.
    open_it() = release(open(Storage, Vector{UInt8}("$manager\n$(Shmalloc.name(counted))\n100"); format=:torch_file))
    open_it()
    Shmalloc.set_log((level, line) -> push!(heard, (level, line)))
    open_it()
    @test eventually(() -> length(heard) == 1)
    @test heard[1][1] == :warning && occursin(manager, heard[1][2])
    open_it()
    Shmalloc.set_log(nothing)  # hands on what there is
    @test length(heard) == 2
    open_it()
    Shmalloc.set_log((level, line) -> push!(heard, (level, line)), :error)
    open_it()
    Shmalloc.set_log(nothing)
    @test length(heard) == 2
    @test_throws ArgumentError Shmalloc.set_log(println, :loud)
    release(counted)
end

@testset "PyTorch's manager" begin
    path = joinpath(mktempdir(), "manager")
    code = "using Shmalloc; Shmalloc.torch_manager_run(ARGS[1], 0)"
    manager = open(`$JULIA -e $code $path`, "w")
    @test eventually(() -> ispath(path) && status(() -> Shmalloc.torch_manager_run(path, 0)) == :EXISTS)
    counted = Storage(100; allocator=Allocator(:map_refcounted; prefix=PREFIX, manager=path))
    @test Shmalloc.torch_refcount(counted) == 1
    release(counted)
    close(manager)
    @test eventually(() -> process_exited(manager)) && success(manager) && !ispath(path)
end
