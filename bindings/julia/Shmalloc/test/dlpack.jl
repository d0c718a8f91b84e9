using Shmalloc: Tensor, dlpack_export, dlpack_import

@testset "out and in again ($(versioned ? "versioned" : "unversioned"))" for versioned in (true, false)
    storage = Storage(8 * 12 + 16)
    array = StorageArray{Float64}(storage, 3, 4; offset=16)
    array .= reshape(1:12, 3, 4)
    tensor = dlpack_export(array; versioned=versioned)
    @test info(storage).pins == 2
    imported, about = dlpack_import(tensor)
    @test (about.type, about.shape, about.strides, about.offset, about.read_only) == (Float64, [3, 4], [1, 3], 0, false)
    @test pointer(imported) == Ptr{UInt8}(pointer(array)) && !Shmalloc.isshared(imported)
    @test StorageArray{Float64}(copy, imported, 3, 4) == array
    release(imported)
    @test info(storage).pins == 1
end

@testset "what can not be said" begin
    storage = Storage(100)
    @test status(() -> dlpack_export(storage, Tensor(Float32, [26], [1], 0, false))) == :INVALID
    @test status(() -> dlpack_export(storage, Tensor(Float32, [2], [1], 0, true); versioned=false)) == :PERMISSION
    @test_throws ArgumentError dlpack_export(StorageArray{Tuple{Int8,Int8}}(storage))
    for (shape, strides) in (([2, 2, 2], [1]), ([2, 2], Int64[]), (Int64[], [1]))
        @test_throws ArgumentError dlpack_export(storage, Tensor(Float32, shape, strides, 0, false))
    end
    imported, about = dlpack_import(dlpack_export(ReadOnlyStorageArray{Int16}(storage, 50)))
    @test about.read_only && status(() -> SharedBytes(imported)) == :PERMISSION
    _, other = dlpack_import(dlpack_export(storage, Tensor((4, 16, 1), [10], [2], 0, false)))
    @test other.type == (4, 16, 1) && other.strides == [2]
end

@testset "one element, without dimensions" begin
    @test Shmalloc.row_major(Int64[]) == Int64[] && Shmalloc.row_major([2, 3, 4]) == [12, 4, 1]
    imported, about = dlpack_import(dlpack_export(Storage(100), Tensor(Float32, Int64[], Int64[], 8, false)))
    @test isempty(about.shape) && isempty(about.strides) && sizeof(imported) == 4
    @test dlpack_import(dlpack_export(imported, about))[2].type == Float32
end

@testset "elements of 4 bits, padded or not" begin
    storage, four = Storage(100), (17, 4, 1)
    for (padded, bytes) in (true => 10, false => 5)
        imported, about = dlpack_import(dlpack_export(storage, Tensor(four, [10], [1], 0, false; padded=padded)))
        @test (about.type, about.padded, sizeof(imported)) == (four, padded, bytes)
        again, about = dlpack_import(dlpack_export(imported, about))
        @test (about.padded, sizeof(again)) == (padded, bytes)
    end
    @test !Tensor(four, [10], [1], 0, false).padded
    @test status(() -> dlpack_export(storage, Tensor(four, [10], [1], 0, false; padded=true); versioned=false)) == :UNSUPPORTED
end
