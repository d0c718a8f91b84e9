#include "channel/channel.hpp"

#include <fcntl.h>

#include <bit>
#include <new>

#include "allocators/map/map.hpp"

namespace shmalloc {
namespace {

constexpr std::uint64_t kUsualCapacity = 256;
constexpr std::uint32_t kUsualRecord = 32;

}  // namespace

Result<Ref<Channel>> Channel::create(const shmalloc_channel_params &params) {
  constexpr std::uint32_t kKnown = SHMALLOC_CHANNEL_NO_RECORD;
  if ((params.flags & ~kKnown) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "channel flags %#x are not known to this version", params.flags & ~kKnown);
  if (params.capacity > Ring::kMostCells)
    return fail(SHMALLOC_STATUS_INVALID, 0, "capacity must be at most %llu, not %llu",
                static_cast<unsigned long long>(Ring::kMostCells), static_cast<unsigned long long>(params.capacity));
  if (params.record_size > Ring::kMostRecord)
    return fail(SHMALLOC_STATUS_INVALID, 0, "record_size must be at most %llu, not %u",
                static_cast<unsigned long long>(Ring::kMostRecord), params.record_size);
  const bool bare = (params.flags & SHMALLOC_CHANNEL_NO_RECORD) != 0;
  if (bare && params.record_size != 0) return fail(SHMALLOC_STATUS_INVALID, 0, "NO_RECORD and a record_size contradict");
  const Shape shape(std::bit_ceil(params.capacity != 0 ? params.capacity : kUsualCapacity), bare ? 0
                                                                                            : params.record_size != 0
                                                                                                ? params.record_size
                                                                                                : kUsualRecord);
  SHMALLOC_TRY(plan, make_plan(0, false));
  MapRequest request;
  request.size = request.capacity = shape.size();
  std::unique_ptr<MapMemory> empty(new (std::nothrow) MapMemory());
  if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a channel");
  SHMALLOC_TRY(memory, MapMemory::open(plan, request, std::move(empty)));
  Ring::format(memory->data, shape);
  // No peer can take its pages away, nor keep those who come later from writing.
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (auto sealed = os::add_seals(memory->object()->fd.get(), seals, "a channel"); !sealed) {
    memory->discard();
    return sealed.error();
  }
  memory->object()->seals |= seals;
  if (auto good = memory->check_length(); !good) {
    memory->discard();
    return good.error();
  }
  SHMALLOC_TRY(storage, Storage::make(std::move(memory), {}, SHMALLOC_ALLOCATOR_KIND_MAP, false));
  return open(*storage);
}

Result<Ref<Channel>> Channel::open(Storage &storage) {
  // Our lock comes before those of storages, so the storage is done with by then.
  SHMALLOC_TRY(fd, storage.with_memory([](Memory &memory) -> Result<os::UniqueFd> {
    SharedObject *object = memory.object();
    if (object == nullptr || !object->fd || object->offset != 0 || object->header != 0)
      return fail(SHMALLOC_STATUS_CORRUPT, 0, "the storage is no channel: it has no object of its own");
    if (memory.read_only || object->read_only)
      return fail(SHMALLOC_STATUS_PERMISSION, 0,
                  "the storage was imported READ_ONLY: a channel is written by those who receive, too");
    return os::duplicate(object->fd.get());
  }));
  SHMALLOC_TRY(ring, Ring::open(std::move(fd)));
  Ref<Channel> channel(new (std::nothrow) Channel(ring, Ref<Storage>::retain(&storage)));
  if (!channel) {
    ring->close();
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a channel");
  }
  return channel;
}

}  // namespace shmalloc
