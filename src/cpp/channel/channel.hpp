// A handle to a channel: the ring of this process, and the storage that it lives in.
#pragma once

#include "channel/ring.hpp"

namespace shmalloc {

class Channel final : public Handle {
 public:
  // Checks the parameters.
  static Result<Ref<Channel>> create(const shmalloc_channel_params &params);
  static Result<Ref<Channel>> open(Storage &storage);

  Ring &ring() const { return *ring_; }
  Storage &storage() const { return *storage_; }

 private:
  Channel(Ring *ring, Ref<Storage> storage) : Handle(HandleType::channel), ring_(ring), storage_(std::move(storage)) {}
  ~Channel() override { ring_->close(); }

  Ring *ring_;
  Ref<Storage> storage_;
};

}  // namespace shmalloc
