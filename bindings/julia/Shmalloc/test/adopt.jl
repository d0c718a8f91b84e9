let_go = Ref(false)
@noinline function adopted()
    array = zeros(10)
    finalizer(_ -> let_go[] = true, array)
    return adopt(array), pointer(array)
end

@testset "an array's own memory" begin
    storage, start = adopted()
    GC.gc()
    @test pointer(storage) == Ptr{UInt8}(start) && sizeof(storage) == 80
    values = StorageArray{Float64}(storage)
    values .= 1:10
    release(storage)
    GC.gc()
    @test sum(values) == 55 && unsafe_load(start, 10) == 10 && !let_go[]
    close(values)
    trim(; what=:deferred)
    GC.gc()
    @test let_go[]

    array = collect(1.0:10)
    StorageArray{Float64}(values -> values .*= 2, adopt(array))
    @test array == 2:2:20
end

@testset "it can not move" begin
    array = collect(1:10)
    storage = adopt(array)
    if VERSION < v"1.11"
        @test_throws ErrorException resize!(array, 100_000)
    else
        resize!(array, 100_000)
        @test StorageArray{Int}(copy, storage) == 1:10
    end
end

@testset "and what else" begin
    private = adopt([1, 2, 3])
    @test !Shmalloc.isshared(private)
    share!(private)
    @test !([1, 2, 3] in map(vec, values(Shmalloc.kept)))  # its bytes are elsewhere now
    @test StorageArray{Int}(copy, open(Storage, export_bytes(private))) == [1, 2, 3]
    reading = adopt([1.0]; read_only=true)
    @test status(() -> SharedBytes(reading)) == :PERMISSION
    @test_throws ArgumentError adopt(["text"])
    owner = Ref(UInt64(0x0102030405060708))
    @test SharedBytes(copy, adopt(Base.unsafe_convert(Ptr{UInt64}, owner), 8, owner)) == reverse(1:8)
    storages = [adopt([i]) for i in 1:100]
    @test length(Shmalloc.kept) >= 100
    foreach(release, storages)
end
