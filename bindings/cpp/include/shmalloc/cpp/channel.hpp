/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/channel.hpp - a queue of storages between processes. */
#ifndef SHMALLOC_CPP_CHANNEL_HPP
#define SHMALLOC_CPP_CHANNEL_HPP

#include <iterator>

#include "shmalloc/cpp/record.hpp"
#include "shmalloc/cpp/storage.hpp"

namespace shmalloc {
inline namespace v0 {

/** What a channel is like. */
struct ChannelOptions {
  std::uint64_t capacity = 0;                 /**< storages in it at most, up to 65536; 0: 256 */
  std::optional<std::uint32_t> record_size{}; /**< bytes beside each storage at most, up to 4096; nothing: 32 */
};

/** A channel, described; see shmalloc_channel_info. */
struct ChannelInfo {
  std::uint64_t capacity = 0;
  std::uint64_t length = 0;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t skipped = 0;
  std::uint32_t record_size = 0;
  std::uint32_t attached = 0;
  bool closed = false;
};

/** What came. */
struct Message {
  Storage storage; /**< empty if the record was sent alone */
  Record record;
};

/** A bounded queue of storages, each with some bytes beside it, for any number of senders and receivers in up to 64 processes. Any thread
 *  may use it, several at once.
 *
 *    for (auto &[storage, record] : channel) ..      what comes, until the channel is closed and empty */
class Channel : public Reference<Channel, shmalloc_channel> {
 public:
  class Iterator;
  struct End {};

  /** Empty: no channel at all. */
  Channel() = default;

  explicit Channel(const ChannelOptions &options) {
    auto params = SHMALLOC_INIT(shmalloc_channel_params);
    params.capacity = options.capacity;
    params.record_size = options.record_size.value_or(0);
    params.flags = detail::bit_if(options.record_size == 0U, SHMALLOC_CHANNEL_NO_RECORD);
    shmalloc_channel *made = nullptr;
    detail::call(shmalloc_channel_create, &params, &made);
    handle_.reset(made);
  }

  /** The channel that lives in a storage, which may be released then. */
  static Channel open(const Storage &storage) {
    shmalloc_channel *opened = nullptr;
    detail::call(shmalloc_channel_open, storage.native(), &opened);
    return take(opened);
  }

  /** The storage that it lives in: to be exported or sent, so that others can open the channel. */
  Storage storage() const {
    shmalloc_storage *storage = nullptr;
    detail::call(shmalloc_channel_storage, required(), &storage);
    return Storage::take(storage);
  }

  /** Send a storage of an allocator of kind shared, with some bytes beside it. It is held for the receiver: release it when you like.
   *  Nothing as the timeout waits as long as it takes. TimeoutError: the channel is full. */
  void send(const Storage &storage, Bytes record = {}, const Timeout &timeout = {}) const {
    if (!storage) throw ClosedError("this storage is empty; send_record() sends none");
    detail::call(shmalloc_channel_send, required(), storage.native(), record.octets(), record.size(), detail::nanoseconds(timeout));
  }

  /** Send some bytes alone. */
  void send_record(Bytes record, const Timeout &timeout = {}) const {
    detail::call(shmalloc_channel_send, required(), static_cast<shmalloc_storage *>(nullptr), record.octets(), record.size(),
                 detail::nanoseconds(timeout));
  }

  /** send() without waiting: false if the channel is full. */
  bool try_send(const Storage &storage, Bytes record = {}) const {
    if (!storage) throw ClosedError("this storage is empty; try_send_record() sends none");
    return tried(storage.native(), record);
  }
  bool try_send_record(Bytes record) const { return tried(nullptr, record); }

  /** The next storage, and the bytes beside it. ClosedError: the channel is closed and empty. PeerGoneError: it is empty, others had it
   *  open, and nobody has any more. TimeoutError: it was empty all the time. */
  Message receive(const Timeout &timeout = {}) const {
    Message message;
    shmalloc_error error;
    if (receive_into(message, detail::nanoseconds(timeout), error) != SHMALLOC_STATUS_OK) detail::throw_error(error);
    return message;
  }

  /** receive() without waiting: nothing if the channel is empty. */
  std::optional<Message> try_receive() const {
    std::optional<Message> message(std::in_place);
    shmalloc_error error;
    const shmalloc_status status = receive_into(*message, SHMALLOC_TIME_NONE, error);
    if (status == SHMALLOC_STATUS_TIMEOUT) return std::nullopt;
    if (status != SHMALLOC_STATUS_OK) detail::throw_error(error);
    return message;
  }

  /** Close it for everybody: nothing can be sent any more, what is in it can still be received. */
  void close() const { detail::call(shmalloc_channel_close, required()); }

  ChannelInfo info() const {
    auto info = SHMALLOC_INIT(shmalloc_channel_info);
    detail::call(shmalloc_channel_get_info, required(), &info);
    return {info.capacity, info.length,      info.sent,     info.received,
            info.skipped,  info.record_size, info.attached, (info.state & SHMALLOC_CHANNEL_STATE_CLOSED) != 0};
  }

  /** Receives the first message, as ++ does the next. */
  Iterator begin() const;
  End end() const noexcept { return {}; }

 private:
  bool tried(shmalloc_storage *storage, Bytes record) const {
    shmalloc_error error;
    const shmalloc_status status =
        shmalloc_channel_send(required(), storage, record.octets(), record.size(), SHMALLOC_TIME_NONE, &error);
    if (status != SHMALLOC_STATUS_OK && status != SHMALLOC_STATUS_TIMEOUT) detail::throw_error(error);
    return status == SHMALLOC_STATUS_OK;
  }

  shmalloc_status receive_into(Message &message, std::int64_t timeout, shmalloc_error &error) const {
    for (;;) {
      std::size_t length = message.record.room();
      shmalloc_storage *storage = nullptr;
      const shmalloc_status status =
          shmalloc_channel_receive(required(), &storage, message.record.octets(), &length, timeout, &error);
      if (status == SHMALLOC_STATUS_OK) {
        message.storage = Storage::take(storage);
        message.record.set_size(length);
        return status;
      }
      // The next one stays where it is, and tells how much room it needs; another receiver may be faster.
      if (status != SHMALLOC_STATUS_NO_SPACE || length <= message.record.room()) return status;
      message.record.make_room(length);
    }
  }
};

/** What comes, one message at a time. */
class Channel::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Message;
  using difference_type = std::ptrdiff_t;
  using pointer = Message *;
  using reference = Message &;

  explicit Iterator(const Channel &channel) : channel_(&channel) { ++*this; }

  Message &operator*() const noexcept { return message_; }
  Message *operator->() const noexcept { return &message_; }
  Iterator &operator++() {
    message_ = Message();  // what came before is not held while this waits
    try {
      message_ = channel_->receive();
    } catch (const ClosedError &) {
      channel_ = nullptr;
    }
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator &at, End /*end*/) noexcept { return at.channel_ == nullptr; }
  friend bool operator!=(const Iterator &at, End /*end*/) noexcept { return at.channel_ != nullptr; }

 private:
  const Channel *channel_;
  mutable Message message_;
};

inline Channel::Iterator Channel::begin() const { return Iterator(*this); }

}  // namespace v0
}  // namespace shmalloc

#endif
