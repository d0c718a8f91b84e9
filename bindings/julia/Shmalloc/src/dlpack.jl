# Storages to and from every array library that speaks DLPack. Its structs are only pointed to here.

# DLPack's (type code, bits, lanes).
const TENSOR_CODES = Dict{DataType,NTuple{3,Int}}(
    type => (code, 8sizeof(type), 1) for (code, types) in (
        0 => (Int8, Int16, Int32, Int64), 1 => (UInt8, UInt16, UInt32, UInt64), 2 => (Float16, Float32, Float64),
        5 => (ComplexF32, ComplexF64), 6 => (Bool,)) for type in types)

"""
How the bytes of a storage are seen as an array. `strides` are in elements, `offset` in bytes; `type` is a Julia type, or (code, bits, lanes) for one
that Julia does not have. `padded`: elements of less than a byte take one each.
"""
struct Tensor
    type::Union{DataType,NTuple{3,Int}}
    shape::Vector{Int64}
    strides::Vector{Int64}
    offset::Int
    read_only::Bool
    padded::Bool
end
Tensor(type, shape, strides, offset, read_only; padded::Bool=false) = Tensor(type, shape, strides, offset, read_only, padded)

"How Julia sees the bytes of an array."
Tensor(array::AnyStorageArray{T}) where {T} =
    Tensor(T, collect(Int64, size(array)), collect(Int64, strides(array)), byteoffset(array), array isa ReadOnlyStorageArray)

code(type::DataType) = get(() -> throw(ArgumentError("DLPack has no elements of type $type")), TENSOR_CODES, type)
code(type::NTuple{3,Int}) = type

"""
    dlpack_export(array; versioned=true)
    dlpack_export(storage, tensor; versioned=true)

A DLManagedTensorVersioned over the same bytes, or with `versioned=false` a DLManagedTensor: a pointer that must be given to a consumer, who calls its deleter.
It holds a pin until then. UNSUPPORTED: a DLManagedTensor can't be `padded`.
"""
function dlpack_export(storage::Storage, tensor::Tensor; versioned::Bool=true)
    shape, strides = tensor.shape, tensor.strides
    length(strides) == length(shape) || throw(ArgumentError("$(length(strides)) strides for $(length(shape)) dimensions"))
    marks = (tensor.read_only ? SHMALLOC_TENSOR_READ_ONLY : 0) | (tensor.padded ? SHMALLOC_TENSOR_PADDED : 0)
    (type, bits, lanes) = code(tensor.type)
    GC.@preserve shape strides begin
        params = Ref(shmalloc_tensor(sizeof(shmalloc_tensor), pointer(shape), pointer(strides), tensor.offset, length(shape),
                                     marks, type, bits, lanes, 0))
        return held(storage.reference) do pointer
            versioned ? managed((out, err) -> shmalloc_dlpack_export(pointer, params, out, err), DLManagedTensorVersioned) :
                        managed((out, err) -> shmalloc_dlpack_export_unversioned(pointer, params, out, err), DLManagedTensor)
        end
    end
end
dlpack_export(array::AnyStorageArray; options...) = releasing(storage -> dlpack_export(storage, Tensor(array); options...), Storage(array))

function managed(f, ::Type{T}) where {T}
    out = Ref{Ptr{T}}(C_NULL)
    attempt(err -> f(out, err))
    return out[]
end

dlpack_import(pointer::Ptr{DLManagedTensorVersioned}) = imported(pointer, shmalloc_dlpack_import)
dlpack_import(pointer::Ptr{DLManagedTensor}) = imported(pointer, shmalloc_dlpack_import_unversioned)

"""
    dlpack_import(pointer)

A storage over somebody's tensor, and how its bytes are to be seen. The tensor is given away by this, whatever comes of it; its deleter runs when the
storage is closed or its last reference goes, on the thread of the call that ends it. `pointer` is a `Ptr{Shmalloc.DLManagedTensorVersioned}` or a
`Ptr{Shmalloc.DLManagedTensor}`.
"""
function dlpack_import end

function imported(pointer, f)
    out = blank(shmalloc_tensor)
    storage = Storage(created((handle, err) -> f(pointer, out, handle, err), shmalloc_storage))
    t = out[]
    tensor = held(storage.reference) do _
        shape = copy(unsafe_wrap(Array, t.shape, t.ndim))
        strides = t.strides == C_NULL ? row_major(shape) : copy(unsafe_wrap(Array, t.strides, t.ndim))
        Tensor(element(Int(t.code), Int(t.bits), Int(t.lanes)), shape, strides, Int(t.offset), t.flags & SHMALLOC_TENSOR_READ_ONLY != 0;
               padded=t.flags & SHMALLOC_TENSOR_PADDED != 0)
    end
    return storage, tensor
end

"Strides of a tensor that has none: the last index is the fastest."
row_major(shape) = isempty(shape) ? Int64[] : reverse(cumprod([1; reverse(shape[2:end])]))

"The Julia type of DLPack's codes, or the codes."
function element(code, bits, lanes)
    type = findfirst(isequal((code, bits, lanes)), TENSOR_CODES)
    return type === nothing ? (code, bits, lanes) : type
end
