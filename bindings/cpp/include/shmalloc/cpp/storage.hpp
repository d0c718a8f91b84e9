/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/storage.hpp - some bytes with an owner. */
#ifndef SHMALLOC_CPP_STORAGE_HPP
#define SHMALLOC_CPP_STORAGE_HPP

#include "shmalloc/cpp/adopt.hpp"
#include "shmalloc/cpp/allocator.hpp"
#include "shmalloc/cpp/descriptor.hpp"
#include "shmalloc/cpp/handle.hpp"
#include "shmalloc/cpp/storage_options.hpp"
#include "shmalloc/cpp/stream.hpp"
#include "shmalloc/cpp/view.hpp"
#include "shmalloc/storage.h"

namespace shmalloc {
inline namespace v0 {

struct Found;

/** Bytes that other processes can open. Who only has a const Storage can read them. Any thread may use it, several at once. */
class Storage : public Reference<Storage, shmalloc_storage> {
 public:
  /** Empty: no storage at all. */
  Storage() = default;

  /** From the current allocator of the host. What asks for an object of its own by `mapped`, `name`, `fd`, `file_offset`, `page_size` or `mode` is
   *  made by an allocator of kind map if the current one is of another kind. */
  explicit Storage(std::size_t size, const StorageOptions &options = {}) {
    if (asks_for_object(options)) {
      const Allocator current = Allocator::current();
      const Kind kind = current.info().kind;
      if (kind != Kind::map && kind != Kind::map_refcounted) {
        make(Allocator(Kind::map).native(), size, options);
        return;
      }
    }
    make(nullptr, size, options);
  }

  Storage(const Allocator &allocator, std::size_t size, const StorageOptions &options = {}) {
    if (!allocator) throw ClosedError("this allocator is empty");
    make(allocator.native(), size, options);
  }

  // ---- where else they come from ----

  /** Over memory that somebody else made. `owner` is kept until the memory is no longer used, and if it can be called without arguments
   *  it is called then: both on failure too, and never in a forked child. */
  template <class Owner = detail::NoOwner>
  static Storage adopt(void *data, std::size_t size, Owner owner = {}) {
    return adopt_as(SHMALLOC_ACCESS_WRITE, data, size, detail::Box<Owner>::of(std::move(owner)));
  }

  /** The same, and the storage is read-only. */
  template <class Owner = detail::NoOwner>
  static Storage adopt(const void *data, std::size_t size, Owner owner = {}) {
    return adopt_as(SHMALLOC_ACCESS_READ, data, size, detail::Box<Owner>::of(std::move(owner)));
  }

  /** Over the elements of a container, which is moved in and kept as long as the storage needs it. */
  template <class Container>
  static Storage adopt(Container container) {
    using Element = std::remove_pointer_t<decltype(std::data(container))>;
    static_assert(std::is_trivially_copyable_v<Element>, "other processes can use only what can be copied as bytes");
    auto box = detail::Box<Container>::of(std::move(container));
    auto *data = std::data(box->owner);  // only now: some containers keep few elements inside themselves
    const std::size_t size = std::size(box->owner) * sizeof(Element);
    return adopt_as(std::is_const_v<Element> ? SHMALLOC_ACCESS_READ : SHMALLOC_ACCESS_WRITE, data, size, std::move(box));
  }

  /** Over memory of a device; `owner` as above. */
  template <class Owner = detail::NoOwner>
  static Storage adopt(Device device, Address address, std::size_t size, Owner owner = {}, const AdoptOptions &options = {}) {
    auto params = SHMALLOC_INIT(shmalloc_adopt_params);
    params.stream = options.stream.number();
    params.access = options.read_only ? SHMALLOC_ACCESS_READ : SHMALLOC_ACCESS_WRITE;
    return adopt_as(device, params, address, size, detail::Box<Owner>::of(std::move(owner)));
  }

  /** The storage of this process that an address lies in. NotFoundError. */
  static Found find(const void *address, Device device = {});
  static Found find(Device device, Address address);

  /** Open a handle. Each import is a storage of its own, in the exporting process too. */
  static Storage import_handle(const Handle &handle, const ImportOptions &options = {}) {
    auto params = SHMALLOC_INIT(shmalloc_import_params);
    params.stream = options.stream.number();
    params.flags =
        detail::bit_if(options.read_only, SHMALLOC_IMPORT_READ_ONLY) | detail::bit_if(options.counted, SHMALLOC_IMPORT_COUNTED);
    params.format = static_cast<std::int32_t>(options.format);
    shmalloc_storage *opened = nullptr;
    detail::call(shmalloc_storage_import, handle.octets(), handle.size(),
                 options.descriptors.empty() ? nullptr : options.descriptors.data(), options.descriptors.size(), &params, &opened);
    return take(opened);
  }

  /** Open a handle's text form. */
  static Storage import_text(std::string_view text, const ImportOptions &options = {}) {
    return import_handle(Handle::from_text(text), options);
  }

  // ---- asking ----

  /** Its first byte; nullptr when it is empty, closed, or on a device whose memory the host can't touch. Good until somebody calls share() or close(), or the last reference goes: a view
   *  forbids all three. */
  std::byte *data() noexcept { return static_cast<std::byte *>(shmalloc_storage_data(native())); }
  const std::byte *data() const noexcept { return static_cast<const std::byte *>(shmalloc_storage_data(native())); }

  /** Its first byte in its device's space. */
  Address address() const noexcept { return shmalloc_storage_address(native()); }

  /** Where it is. */
  Device device() const { return info().device; }

  /** Bytes that may be used; 0 when it is closed. */
  std::size_t size() const noexcept { return shmalloc_storage_size(native()); }

  /** All the rest. */
  StorageInfo info() const {
    auto info = SHMALLOC_INIT(shmalloc_storage_info);
    detail::call(shmalloc_storage_get_info, required(), &info);
    return {info.data,
            info.address,
            Device::of(info.device),
            info.size,
            info.capacity,
            info.id,
            info.generation,
            info.allocator_id,
            info.references,
            info.pins,
            static_cast<Kind>(info.kind),
            static_cast<State>(info.state),
            static_cast<Mapped>(info.mapped),
            info.fd};
  }

  /** Another process could open it. */
  bool is_shared() const { return has(info().state, State::shared); }

  /** Path of its file or name of its shm object, as long as it has one. */
  std::optional<std::string> name() const {
    try {
      return detail::text_of(shmalloc_storage_get_name, required());
    } catch (const NotFoundError &) {
      return std::nullopt;
    }
  }

  // ---- the bytes ----

  /** To read and write. PermissionError: it is read-only, see const_view(). BusyError: it is being moved or closed right now.
   *  UnsupportedError: the host can't touch its memory; copy_from() brings the bytes. */
  View view() { return View(required()); }
  ConstView view() const { return ConstView(required()); }

  /** To read. */
  ConstView const_view() const { return ConstView(required()); }

  /** Copy bytes from another storage, or within this one; on the host, on a device, between the two. */
  void copy_from(const Storage &source, const CopyOptions &options = {}) {
    detail::call(shmalloc_storage_copy, required(), options.offset, source.required(), options.source_offset,
                 options.size ? *options.size : SHMALLOC_SIZE_ALL, options.stream.number(),
                 detail::bit_if(options.non_blocking, SHMALLOC_COPY_NON_BLOCKING));
  }

  /** Another stream uses it: what is queued there at the last release is done before anybody else has the memory. */
  void record_stream(StreamRef stream) const { detail::call(shmalloc_storage_record_stream, required(), stream.number()); }

  // ---- change ----

  /** Make a private storage shareable by the current allocator, and keep this object: its bytes move. BusyError: there is a view. */
  void share(StreamRef stream = {}) {
    detail::call(shmalloc_storage_share, required(), static_cast<shmalloc_allocator *>(nullptr), stream.number());
  }
  /** The same by another one. */
  void share(const Allocator &to, StreamRef stream = {}) {
    if (!to) throw ClosedError("this allocator is empty");
    detail::call(shmalloc_storage_share, required(), to.native(), stream.number());
  }

  /** Make it longer, at the same address, up to info().capacity; 0: to whatever another process made it. */
  void grow(std::size_t size, StreamRef stream = {}) { detail::call(shmalloc_storage_grow, required(), size, stream.number()); }

  /** From here on nobody writes it. BusyError: there is a View, or another process maps it writable. */
  void seal() { detail::call(shmalloc_storage_seal, required()); }

  /** Give memory, descriptor and name back now, whoever holds references here. BusyError: there is a view. */
  void close() { detail::call(shmalloc_storage_close, required()); }

  // ---- to other processes ----

  /** Bytes from which other processes of this machine open it. */
  Handle export_handle(const ExportOptions &options = {}) const {
    const auto params = detail::params_of(options);
    Handle handle;
    std::size_t length = Handle::max_size;
    detail::call(shmalloc_storage_export, required(), &params, handle.octets(), &length);
    handle.size_ = length;
    return handle;
  }

  /** The same as text. */
  std::string export_text(const ExportOptions &options = {}) const { return export_handle(options).text(); }

  /** Its descriptors, for those who bring them to the receiver themselves. A storage in a segment has two, which lead to all that lies in
   *  the segment. */
  std::vector<Descriptor> export_descriptors(const ExportOptions &options = {}) const;

  /** Make every handle that was given out void. Those who have it open keep it. */
  void revoke() { detail::call(shmalloc_storage_revoke, required()); }

 private:
  static bool asks_for_object(const StorageOptions &options) noexcept {
    return !options.name.empty() || options.mapped != Mapped::none || options.fd || options.file_offset != 0 ||
           options.page_size != 0 || options.mode != 0;
  }

  void make(shmalloc_allocator *allocator, std::size_t size, const StorageOptions &options) {
    const detail::Text name(options.name);
    auto params = SHMALLOC_INIT(shmalloc_storage_params);
    params.name = name.or_null();
    params.alignment = options.alignment;
    params.capacity = options.capacity;
    params.file_offset = options.file_offset;
    params.page_size = options.page_size;
    params.flags =
        detail::bit_if(options.zeroed, SHMALLOC_STORAGE_ZEROED) | detail::bit_if(options.isolated, SHMALLOC_STORAGE_ISOLATED);
    params.mapped = static_cast<std::uint32_t>(options.fd ? options.mapped | Mapped::fromfd : options.mapped);
    params.mode = options.mode;
    params.fd = options.fd.value_or(-1);
    if (options.numa_node) params.numa_node = *options.numa_node < 0 ? -1 : *options.numa_node + 1;
    shmalloc_storage *made = nullptr;
    detail::call(shmalloc_storage_create, allocator, size, options.stream.number(), &params, &made);
    handle_.reset(made);
  }

  template <class Owner>
  static Storage adopt_as(shmalloc_access access, const void *data, std::size_t size, std::unique_ptr<detail::Box<Owner>> box) {
    auto params = SHMALLOC_INIT(shmalloc_adopt_params);
    params.access = access;
    return adopt_as(Device::host(), params, address_of(data), size, std::move(box));
  }

  template <class Owner>
  static Storage adopt_as(Device device, const shmalloc_adopt_params &params, Address address, std::size_t size,
                          std::unique_ptr<detail::Box<Owner>> box) {
    shmalloc_storage *made = nullptr;
    detail::call(shmalloc_storage_adopt, device.number(), address, size, &params, static_cast<void *>(box.release()),
                 &detail::Box<Owner>::finish, &made);
    return take(made);
  }
};

/** Where an address lies. */
struct Found {
  Storage storage;
  std::size_t offset = 0; /**< bytes from the storage's first */
};

inline Found Storage::find(Device device, Address address) {
  shmalloc_storage *storage = nullptr;
  std::size_t offset = 0;
  detail::call(shmalloc_storage_find, device.number(), address, &storage, &offset);
  return {take(storage), offset};
}

inline Found Storage::find(const void *address, Device device) { return find(device, address_of(address)); }

inline std::vector<Descriptor> Storage::export_descriptors(const ExportOptions &options) const {
  const auto params = detail::params_of(options);
  std::array<std::int32_t, 8> numbers{};
  std::size_t count = numbers.size();
  std::vector<Descriptor> found(count);  // first, for there is no way back once they are ours
  detail::call(shmalloc_storage_export_fds, required(), &params, numbers.data(), &count);
  found.resize(count);
  for (std::size_t i = 0; i < count; ++i) found[i] = Descriptor(numbers[i]);
  return found;
}

}  // namespace v0
}  // namespace shmalloc

#endif
