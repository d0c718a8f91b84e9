// Small objects that come and go often: made in chunks, kept until the owner goes.
#pragma once

#include <cstddef>
#include <new>

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
      delete chunk;
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
      for (Node &node : chunk->nodes) function(node.value);
    }
  }

 private:
  // Large ones begin at a line: who looks at the beginnings of many touches no more than that.
  struct alignas(sizeof(T) > 64 ? 64 : alignof(T)) Node {
    T value{};
    Node *next = nullptr;
  };
  struct Chunk {
    Node nodes[64];
    Chunk *next = nullptr;
  };
  bool grow() {
    auto *chunk = new (std::nothrow) Chunk();
    if (chunk == nullptr) return false;
    chunk->next = chunks_;
    chunks_ = chunk;
    for (std::size_t i = 64; i-- > 0;) put(&chunk->nodes[i].value);
    return true;
  }

  Chunk *chunks_ = nullptr;
  Node *free_ = nullptr;
};

}  // namespace shmalloc::caching
