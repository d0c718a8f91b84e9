# A device in Julia: memory of the C library's that the host is said to have no access to, and no streams.

mutable struct Toy
    out::Int          # blocks that are not given back
    answer::Int32     # of allocate
end
toy(userdata) = unsafe_pointer_to_objref(userdata)::Toy

function toy_allocate(size::UInt64, out::Ptr{UInt64}, userdata::Ptr{Cvoid})
    toy(userdata).answer == 0 || return toy(userdata).answer
    toy(userdata).out += 1
    unsafe_store!(out, UInt64(Libc.malloc(size)))
    return Int32(0)
end
function toy_deallocate(address::UInt64, _size::UInt64, userdata::Ptr{Cvoid})
    toy(userdata).out -= 1
    Libc.free(Ptr{Cvoid}(address))
    return Int32(0)
end
function toy_copy(to::UInt64, from::UInt64, size::UInt64, _stream::UInt64, _userdata::Ptr{Cvoid})
    unsafe_copyto!(Ptr{UInt8}(to), Ptr{UInt8}(from), size)
    return Int32(0)
end

toy_table() = (allocate=@cfunction(toy_allocate, Int32, (UInt64, Ptr{UInt64}, Ptr{Cvoid})),
               deallocate=@cfunction(toy_deallocate, Int32, (UInt64, UInt64, Ptr{Cvoid})),
               copy=@cfunction(toy_copy, Int32, (UInt64, UInt64, UInt64, UInt64, Ptr{Cvoid})))

@noinline register_toy(answer) = (it = Toy(0, answer);
                                  Shmalloc.register_device("toy"; toy_table()..., userdata=pointer_from_objref(it), owner=it, alignment=16))

@testset "a device of one's own" begin
    device = register_toy(0)
    GC.gc()
    owner = Shmalloc.owners[device][2]
    about = info(device)
    @test (about.name, about.total, about.count) == ("toy", nothing, 1) && isempty(about.capabilities)
    @test Shmalloc.device_type(device) == :custom
    allocator = Allocator(; device=device)
    host, storage = Storage(1000), Storage(1000; allocator=allocator)
    SharedBytes(bytes -> copyto!(bytes, pattern(1000, 5)), host)
    @test owner.out == 1 && Shmalloc.cache_info(allocator).total === nothing
    copyto!(storage, host)
    back = Storage(1000; zeroed=true)
    copyto!(back, storage)
    @test SharedBytes(Vector, back) == pattern(1000, 5)

    # What the host can't touch has no array, and no address for it.
    @test pointer(storage) == C_NULL && Shmalloc.address(storage) != 0 && sizeof(storage) == 1000
    @test status(() -> SharedBytes(storage)) == status(() -> ReadOnlyStorageArray(storage)) == :UNSUPPORTED
    @test info(storage).pins == 0
    @test Storage(empty -> SharedBytes(length, empty), 0; allocator=allocator) == 0

    @test wait(device) === nothing && wait(DeviceStream(device, 0)) === nothing
    @test DeviceEvent(event -> (Shmalloc.record(event); wait(event); isready(event)), device)
    @test status(() -> DeviceStream(device)) == :UNSUPPORTED && status(() -> wait(DeviceStream(device, 1))) == :INVALID
    @test status(() -> Shmalloc.call(DeviceStream(device, 0), cglobal(:sem_post))) == :UNSUPPORTED
    @test status(() -> Shmalloc.unregister_device(device)) == :BUSY && haskey(Shmalloc.owners, device)
    foreach(release, (storage, host, back))
    trim(allocator)
    @test owner.out == 0
    release(allocator)
    GC.gc()
    Shmalloc.unregister_device(device)
    @test !haskey(Shmalloc.owners, device)
    @test status(() -> info(device)) == status(() -> Shmalloc.unregister_device(device)) == :NOT_FOUND
end

@testset "a device that fails" begin
    for (answer, expected) in (-2 => (:NO_MEMORY, 0), 42 => (:BACKEND, 42))
        device = register_toy(answer)
        allocator = Allocator(; device=device)
        problem = try
            Storage(1000; allocator=allocator)
        catch problem
            problem
        end
        @test (problem.status, problem.backend_error) == expected
        release(allocator)
        Shmalloc.unregister_device(device)
    end
end

@testset "what is no device" begin
    before, table = length(Shmalloc.owners), toy_table()
    ended = Libc.calloc(1, 64)
    ends() = ccall(:sem_trywait, Cint, (Ptr{Cvoid},), ended) == 0
    options = (userdata=ended, destroy=cglobal(:sem_post))
    @test status(() -> Shmalloc.register_device(""; table..., options...)) == :INVALID && ends() && !ends()
    @test status(() -> Shmalloc.register_device("half"; table..., event_create=table.allocate, options...)) == :INVALID && ends()
    @test_throws ArgumentError Shmalloc.register_device("toy"; table..., nonsense=C_NULL, options...)
    @test_throws UndefKeywordError Shmalloc.register_device("toy"; allocate=table.allocate)
    @test_throws ArgumentError Shmalloc.register_device("a\0b"; table...)
    @test length(Shmalloc.owners) == before && !ends()
    device = Shmalloc.register_device("accessible"; table..., host_access=true, options...)
    @test :host_access in info(device).capabilities && !ends()
    Shmalloc.unregister_device(device)
    @test ends()
    Libc.free(ended)
    @test status(() -> Shmalloc.unregister_device(HERE)) == :NOT_FOUND
end
