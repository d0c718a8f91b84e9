@testset "kinds and settings" begin
    allocator = Allocator(:map; name="mine", export_ttl_ms=5, mode=0o640, populate=true)
    about = info(allocator)
    @test (about.name, about.kind, about.live_storages) == ("mine", :map, 0) && :export in about.capabilities
    @test Shmalloc.configuration(allocator, :mode) == "0640" && Shmalloc.configuration(allocator, :populate) == "1"
    Shmalloc.configure!(allocator; export_ttl_ms=7)
    Shmalloc.configure!(allocator, "numa_node:-1"; populate=false)
    @test occursin("export_ttl_ms:7", Shmalloc.configuration(allocator))
    @test status(() -> Shmalloc.configure!(allocator; nonsense=1)) == :INVALID
    @test status(() -> Shmalloc.configuration(allocator, "nonsense")) == :NOT_FOUND
    @test_throws ArgumentError Allocator(:nonsense)
    @test status(() -> Allocator(99)) == :UNSUPPORTED
    again = Shmalloc.retain(allocator)
    release(allocator)
    @test status(() -> info(allocator)) == :CLOSED && info(again).id == about.id
    @test occursin("released", repr(allocator)) && occursin(":map", repr(again))
end

@testset "the current one" begin
    code = """using Shmalloc; mine = Allocator(:map; name="mine"); Shmalloc.current_allocator!(mine)
              print(Shmalloc.info(Shmalloc.current_allocator()).name, Shmalloc.info(Storage(10)).kind)"""
    @test read(`$JULIA -e $code`, String) == "minemap"
    @test Shmalloc.info(nothing).kind == :shared
    held = Storage(100)
    @test status(() -> Shmalloc.current_allocator!(Allocator(:map))) == :BUSY
    release(held)
end

@testset "what it did" begin
    allocator = Allocator(:map)
    Shmalloc.record_history!(allocator; max_entries=100)
    storage = Storage(5000; allocator=allocator)
    release(Storage(100; allocator=allocator))
    counts = Shmalloc.statistics(allocator)
    @test counts[:allocation].all == (current=1, peak=2, allocated=2, freed=1)
    @test counts[:requested_bytes].small_pool.current == 5000 && counts[:num_ooms] == 0
    Shmalloc.reset_statistics!(allocator; what=(:peaks, :accumulated))
    @test Shmalloc.statistics(allocator)[:allocation].all == (current=1, peak=1, allocated=0, freed=0)
    text = Shmalloc.snapshot(allocator)
    @test occursin("\"device_traces\"", text) && occursin("\"alloc\"", text) && occursin("5000", text)
    Shmalloc.record_history!(allocator, false; clear=true)
    @test !occursin("\"alloc\"", Shmalloc.snapshot(allocator))
    shared = Shmalloc.snapshot_storage(allocator; to=Allocator(:map))
    @test Shmalloc.isshared(shared)
    @test trim(allocator; what=(:expired, :free)) >= 0
end
