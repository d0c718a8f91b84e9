// The bare system calls: what the same job costs without a library.
#pragma once

#include <cstddef>
#include <vector>

namespace bench::raw {

// What is done to a new object beside making it.
enum class Blocks {
  lazy,      // ftruncate: no block is reserved, a full machine is a SIGBUS at the first touch
  reserved,  // fallocate: as the library does
  sealed     // fallocate, and nobody can shrink it: all that the library promises
};

int create(std::size_t size, Blocks blocks);
void *map(int fd, std::size_t size);
void unmap(void *data, std::size_t size);
// Create, map, free; with `fill`, every page is written.
void lifecycle(std::size_t size, Blocks blocks, bool fill);

void send_descriptors(int socket, const int *fds, std::size_t count);
// How many came; 0 at the end of the conversation.
std::size_t receive_descriptors(int socket, int *fds, std::size_t room);

// One object from process to process: create, write a byte or one in every page, send; there map, read, acknowledge; free both.
void share(int socket, std::size_t size, Blocks blocks, bool fill);
void answer_shares(int socket, std::size_t size);

}  // namespace bench::raw
