/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/observer.hpp - hearing what happens in an allocator of kind caching. */
#ifndef SHMALLOC_CPP_OBSERVER_HPP
#define SHMALLOC_CPP_OBSERVER_HPP

#include <optional>
#include <utility>

#include "shmalloc/cpp/adopt.hpp"
#include "shmalloc/cpp/device.hpp"
#include "shmalloc/cpp/reference.hpp"

namespace shmalloc {
inline namespace v0 {

/** What observers hear of; see shmalloc_notice_flags. */
enum class NoticeKind : std::uint32_t {
  memory_low = SHMALLOC_NOTICE_MEMORY_LOW,      /**< who gives memory back now answers true */
  out_of_memory = SHMALLOC_NOTICE_OUT_OF_MEMORY /**< an allocation fails, after all was tried */
};
template <>
struct IsFlags<NoticeKind> : std::true_type {};

/** What an observer hears; see shmalloc_notice. */
struct Notice {
  NoticeKind kind{};
  std::string_view report; /**< of out_of_memory: lines for people; it lives during the call only */
  Device device;
  std::uint64_t allocator_id = 0;
  StreamRef stream;
  std::uint64_t requested = 0;
  std::uint64_t rounded = 0;
  std::uint64_t total = 0;
  std::optional<std::uint64_t> available; /**< nothing: the device does not say */
  std::uint64_t limit = 0;
  std::uint64_t reserved = 0;
  std::uint64_t allocated = 0;
  std::uint64_t pending = 0;
  std::uint64_t largest_free = 0;
  std::uint32_t fragmentation = 0; /**< percent */
};

namespace detail {

inline Notice notice_of(const shmalloc_notice &raw) {
  Notice notice;
  notice.kind = static_cast<NoticeKind>(raw.kind);
  notice.report = raw.report;
  notice.device = Device::of(raw.device);
  notice.allocator_id = raw.allocator_id;
  notice.stream = raw.stream;
  notice.requested = raw.requested;
  notice.rounded = raw.rounded;
  notice.total = raw.total;
  if (raw.available != UINT64_MAX) notice.available = raw.available;
  notice.limit = raw.limit;
  notice.reserved = raw.reserved;
  notice.allocated = raw.allocated;
  notice.pending = raw.pending;
  notice.largest_free = raw.largest_free;
  notice.fragmentation = raw.fragmentation;
  return notice;
}

/* A function that hears notices, as the library calls it. */
template <class Function>
struct Listener {
  Function function;

  static std::int32_t hear(const shmalloc_notice *raw, void *userdata) noexcept {
    Function &function = static_cast<Box<Listener> *>(userdata)->owner.function;
    try {
      const Notice notice = notice_of(*raw);
      if constexpr (std::is_void_v<std::invoke_result_t<Function &, const Notice &>>)
        function(notice);
      else
        return function(notice) ? 1 : 0;
    } catch (...) {  // NOLINT(bugprone-empty-catch): the notice is from the middle of somebody else's call
    }
    return 0;
  }
};

}  // namespace detail

/** That somebody observes an allocator; at its end nobody does any more, and the function is destroyed. Allocator::observe makes it. It
 *  keeps the allocator. An observer must not end from within its own function: there it goes on until the allocator ends. */
class Observer {
 public:
  /** Empty. */
  Observer() noexcept = default;
  Observer(Observer &&other) noexcept = default;
  Observer &operator=(Observer &&other) noexcept {
    Observer old(std::move(other));
    std::swap(allocator_, old.allocator_);
    std::swap(id_, old.id_);
    return *this;
  }
  ~Observer() {
    if (allocator_ != nullptr) shmalloc_allocator_unobserve(allocator_.get(), id_, nullptr);
  }

  explicit operator bool() const noexcept { return allocator_ != nullptr; }

  /** End it now. When this returns the function runs no more. A second close does nothing. BusyError: called by the function itself. */
  void close() {
    if (allocator_ == nullptr) return;
    detail::call(shmalloc_allocator_unobserve, allocator_.get(), id_);
    allocator_.reset();
  }

 private:
  friend class Allocator;

  Observer(shmalloc_allocator *allocator, std::uint64_t id) noexcept : allocator_(allocator), id_(id) { detail::retain(allocator); }

  std::unique_ptr<shmalloc_allocator, detail::Release> allocator_;
  std::uint64_t id_ = 0;
};

}  // namespace v0
}  // namespace shmalloc

#endif
