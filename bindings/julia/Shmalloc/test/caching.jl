using Shmalloc: allocate, cache_info, configuration, configure_caching!, deallocate

@testset "memory by address" begin
    allocator, stream = Allocator(:caching; device=HERE), DeviceStream(HERE)
    address = allocate(allocator, 1000; stream=stream)
    @test address % 512 == 0 && allocate(allocator, 0) == 0
    segment = Shmalloc.base(allocator, address)
    @test segment.address <= address && address + 1000 <= segment.address + segment.size
    @test status(() -> Shmalloc.base(allocator, address + 1)) == :NOT_FOUND
    deallocate(allocator, address)
    deallocate(allocator, 0)
    @test status(() -> deallocate(allocator, address)) == :NOT_FOUND
    @test status(() -> Shmalloc.record_stream(allocator, address, 0)) == :NOT_FOUND
    @test cache_info(allocator).cached == segment.size && cache_info(allocator).largest > 0
    @test cache_info(allocator).available <= cache_info(allocator).total
    @test allocate(allocator, 1000; stream=stream) == address  # what was given back on this stream

    DeviceStream(HERE) do other
        gated(other) do open_gate
            Shmalloc.record_stream(allocator, address, other)
            deallocate(allocator, address; stream=stream)
            second = allocate(allocator, 1000; stream=stream)
            @test second != address
            deallocate(allocator, second; stream=other)  # noted by this
            third = allocate(allocator, 1000; stream=stream)
            @test !(third in (address, second))
            deallocate(allocator, Ptr{Cvoid}(third))
        end
    end
    @test status(() -> allocate(allocator, typemax(UInt))) == :NO_MEMORY
    @test trim(allocator) == segment.size && cache_info(allocator).cached == 0
    close(stream)
end

@testset "other kinds have none of it" begin
    other = Allocator(:map)
    for use in (() -> allocate(other, 10), () -> deallocate(other, 4096), () -> Shmalloc.record_stream(other, 4096, 0), () -> Shmalloc.base(other, 4096),
                () -> cache_info(other), () -> configure_caching!(other; roundup_divisions=4), () -> Shmalloc.observe(identity, other))
        @test status(use) == :UNSUPPORTED
    end
    @test status(() -> Allocator(:caching)) == :UNSUPPORTED  # the host's
    @test status(() -> Allocator(:map; device=HERE)) == :UNSUPPORTED
end

@testset "settings by fields" begin
    allocator, mib = Allocator(; device=HERE), 1 << 20
    configure_caching!(allocator; max_split_size=64mib, max_non_split_rounding=30mib, garbage_collection_threshold=0.8, per_process_memory_fraction=0.5)
    @test [configuration(allocator, key) for key in (:max_split_size_mb, :max_non_split_rounding_mb)] == ["64", "30"]
    @test parse(Float64, configuration(allocator, :garbage_collection_threshold)) == 0.8
    @test parse(Float64, configuration(allocator, :per_process_memory_fraction)) == 0.5
    before = configuration(allocator)
    configure_caching!(allocator)
    @test configuration(allocator) == before
    configure_caching!(allocator; max_split_size=Inf, large_segment_size=30mib, garbage_collection_threshold=0)
    @test configuration(allocator, :max_split_size_mb) == "unlimited" && configuration(allocator, :large_segment_size_mb) == "30"
    @test configuration(allocator, :max_non_split_rounding_mb) == "30" && parse(Float64, configuration(allocator, :garbage_collection_threshold)) == 0
    configure_caching!(allocator; roundup_divisions=8)
    @test occursin("1:8,", configuration(allocator, :roundup_power2_divisions))
    configure_caching!(allocator; roundup_divisions=[2, 4, 0])
    @test occursin("1:2,2:4,4:0,8:8,", configuration(allocator, :roundup_power2_divisions))
    before = configuration(allocator)
    @test status(() -> configure_caching!(allocator; large_segment_size=20mib, roundup_divisions=3)) == :INVALID
    @test status(() -> configure_caching!(allocator; large_segment_size=mib)) == :INVALID
    @test configuration(allocator) == before
    @test_throws ArgumentError configure_caching!(allocator; per_process_memory_fraction=1.5)
    @test_throws ArgumentError configure_caching!(allocator; max_split_size=0)
    @test_throws ArgumentError configure_caching!(allocator; roundup_divisions=ones(Int, 17))
    @test_throws InexactError configure_caching!(allocator; large_segment_size=0.5)
end

"An allocator that may have so many bytes of its device, about."
function limited(bytes)
    allocator = Allocator(; device=HERE)
    configure_caching!(allocator; per_process_memory_fraction=bytes / cache_info(allocator).total)
    return allocator
end

# It ends with the allocator.
@noinline forgotten_observer() = (Shmalloc.observe(identity, limited(0)); nothing)

@testset "observers" begin
    allocator, heard = limited(0), []
    observer = Shmalloc.observe(notice -> push!(heard, notice), allocator, :out_of_memory)
    @test isopen(observer)
    GC.gc()
    @test status(() -> allocate(allocator, 5000; stream=0)) == :NO_MEMORY
    notice = only(heard)
    @test (notice.kind, notice.device, notice.requested, notice.limit) == (:out_of_memory, HERE, 5000, 0)
    @test notice.allocator_id == info(allocator).id && notice.rounded >= 5000 && notice.allocated == notice.reserved == 0
    @test !isempty(notice.report)
    close(observer)
    close(observer)
    @test !isopen(observer) && status(() -> allocate(allocator, 5000)) == :NO_MEMORY && length(heard) == 1
    @test isempty(Shmalloc.kept)  # the function is not held any more

    @test status(() -> Shmalloc.observe(identity, allocator, ())) == :INVALID
    @test_throws ArgumentError Shmalloc.observe(identity, allocator, :nonsense)
    many = [Shmalloc.observe(identity, allocator) for _ in 1:16]
    @test status(() -> Shmalloc.observe(identity, allocator)) == :NO_SPACE
    foreach(close, many)
    trim(; what=:deferred)
    @test isempty(Shmalloc.kept)
    release(allocator)
    forgotten_observer()
    GC.gc()
    trim(; what=:deferred)
    trim(; what=:deferred)  # the first one ended it, and was done with looking then
    @test isempty(Shmalloc.kept)
end

@testset "memory is given back when it is low" begin
    allocator, mib = limited(50 << 20), 1 << 20
    first, answers = Ref(allocate(allocator, 30mib)), []
    observer = Shmalloc.observe(allocator, :memory_low) do notice
        push!(answers, notice.requested)
        given = first[] != 0
        given && deallocate(allocator, first[])
        first[] = 0
        return given
    end
    second = allocate(allocator, 30mib)
    @test answers[1] == 30mib && first[] == 0 && second != 0
    @test status(() -> allocate(allocator, 30mib)) == :NO_MEMORY
    close(observer)
    deallocate(allocator, second)
end

@testset "an observer that fails" begin
    allocator, logger = limited(0), Test.TestLogger()
    observer = Shmalloc.observe(_ -> error("this one"), allocator, :out_of_memory)
    Base.CoreLogging.with_logger(logger) do
        @test status(() -> allocate(allocator, 5000)) == :NO_MEMORY
    end
    @test eventually(() -> length(logger.logs) == 1) && logger.logs[1].kwargs[:exception][1] == ErrorException("this one")
    close(observer)
    itself, answer = Ref{Any}(nothing), Ref{Any}(nothing)
    itself[] = Shmalloc.observe(_ -> answer[] = status(() -> close(itself[])), allocator, :out_of_memory)
    @test status(() -> allocate(allocator, 5000)) == :NO_MEMORY && answer[] == :BUSY && isopen(itself[])
    close(itself[])
end

@testset "an observer is taken off while it is called" begin
    @test Threads.nthreads() > 1
    allocator = limited(0)
    for _ in 1:(Threads.nthreads() > 1 ? 10 : 0)
        called, closing = Threads.Atomic{Bool}(false), Threads.Atomic{Bool}(false)
        observer = Shmalloc.observe(allocator, :out_of_memory) do _
            called[] = true
            while !closing[]
                GC.safepoint()
            end
            foreach(_ -> GC.gc(false), 1:20)  # who waits for this call's end must not be waited for
        end
        failing = Threads.@spawn status(() -> allocate(allocator, 5000))
        while !called[]
            GC.safepoint()  # and no yield: another thread has to take it
        end
        closing[] = true
        close(observer)
        @test fetch(failing) == :NO_MEMORY
    end
end
