# The demo's consumer: takes pieces of memory out of a channel, checks them, gives them back.
# julia consumer.jl HANDLE_TEXT, with the folder of the packages in JULIA_LOAD_PATH.
using Shmalloc

"Number, length and sum, little-endian, as they stand in a record."
numbers(record) = Tuple(ltoh.(reinterpret(UInt64, record)))

"The sum of the words of a piece's first `length` bytes. It wraps around."
words_sum(piece, length) = ReadOnlyStorageArray{UInt64}(words -> sum(ltoh, words), piece, length ÷ 8)

function consume(channel)
    pieces = bytes = 0
    for (piece, record) in channel
        number, length, expected = numbers(record)
        if words_sum(piece, length) != expected
            println("Julia: piece $number is not as sent")
            return 1
        end
        release(piece)
        pieces += 1
        bytes += length
    end
    println("Julia: $pieces pieces, $bytes bytes, all as sent")
    return 0
end

channel = open(StorageChannel, only(ARGS))
precompile(consume, (typeof(channel),))   # now, and not with the first piece
println("ready")
flush(stdout)
exit(consume(channel))
