// Takes the pieces that another process sends through a channel, and checks the sum of each.
//   consumer HANDLE_TEXT      of the storage that the channel lives in
#include <cinttypes>
#include <cstdio>
#include <numeric>
#include <shmalloc.hpp>

// What is said of each piece.
struct Note {
  std::uint64_t number;
  std::uint64_t length;
  std::uint64_t sum;
};

int main(int argc, char **argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: consumer HANDLE_TEXT\n");
    return 2;
  }
  const auto channel = shmalloc::Channel::open(shmalloc::Storage::import_text(argv[1]));
  std::puts("ready");
  std::fflush(stdout);

  std::uint64_t pieces = 0;
  std::uint64_t bytes = 0;
  for (const auto &[storage, record] : channel) {
    const Note note = record.as<Note>();
    const auto view = storage.const_view();
    const std::size_t count = note.length / sizeof(std::uint64_t);
    const auto *words = view.as<std::uint64_t>(0, count);
    if (std::accumulate(words, words + count, std::uint64_t{0}) != note.sum) {
      std::printf("C++: piece %" PRIu64 " is not as sent\n", note.number);
      return 1;
    }
    ++pieces;
    bytes += note.length;
  }
  std::printf("C++: %" PRIu64 " pieces, %" PRIu64 " bytes, all as sent\n", pieces, bytes);
} catch (const std::exception &error) {
  std::fprintf(stderr, "consumer: %s\n", error.what());
  return 1;
}
