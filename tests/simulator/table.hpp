// Handles as the caller sees them: numbers that are never given twice, so that one of something destroyed is always found out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

namespace sim {

template <class T>
class Table {
 public:
  explicit Table(std::uint64_t first) : next_(first) {}

  std::uint64_t add(std::shared_ptr<T> object) {
    next_ += 16;
    objects_.emplace(next_, std::move(object));
    return next_;
  }
  std::shared_ptr<T> find(std::uint64_t handle) const {
    const auto found = objects_.find(handle);
    return found == objects_.end() ? nullptr : found->second;
  }
  template <class Handle>
  std::shared_ptr<T> find(Handle *handle) const {
    return find(reinterpret_cast<std::uintptr_t>(handle));
  }
  template <class Handle>
  bool remove(Handle *handle) {
    return objects_.erase(reinterpret_cast<std::uintptr_t>(handle)) != 0;
  }
  bool remove(std::uint64_t handle) { return objects_.erase(handle) != 0; }
  template <class Condition>
  void remove_if(Condition &&condition) {
    std::erase_if(objects_, [&](const auto &entry) { return condition(*entry.second); });
  }
  const std::map<std::uint64_t, std::shared_ptr<T>> &all() const { return objects_; }

 private:
  std::uint64_t next_;
  std::map<std::uint64_t, std::shared_ptr<T>> objects_;
};

template <class Handle>
Handle as_handle(std::uint64_t number) {
  return reinterpret_cast<Handle>(static_cast<std::uintptr_t>(number));
}

}  // namespace sim
