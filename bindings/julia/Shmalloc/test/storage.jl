@testset "what it is" begin
    storage = Storage(1000; zeroed=true)
    about = info(storage)
    @test (sizeof(storage), about.size, about.kind, about.state) == (1000, 1000, :shared, [:shared])
    @test Shmalloc.address(storage) == UInt(pointer(storage)) == UInt(about.data) != 0
    @test Shmalloc.isshared(storage) && isopen(storage)
    found, offset = Shmalloc.storage_at(pointer(storage) + 10)
    @test (info(found).id, offset) == (about.id, 10)
    @test occursin("1000", repr(storage))
    @test sizeof(Storage(0)) == 0 && pointer(Storage(0)) == C_NULL
    @test status(() -> Shmalloc.storage_at(C_NULL)) == :NOT_FOUND
    @test Shmalloc.name(storage) === nothing
end

@testset "release and close" begin
    storage = Storage(100)
    again = Shmalloc.retain(storage)
    release(storage)
    release(storage)
    @test !isopen(storage) && isopen(again)
    @test occursin("released", repr(storage))
    for use in (sizeof, pointer, info, export_bytes, seal, SharedBytes, Shmalloc.retain)
        @test status(() -> use(storage)) == :CLOSED
    end
    third = Shmalloc.retain(again)
    close(again)
    @test (sizeof(third), pointer(third)) == (0, C_NULL)
    @test :closed in info(third).state && !isopen(third)
    close(again)
    close(storage)
    inside = Storage(100) do given
        @test isopen(given)
        given
    end
    @test !isopen(inside)
end

@testset "options" begin
    @test info(Storage(100; isolated=true)).fd >= 0 && info(Storage(100)).fd == -1  # a descriptor of its own
    growing = Storage(100; capacity=1 << 16)
    SharedBytes(bytes -> bytes .= 1, growing)
    Shmalloc.grow!(growing, 5000)
    @test sizeof(growing) == 5000 && SharedBytes(bytes -> count(iszero, bytes), growing) == 4900
    @test status(() -> Shmalloc.grow!(growing, 1 << 20)) == :NO_SPACE
    @test info(Storage(100; alignment=4096)).address % 4096 == 0

    name = "/$PREFIX-named"
    named = Storage(100; name=name, mapped=(:sharedmem, :exclusive), mode=0o640)
    @test Shmalloc.name(named) == name && filemode("/dev/shm$name") & 0o777 == 0o640
    @test status(() -> Storage(100; name=name, mapped=(:sharedmem, :exclusive))) == :EXISTS
    release(named)
    @test isempty(names())

    path, io = mktemp()
    write(io, "0123456789")
    flush(io)
    of_file = Storage(0; fd=RawFD(fd(io)), mapped=:shared)
    @test SharedBytes(bytes -> String(Vector(bytes)), of_file) == "0123456789"
    SharedBytes(bytes -> bytes[1] = UInt8('x'), of_file)
    @test read(path, String) == "x123456789"
    close(of_file)
    close(io)

    @test_throws ArgumentError Storage(100; mapped=:nonsense)
    @test status(() -> Storage(100; mapped=(:shared, :sharedmem), name="x")) == :INVALID
    @test_throws ArgumentError Storage(100; name="a\0b")
    @test_throws InexactError Storage(-1)
end

@testset "errors" begin
    problem = try
        Storage(10; name="/$PREFIX-none", mapped=(:sharedmem, :nocreate))
    catch problem
        problem
    end
    @test problem.status == :NOT_FOUND && problem.os_error == Base.Libc.ENOENT && problem.backend_error == 0
    @test occursin(PREFIX, problem.message) && occursin("NOT_FOUND", sprint(showerror, problem))
    @test Shmalloc.status_name(-12) == "STALE" && Shmalloc.status_name(-1000) == "UNKNOWN"
    @test Shmalloc.isstatus(problem, :NOT_FOUND) && !Shmalloc.isstatus(ErrorException(""), :NOT_FOUND)
end

@testset "copy, share, seal" begin
    from, to = Storage(100), Storage(100)
    SharedBytes(bytes -> copyto!(bytes, pattern(100, 1)), from)
    @test copyto!(to, from) === to
    @test SharedBytes(Vector, to) == pattern(100, 1)
    copyto!(to, from; size=10, offset=50, source_offset=1)
    @test SharedBytes(bytes -> bytes[51:60], to) == pattern(11, 1)[2:end]
    @test status(() -> copyto!(to, Storage(99))) == :INVALID

    private = Storage(100; allocator=Allocator(:direct))
    SharedBytes(bytes -> bytes .= 7, private)
    @test !Shmalloc.isshared(private) && status(() -> export_bytes(private)) == :UNSUPPORTED
    array = SharedBytes(private)
    @test status(() -> share!(private)) == :BUSY
    close(array)
    @test share!(private) === private && Shmalloc.isshared(private)
    @test SharedBytes(bytes -> all(bytes .== 7), private)
    other = Storage(100; allocator=Allocator(:direct))
    @test info(share!(other; to=Allocator(:map))).kind == :map

    @test status(() -> seal(from)) == :UNSUPPORTED
    isolated = Storage(100; isolated=true)
    writing = SharedBytes(isolated)
    @test status(() -> seal(isolated)) == :BUSY
    close(writing)
    seal(isolated)
    @test :immutable in info(isolated).state
    @test status(() -> SharedBytes(isolated)) == :PERMISSION
    @test sizeof(ReadOnlyStorageArray(isolated)) == 100
end
