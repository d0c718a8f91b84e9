using LinearAlgebra

@testset "an array like others" begin
    storage = Storage(800; zeroed=true)
    matrix = StorageArray{Float64}(storage, 10, 10)
    @test matrix isa DenseArray{Float64,2} && size(matrix) == (10, 10) && strides(matrix) == (1, 10)
    @test sizeof(matrix) == 800 && Base.elsize(typeof(matrix)) == 8 && pointer(matrix) == Ptr{Float64}(pointer(storage))
    matrix[2, 3] = 5
    @test matrix[22] == 5.0 && sum(matrix) == 5
    matrix .= reshape(1:100, 10, 10)
    @test matrix == reshape(1:100, 10, 10) && matrix[:, 2] == 11:20
    @test similar(matrix) isa Matrix{Float64} && matrix .+ 1 isa Matrix{Float64}
    @test matrix * matrix ≈ Matrix(matrix) * Matrix(matrix)
    mul!(matrix, ones(10, 10), ones(10, 10))
    @test all(matrix .== 10)
    @test ccall(:memchr, Ptr{Cvoid}, (Ptr{Float64}, Cint, Csize_t), matrix, 0x24, 800) != C_NULL  # 10.0 has this byte
    part = view(matrix, 1:2, 1)
    part .= 3
    @test matrix[1:3, 1] == [3, 3, 10]
    @test reinterpret(UInt64, matrix)[1] == reinterpret(UInt64, 3.0)
    @test_throws BoundsError matrix[11, 1]
    @test_throws BoundsError matrix[101] = 1
    @test_throws MethodError push!(vec(matrix), 1)
end

@testset "what of the storage" begin
    storage = Storage(100; zeroed=true)
    @test length(SharedBytes(storage)) == 100 && length(StorageArray{Int64}(storage)) == 12
    array = StorageArray{Int32}(storage, 4; offset=8)
    array .= -1
    @test SharedBytes(bytes -> findall(!iszero, bytes), storage) == 9:24
    @test Shmalloc.byteoffset(array) == 8 && info(Storage(array)).id == info(storage).id
    @test StorageArray(storage) isa SharedBytes && SharedBytes(storage, (5,)) isa SharedBytes
    @test_throws DimensionMismatch StorageArray{Int64}(storage, 13)
    @test_throws DimensionMismatch StorageArray{Int8}(storage, 1; offset=100)
    @test_throws OverflowError StorageArray{Int64}(storage, 1 << 62, 8)
    @test_throws BoundsError StorageArray{Int8}(storage; offset=101)
    @test_throws ArgumentError StorageArray{Int64}(storage, 1; offset=4)
    @test_throws ArgumentError StorageArray{Int64}(storage, -1)
    @test_throws ArgumentError StorageArray{String}(storage)
    @test_throws TypeError StorageArray{UInt8,2}(storage)
    held = Storage(100)
    @test_throws DimensionMismatch SharedBytes(held, 101)
    @test info(held).pins == 0
    @test isempty(SharedBytes(Storage(0)))
end

@testset "a storage of its own" begin
    array = StorageArray{Float32}(undef, 3, 5; isolated=true)
    @test size(array) == (3, 5) && info(Storage(array)).fd >= 0 && sizeof(Storage(array)) == 60
    @test size(StorageArray{UInt8}(undef, (2, 3, 4))) == (2, 3, 4)
    @test_throws ArgumentError StorageArray{Any}(undef, 3)
end

@testset "reading only" begin
    storage = Storage(80)
    StorageArray{Float64}(array -> array .= 1:10, storage)
    array = ReadOnlyStorageArray{Float64}(storage, 5, 2)
    @test !(array isa DenseArray) && array[3, 2] == 8 && sum(array) == 55 && strides(array) == (1, 5)
    @test status(() -> array[1, 1] = 0) == :PERMISSION
    @test status(() -> array .= 0) == :PERMISSION
    @test status(() -> fill!(array, 0)) == :PERMISSION
    reader = open(Storage, export_bytes(storage); read_only=true)
    @test status(() -> SharedBytes(reader)) == :PERMISSION
    @test ReadOnlyStorageArray{Float64}(copy, reader) == 1:10
end

@testset "a hold on the memory" begin
    storage = Storage(100)
    array = SharedBytes(storage)
    @test info(storage).pins == 1
    @test status(() -> close(storage)) == :BUSY
    release(storage)
    array .= 3
    @test sum(array) == 300
    close(array)
    @test !isopen(array) && isempty(array)
    @test_throws BoundsError array[1]
    @test status(() -> Storage(array)) == :CLOSED
    close(array)
end

@testset "in and out" begin
    array = StorageArray{UInt16}(undef, 4)
    array .= 1:4
    io = IOBuffer()
    @test write(io, array) == 8
    seekstart(io)
    @test read!(io, StorageArray{UInt16}(undef, 4)) == 1:4
end
