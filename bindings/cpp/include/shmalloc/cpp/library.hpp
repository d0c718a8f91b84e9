/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/library.hpp - the library that runs, and whether this header is meant for it. */
#ifndef SHMALLOC_CPP_LIBRARY_HPP
#define SHMALLOC_CPP_LIBRARY_HPP

#include <optional>

#include "shmalloc.h"
#include "shmalloc/cpp/error.hpp"
#include "shmalloc/dlpack.h"

namespace shmalloc {
inline namespace v0 {

/** Version of the library that runs, major * 10^6 + minor * 10^3 + patch. */
inline std::uint32_t version() noexcept { return shmalloc_version(); }

/** The same for people: "0.1.0". */
inline const char *version_string() noexcept { return shmalloc_version_string(); }

/** Value of a constant, size or offset in the library that runs: "sizeof(shmalloc_error)". */
inline std::optional<std::int64_t> abi_lookup(std::string_view name) {
  const detail::Text text(name);
  std::int64_t value = 0;
  shmalloc_error error;
  switch (shmalloc_abi_lookup(text.get(), &value, &error)) {
    case SHMALLOC_STATUS_OK:
      return value;
    case SHMALLOC_STATUS_NOT_FOUND:
      return std::nullopt;
    default:
      detail::throw_error(error);
  }
}

/** "512 bytes", "1.50 KiB". */
inline std::string format_size(std::uint64_t size) { return detail::text_of(shmalloc_format_size, size); }

/** VersionError: the library that runs is older than the one that this program was compiled for, or its structs are other ones. A program
 *  that is linked in the usual way is kept from that by the library's name; one that loads it by hand calls this first. */
inline void check_library() {
  if (version() < SHMALLOC_VERSION || version() / 1000 != SHMALLOC_VERSION / 1000)
    throw VersionError("the program was compiled for shmalloc " + std::to_string(SHMALLOC_VERSION_MAJOR) + "." +
                       std::to_string(SHMALLOC_VERSION_MINOR) + ", the library is " + version_string());
  const auto same = [](const char *name, std::size_t size) {
    if (abi_lookup(name) != static_cast<std::int64_t>(size))
      throw VersionError(std::string(name) + " is another one in the library that runs");
  };
  same("sizeof(shmalloc_error)", sizeof(shmalloc_error));
  same("sizeof(shmalloc_device_info)", sizeof(shmalloc_device_info));
  same("sizeof(shmalloc_allocator_params)", sizeof(shmalloc_allocator_params));
  same("sizeof(shmalloc_allocator_info)", sizeof(shmalloc_allocator_info));
  same("sizeof(shmalloc_backend)", sizeof(shmalloc_backend));
  same("sizeof(shmalloc_cache_info)", sizeof(shmalloc_cache_info));
  same("sizeof(shmalloc_caching_params)", sizeof(shmalloc_caching_params));
  same("sizeof(shmalloc_notice)", sizeof(shmalloc_notice));
  same("sizeof(shmalloc_storage_params)", sizeof(shmalloc_storage_params));
  same("sizeof(shmalloc_adopt_params)", sizeof(shmalloc_adopt_params));
  same("sizeof(shmalloc_storage_info)", sizeof(shmalloc_storage_info));
  same("sizeof(shmalloc_export_params)", sizeof(shmalloc_export_params));
  same("sizeof(shmalloc_import_params)", sizeof(shmalloc_import_params));
  same("sizeof(shmalloc_handle_info)", sizeof(shmalloc_handle_info));
  same("sizeof(shmalloc_channel_params)", sizeof(shmalloc_channel_params));
  same("sizeof(shmalloc_channel_info)", sizeof(shmalloc_channel_info));
  same("sizeof(shmalloc_object_info)", sizeof(shmalloc_object_info));
  same("sizeof(shmalloc_statistics)", sizeof(shmalloc_statistics));
  same("sizeof(shmalloc_history_params)", sizeof(shmalloc_history_params));
  same("sizeof(shmalloc_snapshot_params)", sizeof(shmalloc_snapshot_params));
  same("sizeof(shmalloc_tensor)", sizeof(shmalloc_tensor));
}

}  // namespace v0
}  // namespace shmalloc

#endif
