@testset "devices" begin
    about = info(Device())
    @test about.device == Device() == Device(:host, 0) == Device(0)
    @test about.total > about.page_size >= 4096 && :host_access in about.capabilities && !(:streams in about.capabilities)
    @test UInt64(Device(:cuda, 1)) == 2 << 32 | 1 && Device(2 << 32 | 1) == Device(:cuda, 1)
    @test (Shmalloc.device_type(Device(:cuda, 3)), Shmalloc.device_index(Device(:cuda, 3))) == (:cuda, 3)
    @test repr(Device(:cuda, 1)) == "Device(:cuda, 1)"
    @test issubset([:host_access, :streams, :call], info(HERE).capabilities)
    @test Shmalloc.device_count(:host_streams) == info(HERE).count == 64 && Shmalloc.device_count(:vulkan) == 0
    @test Shmalloc.device_count(:cuda) >= 0
    @test status(() -> info(Device(:vulkan))) == :UNSUPPORTED
    @test status(() -> info(Device(:host_streams, 64))) == status(() -> info(Device(:host, 1))) == :NOT_FOUND
    @test status(() -> wait(Device())) == :UNSUPPORTED
    @test wait(HERE) === nothing && Shmalloc.enable_peer(HERE, Device(:host_streams, 1)) === nothing
    @test status(() -> Shmalloc.enable_peer(HERE, Device(:vulkan))) == :UNSUPPORTED
    @test_throws ArgumentError Device(:nonsense)
    @test_throws InexactError Device(:cuda, -1)
end

@testset "$type" for type in (DeviceStream, DeviceEvent)
    thing = type(HERE)
    @test Shmalloc.device(thing) == HERE && isopen(thing) && UInt64(thing) != 0
    @test occursin("Device(:host_streams, 0)", repr(thing))
    foreign = type(HERE, UInt64(thing))
    @test UInt64(foreign) == UInt64(thing) && UInt64(type(HERE, Ptr{Cvoid}(16))) == 16
    close(foreign)
    @test !isopen(foreign) && wait(thing) === nothing  # it was somebody else's
    again = type(HERE, UInt64(thing))
    close(thing)
    close(thing)
    @test !isopen(thing) && occursin("closed", repr(thing))
    @test status(() -> UInt64(thing)) == status(() -> wait(thing)) == :CLOSED
    @test status(() -> wait(again)) == :INVALID
    inside = type(given -> (wait(given); given), HERE)
    @test !isopen(inside)
    @test status(() -> type(Device(:vulkan))) == :UNSUPPORTED && status(() -> type(Device())) == :UNSUPPORTED
    @test_throws ArgumentError Shmalloc.Serialization.serialize(IOBuffer(), foreign)
    late = type(HERE)
    close(late)
    @test status(() -> (Shmalloc.enter(late); close(late))) == :CLOSED
end

@testset "what is in use is closed by its last user" begin
    stream = DeviceStream(HERE)
    number = UInt64(stream)
    Shmalloc.held(stream) do _
        close(stream)
        @test !isopen(stream) && wait(DeviceStream(HERE, number)) === nothing
    end
    @test status(() -> wait(DeviceStream(HERE, number))) == :INVALID
end

@noinline numbers_of_dropped() = (UInt64(DeviceStream(HERE)), UInt64(DeviceEvent(HERE)))

@testset "what is dropped goes at the next call" begin
    stream, event = numbers_of_dropped()
    GC.gc()
    @test wait(DeviceStream(HERE, stream)) === nothing
    trim(; what=:deferred)
    @test status(() -> wait(DeviceStream(HERE, stream))) == status(() -> wait(DeviceEvent(HERE, event))) == :INVALID
end

@testset "order" begin
    first, second, event = DeviceStream(HERE), DeviceStream(HERE), DeviceEvent(HERE)
    from, middle, to = pattern(1000, 1), zeros(UInt8, 1000), zeros(UInt8, 1000)
    GC.@preserve from middle to gated(first) do open_gate
        @test isready(event)  # it was never recorded
        Shmalloc.unsafe_copy(HERE, pointer(middle), pointer(from), 1000; stream=first)
        Shmalloc.record(event, first)
        Shmalloc.wait_for(second, event)
        Shmalloc.unsafe_copy(HERE, pointer(to), pointer(middle), 1000; stream=UInt64(second))
        Shmalloc.unsafe_fill(HERE, pointer(to), 7, 10; stream=second)
        @test !isready(event) && iszero(middle)
        # Who waits lets others run: here the one that opens the gate.
        waiting = [@async(wait(event)), @async(wait(first)), @async(wait(second))]
        yield()
        @test !any(istaskdone, waiting) && iszero(to)
        open_gate()
        foreach(wait, waiting)
        @test isready(event) && to == [fill(0x07, 10); from[11:end]]
        Shmalloc.record(event)  # on the default stream
        wait(event)
    end
    @test status(() -> Shmalloc.unsafe_fill(HERE, pointer(to), 256, 10)) == :INVALID
    @test status(() -> Shmalloc.unsafe_copy(HERE, 0, pointer(from), 10)) == :INVALID
    @test status(() -> Shmalloc.record(event, DeviceStream(ELSEWHERE))) == :INVALID
    @test status(() -> Shmalloc.wait_for(DeviceStream(ELSEWHERE), event)) == :INVALID
    @test status(() -> Shmalloc.call(first, C_NULL)) == :INVALID
    foreach(close, (first, second, event))
    @test status(() -> Shmalloc.record(event, second)) == :CLOSED
end

@testset "a device's work is waited for" begin
    DeviceStream(HERE) do stream
        target = zeros(UInt8, 1 << 20)
        GC.@preserve target for value in 1:20
            Shmalloc.unsafe_fill(HERE, pointer(target), value, length(target); stream=stream)
            wait(HERE)
            @test all(==(value), target)
        end
    end
end

@testset "threads" begin
    @test Threads.nthreads() > 1
    function work(seed)
        from, middle, to = pattern(5000, seed), zeros(UInt8, 5000), zeros(UInt8, 5000)
        wrong = 0
        DeviceStream(HERE) do first
            DeviceStream(HERE) do second
                GC.@preserve from middle to for _ in 1:100
                    fill!(to, 0)
                    DeviceEvent(HERE) do event
                        Shmalloc.unsafe_copy(HERE, pointer(middle), pointer(from), 5000; stream=first)
                        Shmalloc.record(event, first)
                        Shmalloc.wait_for(second, event)
                        Shmalloc.unsafe_copy(HERE, pointer(to), pointer(middle), 5000; stream=second)
                        wait(second)
                    end
                    wrong += to != from
                end
            end
        end
        return wrong
    end
    @test sum(fetch, [Threads.@spawn(work(seed)) for seed in 1:4]) == 0
end

@testset "storages" begin
    allocator, stream = Allocator(; device=HERE), DeviceStream(HERE)
    @test info(allocator).kind == :caching && Shmalloc.device(allocator) == HERE
    host = Storage(1000; allocator=Allocator(:direct))  # nobody else can cut it short, so a copy need not wait
    SharedBytes(bytes -> copyto!(bytes, pattern(1000, 3)), host)
    storage = Storage(1000; allocator=allocator, stream=stream)
    @test Shmalloc.device(storage) == HERE && Shmalloc.device(host) == Device() && Shmalloc.address(storage) != 0
    found, offset = Shmalloc.storage_at(Shmalloc.address(storage) + 5, HERE)
    @test (info(found).id, offset) == (info(storage).id, 5)
    gated(stream) do open_gate
        copyto!(storage, host; stream=stream, non_blocking=true)
        @test info(host).pins == 1  # until the copy is done
        open_gate()
    end
    @test SharedBytes(Vector, storage) == pattern(1000, 3) && eventually(() -> info(host).pins == 0)
    copyto!(host, storage; size=10, offset=20, source_offset=1, stream=stream)
    @test SharedBytes(bytes -> bytes[21:30], host) == pattern(11, 3)[2:11]
    StorageArray{Int64}(values -> (values .= 1:10; @test sum(values) == 55), Storage(80; allocator=allocator, zeroed=true))
    @test status(() -> copyto!(storage, storage; size=10, offset=5)) == :INVALID
    @test status(() -> copyto!(storage, host; stream=1 << 40)) == :INVALID

    # What another stream uses comes back when that has passed.
    other = DeviceStream(HERE)
    gated(other) do open_gate
        Shmalloc.record_stream(storage, other)
        address = Shmalloc.address(storage)
        foreach(release, (found, storage))
        @test Shmalloc.address(Storage(1000; allocator=allocator, stream=stream)) != address
        open_gate()
        wait(other)
        @test Storage(again -> Shmalloc.address(again) != address, 1000; allocator=allocator)  # of the default stream
        @test eventually(() -> Storage(again -> Shmalloc.address(again) == address, 1000; allocator=allocator, stream=stream))
    end
    @test status(() -> Shmalloc.record_stream(host, stream)) === nothing
    @test status(() -> Shmalloc.record_stream(storage, stream)) == :CLOSED

    of_somebody = pattern(100, 1)
    adopted = adopt(pointer(of_somebody), 100, of_somebody; device=HERE, stream=stream)
    @test Shmalloc.device(adopted) == HERE && SharedBytes(Vector, adopted) == of_somebody
    closed = DeviceStream(HERE, 0)
    close(closed)
    before = length(Shmalloc.kept)
    @test status(() -> adopt(pointer(of_somebody), 100, of_somebody; device=HERE, stream=closed)) == :CLOSED
    @test_throws InexactError adopt(pointer(of_somebody), -1, of_somebody)
    @test length(Shmalloc.kept) == before
    @test info(Shmalloc.current_allocator(HERE)).kind == :caching
    foreach(release, (adopted, host))
    GC.gc()
    trim(allocator)
    foreach(close, (stream, other))
end

# Stream 0 is everybody's, so nothing but the device can be wrong.
@testset "a stream of another device" begin
    allocator, wrong, right = Allocator(; device=HERE), DeviceStream(ELSEWHERE, 0), DeviceStream(HERE, 0)
    @test Shmalloc.device(allocator) == Shmalloc.device(Shmalloc.retain(allocator)) == HERE
    @test Shmalloc.device(Shmalloc.current_allocator(HERE)) == info(Shmalloc.current_allocator(HERE)).device == HERE
    host, storage = Storage(100; stream=wrong), Storage(100; allocator=allocator, stream=right)  # the host looks at none
    address, bytes = Shmalloc.allocate(allocator, 100; stream=right), pattern(100, 1)
    GC.@preserve bytes begin
        place = pointer(bytes)
        uses(stream) = (() -> Storage(100; allocator=allocator, stream=stream), () -> Storage(100; allocator=allocator, zeroed=true, stream=stream),
                        () -> Shmalloc.record_stream(storage, stream), () -> copyto!(storage, host; stream=stream),
                        () -> copyto!(host, storage; stream=stream), () -> copyto!(storage, Storage(100; allocator=allocator); stream=stream),
                        () -> adopt(place, 100, bytes; device=HERE, stream=stream), () -> Shmalloc.unsafe_copy(HERE, place, place, 0; stream=stream),
                        () -> Shmalloc.unsafe_fill(HERE, place, 1, 100; stream=stream), () -> Shmalloc.allocate(allocator, 0; stream=stream),
                        () -> Shmalloc.record_stream(allocator, address, stream), () -> Shmalloc.deallocate(allocator, address; stream=stream))
        @test all(use -> status(use) == :INVALID, uses(wrong))
        @test all(use -> status(use) === nothing, uses(right))
        for change in (stream -> share!(storage; stream=stream), stream -> Shmalloc.grow!(storage, 100; stream=stream))
            @test status(() -> change(wrong)) == :INVALID && status(() -> change(right)) != :INVALID
        end
        @test status(() -> copyto!(host, Storage(100); stream=wrong)) === nothing
        @test status(() -> Shmalloc.record_stream(host, wrong)) === nothing
        @test status(() -> adopt(bytes; stream=wrong)) === nothing
    end
    # Its device is looked at before its number, which may be anybody's.
    DeviceStream(ELSEWHERE) do stream
        @test status(() -> Storage(100; allocator=allocator, stream=stream)) == :INVALID
        close(stream)
        @test status(() -> copyto!(host, Storage(100); stream=stream)) == :CLOSED
    end
    foreach(release, (host, storage, allocator))
    wait(HERE)
    GC.gc()
end
