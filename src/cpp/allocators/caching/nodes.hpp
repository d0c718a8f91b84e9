// Small objects that come and go often: made in chunks, kept until the owner goes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>

#include "allocators/caching/room.hpp"

namespace shmalloc::caching {

template <class T>
class Nodes {
 public:
  Nodes() = default;
  Nodes(const Nodes &) = delete;
  Nodes &operator=(const Nodes &) = delete;
  ~Nodes() {
    while (chunks_ != nullptr) {
      Chunk *chunk = chunks_;
      chunks_ = chunk->next;
      put_room(chunk, chunk->size);
    }
  }
  // NULL: there is no memory. As the last one left it.
  T *get() {
    if (free_ == nullptr && !grow()) return nullptr;
    Node *node = free_;
    free_ = node->next;
    return &node->value;
  }
  void put(T *value) {
    auto *node = reinterpret_cast<Node *>(value);  // its first member
    node->next = free_;
    free_ = node;
  }
  template <class Function>
  void each(Function function) {
    for (Chunk *chunk = chunks_; chunk != nullptr; chunk = chunk->next) {
      for (std::size_t i = 0; i < chunk->count(); ++i) function(chunk->nodes()[i].value);
    }
  }

 private:
  // Large ones begin at a line: who looks at the beginnings of many touches no more than that.
  struct alignas(sizeof(T) > 64 ? 64 : alignof(T)) Node {
    T value{};
    Node *next = nullptr;
  };
  // The nodes come behind it.
  struct alignas(64) Chunk {
    Node *nodes() { return reinterpret_cast<Node *>(this + 1); }
    std::size_t count() const { return (size - sizeof(Chunk)) / sizeof(Node); }

    const std::size_t size;
    Chunk *next;
  };
  static_assert(std::is_trivially_destructible_v<Node>);
  static constexpr std::size_t kFirst = std::size_t{8} << 10, kMost = std::size_t{4} << 20;

  // Each chunk is as large as all before it.
  bool grow() {
    const std::size_t size = std::clamp(2 * (chunks_ != nullptr ? chunks_->size : 0), kFirst, kMost);
    void *room = get_room(size);
    if (room == nullptr) return false;
    chunks_ = new (room) Chunk{size, chunks_};
    for (std::size_t i = chunks_->count(); i-- > 0;) put(&(new (&chunks_->nodes()[i]) Node())->value);
    return true;
  }

  Chunk *chunks_ = nullptr;
  Node *free_ = nullptr;
};

}  // namespace shmalloc::caching
