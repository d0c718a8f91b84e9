#include "trace/recorder.hpp"

#include "os/memory_info.hpp"

namespace shmalloc::trace {

void Recorder::failed(std::uint64_t size, std::uint64_t stream, std::int32_t why) noexcept {
  if (why != SHMALLOC_STATUS_NO_MEMORY && why != SHMALLOC_STATUS_NO_SPACE) return;
  statistics.ooms.fetch_add(1, std::memory_order_relaxed);
  if (history.on()) note(Action::oom, os::memory_info().available, size, stream, 0);
}

void Recorder::segment_in(std::uint64_t address, std::uint64_t bytes, int pool, std::uint64_t stream) noexcept {
  statistics.add(Quantity::segment, pool, 1);
  statistics.add(Quantity::reserved_bytes, pool, bytes);
  note(Action::segment_alloc, address, bytes, stream, 0);
}

void Recorder::segment_out(std::uint64_t address, std::uint64_t bytes, int pool, std::uint64_t stream) noexcept {
  note(Action::segment_free, address, bytes, stream, 0);
  statistics.take(Quantity::segment, pool, 1);
  statistics.take(Quantity::reserved_bytes, pool, bytes);
}

// What has no bytes has no address, and is not told of.
void Account::tell(Action action, std::uint64_t size) noexcept {
  if (facts_.address != 0) recorder_->note(action, facts_.address, size, facts_.stream, facts_.storage_id);
}

void Account::open(Recorder &recorder, const Facts &facts) noexcept {
  recorder.retain();
  recorder_ = &recorder;
  facts_ = facts;
  stage_ = Stage::open;
  Statistics &books = recorder.statistics;
  books.add(Quantity::allocation, facts.pool, 1);
  books.add(Quantity::active, facts.pool, 1);
  books.add(Quantity::allocated_bytes, facts.pool, facts.block);
  books.add(Quantity::active_bytes, facts.pool, facts.block);
  books.add(Quantity::requested_bytes, facts.pool, facts.requested);
  if (recorder.one_a_storage()) tell(Action::segment_alloc, facts.block);
  tell(Action::alloc, facts.requested);
}

void Account::grown(std::uint64_t requested, std::uint64_t block) noexcept {
  if (stage_ != Stage::open || requested <= facts_.requested) return;
  const Facts before = facts_;
  facts_.requested = requested;
  facts_.block = block;
  Statistics &books = recorder_->statistics;
  books.add(Quantity::requested_bytes, facts_.pool, requested - before.requested);
  if (block > before.block) {
    books.add(Quantity::allocated_bytes, facts_.pool, block - before.block);
    books.add(Quantity::active_bytes, facts_.pool, block - before.block);
  }
  if (!recorder_->history.on() || before.address == 0) return;
  // PyTorch's tools know no block that grows: its segment is mapped further, and the block is a new one at the same place.
  if (block > before.block && recorder_->one_a_storage()) {
    recorder_->note(Action::segment_map, before.address + before.block, block - before.block, before.stream, before.storage_id);
  }
  tell(Action::free_requested, before.requested);
  tell(Action::free_completed, before.requested);
  tell(Action::alloc, requested);
}

void Account::give_up() noexcept {
  if (stage_ != Stage::open) return;
  stage_ = Stage::given_up;
  Statistics &books = recorder_->statistics;
  books.take(Quantity::allocation, facts_.pool, 1);
  books.take(Quantity::allocated_bytes, facts_.pool, facts_.block);
  books.take(Quantity::requested_bytes, facts_.pool, facts_.requested);
  tell(Action::free_requested, facts_.requested);
}

void Account::keep() noexcept {
  if (stage_ != Stage::given_up || kept_) return;
  kept_ = true;
  recorder_->statistics.pending.add(1);
  recorder_->statistics.pending_bytes.add(static_cast<std::int64_t>(facts_.block));
}

// Recorded before the memory goes, for its address may be somebody else's a moment later; counted after it, in close.
void Account::end() noexcept {
  give_up();
  if (stage_ != Stage::given_up) return;
  stage_ = Stage::ended;
  tell(Action::free_completed, facts_.requested);
  if (recorder_->one_a_storage()) tell(Action::segment_free, facts_.block);
}

void Account::close() noexcept {
  end();
  if (stage_ != Stage::ended) return;
  stage_ = Stage::none;
  Statistics &books = recorder_->statistics;
  books.take(Quantity::active, facts_.pool, 1);
  books.take(Quantity::active_bytes, facts_.pool, facts_.block);
  if (kept_) {
    books.pending.take(1);
    books.pending_bytes.take(static_cast<std::int64_t>(facts_.block));
  }
  recorder_->release();
}

}  // namespace shmalloc::trace
