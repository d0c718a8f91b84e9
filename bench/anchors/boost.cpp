#include "anchors/boost.hpp"

#if defined(BENCH_BOOST)
#include <unistd.h>

#include <boost/interprocess/managed_shared_memory.hpp>
#include <string>

namespace bench {

namespace {

using Managed = boost::interprocess::managed_shared_memory;
Managed &of(void *segment) { return *static_cast<Managed *>(segment); }

}  // namespace

bool BoostSegment::built_in() { return true; }

// The name is not needed: the peers are forked.
BoostSegment::BoostSegment(std::size_t size) {
  const std::string name = "shmalloc-bench-boost-" + std::to_string(getpid());
  segment_ = new Managed(boost::interprocess::create_only, name.c_str(), size);
  boost::interprocess::shared_memory_object::remove(name.c_str());
}

BoostSegment::~BoostSegment() { delete &of(segment_); }
void *BoostSegment::take(std::size_t size) { return of(segment_).allocate(size); }
void BoostSegment::give(void *block) { of(segment_).deallocate(block); }
std::uint64_t BoostSegment::handle_of(void *block) {
  return static_cast<std::uint64_t>(of(segment_).get_handle_from_address(block));
}
void *BoostSegment::block_of(std::uint64_t handle) {
  return of(segment_).get_address_from_handle(static_cast<Managed::handle_t>(handle));
}

}  // namespace bench

#else

namespace bench {

bool BoostSegment::built_in() { return false; }
BoostSegment::BoostSegment(std::size_t) {}
BoostSegment::~BoostSegment() = default;
void *BoostSegment::take(std::size_t) { return nullptr; }
void BoostSegment::give(void *) {}
std::uint64_t BoostSegment::handle_of(void *) { return 0; }
void *BoostSegment::block_of(std::uint64_t) { return nullptr; }

}  // namespace bench

#endif
