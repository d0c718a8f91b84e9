/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/storage.hpp - some bytes with an owner. */
#ifndef SHMALLOC_CPP_STORAGE_HPP
#define SHMALLOC_CPP_STORAGE_HPP

#include "shmalloc/cpp/adopt.hpp"
#include "shmalloc/cpp/allocator.hpp"
#include "shmalloc/cpp/descriptor.hpp"
#include "shmalloc/cpp/handle.hpp"
#include "shmalloc/cpp/view.hpp"
#include "shmalloc/storage.h"

namespace shmalloc {
inline namespace v0 {

/** What a storage is mapped from; see shmalloc_mapped_flags. */
enum class Mapped : std::uint32_t {
  none = 0,
  shared = SHMALLOC_MAPPED_SHARED,
  sharedmem = SHMALLOC_MAPPED_SHAREDMEM,
  exclusive = SHMALLOC_MAPPED_EXCLUSIVE,
  nocreate = SHMALLOC_MAPPED_NOCREATE,
  keepfd = SHMALLOC_MAPPED_KEEPFD,
  fromfd = SHMALLOC_MAPPED_FROMFD,
  unlink = SHMALLOC_MAPPED_UNLINK,
  no_grow = SHMALLOC_MAPPED_NO_GROW,
  read_only = SHMALLOC_MAPPED_READ_ONLY,
  memfd = SHMALLOC_MAPPED_MEMFD,
  hugetlb = SHMALLOC_MAPPED_HUGETLB
};
template <>
struct IsFlags<Mapped> : std::true_type {};

/** What a storage is now; see shmalloc_storage_state_flags. */
enum class State : std::uint32_t {
  none = 0,
  shared = SHMALLOC_STORAGE_STATE_SHARED,
  imported = SHMALLOC_STORAGE_STATE_IMPORTED,
  read_only = SHMALLOC_STORAGE_STATE_READ_ONLY,
  sealed = SHMALLOC_STORAGE_STATE_SEALED,
  write_sealed = SHMALLOC_STORAGE_STATE_WRITE_SEALED,
  immutable = SHMALLOC_STORAGE_STATE_IMMUTABLE,
  closed = SHMALLOC_STORAGE_STATE_CLOSED,
  forked = SHMALLOC_STORAGE_STATE_FORKED
};
template <>
struct IsFlags<State> : std::true_type {};

/** What a new storage needs beyond its size; see shmalloc_storage_params. */
struct StorageOptions {
  std::string name{};             /**< path of a file, or name of a shm object */
  Mapped mapped = Mapped::none;   /**< from what it is mapped */
  std::optional<int> fd{};        /**< the object behind it (fromfd); it is duplicated */
  std::uint64_t alignment = 0;    /**< bytes, a power of two */
  std::uint64_t capacity = 0;     /**< bytes that it may grow to */
  std::uint64_t file_offset = 0;  /**< where in the file it begins */
  std::uint64_t page_size = 0;    /**< hugetlb: bytes */
  std::uint32_t mode = 0;         /**< permission bits of a new file or object */
  std::optional<int> numa_node{}; /**< that the memory is bound to; -1: any; nothing: the allocator's */
  bool zeroed = false;            /**< all 0; without it memory of kind shared holds what was there before */
  bool isolated = false; /**< pages and a descriptor of its own: for receivers that must not see its neighbours, or not write */
  Stream stream = SHMALLOC_STREAM_DEFAULT;
};

/** Which bytes to copy. */
struct CopyOptions {
  std::size_t offset = 0;
  std::size_t source_offset = 0;
  std::optional<std::size_t> size{}; /**< nothing: all that follow the offsets, and then both must be as long */
  Stream stream = SHMALLOC_STREAM_DEFAULT;
  bool non_blocking = false; /**< return once it is queued on the stream; between host memories it is done on return anyway */
};

/** A storage, described; see shmalloc_storage_info. */
struct StorageInfo {
  void *data = nullptr;
  shmalloc_address address = 0;
  Device device;
  std::uint64_t size = 0;
  std::uint64_t capacity = 0;
  std::uint64_t id = 0;
  std::uint64_t generation = 0;
  std::uint64_t allocator_id = 0;
  std::uint64_t references = 0;
  std::uint64_t pins = 0;
  Kind kind = Kind::standard;
  State state = State::none;
  Mapped mapped = Mapped::none;
  int fd = -1; /**< borrowed, good as long as the storage is open; -1: none kept */
};

struct Found;

/** Bytes that other processes can open. Who only has a const Storage can read them. Any thread may use it, several at once. */
class Storage : public Reference<Storage, shmalloc_storage> {
 public:
  /** Empty: no storage at all. */
  Storage() = default;

  /** From the current allocator. What asks for an object of its own by `mapped`, `name`, `fd`, `file_offset`, `page_size` or `mode` is
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

  /** The storage of this process that an address lies in. NotFoundError. */
  static Found find(const void *address, Device device = {});

  /** Open a handle. Each import is a storage of its own, in the exporting process too. */
  static Storage import_handle(const Handle &handle, const ImportOptions &options = {}) {
    auto params = SHMALLOC_INIT(shmalloc_import_params);
    params.stream = options.stream;
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

  /** Its first byte; nullptr when it is empty or closed. Good until somebody calls share() or close(), or the last reference goes: a view
   *  forbids all three. */
  std::byte *data() noexcept { return static_cast<std::byte *>(shmalloc_storage_data(native())); }
  const std::byte *data() const noexcept { return static_cast<const std::byte *>(shmalloc_storage_data(native())); }

  /** Its first byte in its device's space. */
  shmalloc_address address() const noexcept { return shmalloc_storage_address(native()); }

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

  /** To read and write. PermissionError: it is read-only, see const_view(). BusyError: it is being moved or closed right now. */
  View view() { return View(required()); }
  ConstView view() const { return ConstView(required()); }

  /** To read. */
  ConstView const_view() const { return ConstView(required()); }

  /** Copy bytes from another storage, or within this one. */
  void copy_from(const Storage &source, const CopyOptions &options = {}) {
    detail::call(shmalloc_storage_copy, required(), options.offset, source.required(), options.source_offset,
                 options.size ? *options.size : SHMALLOC_SIZE_ALL, options.stream,
                 detail::bit_if(options.non_blocking, SHMALLOC_COPY_NON_BLOCKING));
  }

  // ---- change ----

  /** Make a private storage shareable by the current allocator, and keep this object: its bytes move. BusyError: there is a view. */
  void share(Stream stream = SHMALLOC_STREAM_DEFAULT) {
    detail::call(shmalloc_storage_share, required(), static_cast<shmalloc_allocator *>(nullptr), stream);
  }
  /** The same by another one. */
  void share(const Allocator &to, Stream stream = SHMALLOC_STREAM_DEFAULT) {
    if (!to) throw ClosedError("this allocator is empty");
    detail::call(shmalloc_storage_share, required(), to.native(), stream);
  }

  /** Make it longer, at the same address, up to info().capacity; 0: to whatever another process made it. */
  void grow(std::size_t size, Stream stream = SHMALLOC_STREAM_DEFAULT) {
    detail::call(shmalloc_storage_grow, required(), size, stream);
  }

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
    detail::call(shmalloc_storage_create, allocator, size, options.stream, &params, &made);
    handle_.reset(made);
  }

  template <class Owner>
  static Storage adopt_as(shmalloc_access access, const void *data, std::size_t size, std::unique_ptr<detail::Box<Owner>> box) {
    auto params = SHMALLOC_INIT(shmalloc_adopt_params);
    params.access = access;
    shmalloc_storage *made = nullptr;
    detail::call(shmalloc_storage_adopt, shmalloc_device{SHMALLOC_DEVICE_HOST},
                 shmalloc_address{reinterpret_cast<std::uintptr_t>(data)}, size, &params, static_cast<void *>(box.release()),
                 &detail::Box<Owner>::finish, &made);
    return take(made);
  }
};

/** Where an address lies. */
struct Found {
  Storage storage;
  std::size_t offset = 0; /**< bytes from the storage's first */
};

inline Found Storage::find(const void *address, Device device) {
  shmalloc_storage *storage = nullptr;
  std::size_t offset = 0;
  detail::call(shmalloc_storage_find, device.number(), shmalloc_address{reinterpret_cast<std::uintptr_t>(address)}, &storage,
               &offset);
  return {take(storage), offset};
}

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
