// Memory for tables and nodes. Much of it has huge pages: who looks here and there in it would wait for the tables of pages as well.
#pragma once

#include <cstddef>

namespace shmalloc::caching {

// Begins at a line. NULL: there is none.
void *get_room(std::size_t size);
void put_room(void *room, std::size_t size);

}  // namespace shmalloc::caching
