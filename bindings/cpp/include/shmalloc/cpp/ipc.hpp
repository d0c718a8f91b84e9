/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/ipc.hpp - storages over a unix socket, and names of shared objects. */
#ifndef SHMALLOC_CPP_IPC_HPP
#define SHMALLOC_CPP_IPC_HPP

#include <initializer_list>

#include "shmalloc/cpp/storage.hpp"

namespace shmalloc {
inline namespace v0 {

/** How to receive; see shmalloc_import_params. */
struct ReceiveOptions {
  Timeout timeout{};                       /**< nothing: as long as the socket would wait */
  bool read_only = false;                  /**< map for reading only */
  bool same_user = false;                  /**< the other end must run as this user, else PermissionError */
  std::size_t room = SHMALLOC_MESSAGE_MAX; /**< NoSpaceError: there are more, and they wait */
  StreamRef stream{};
};

/** Send 1 to 253 storages over a unix socket in one message, with all that the receiver needs: all of them or none. `storages` is any
 *  range of Storage or of std::reference_wrapper<const Storage>. */
template <class Range>
void send(int socket, const Range &storages, const ExportOptions &options = {}) {
  std::vector<shmalloc_storage *> natives;
  for (const Storage &storage : storages) natives.push_back(storage.native());
  const auto params = detail::params_of(options);
  detail::call(shmalloc_storage_send, std::int32_t{socket}, static_cast<shmalloc_storage *const *>(natives.data()), natives.size(),
               &params);
}

inline void send(int socket, const Storage &storage, const ExportOptions &options = {}) {
  send(socket, std::initializer_list<std::reference_wrapper<const Storage>>{storage}, options);
}

inline void send(int socket, std::initializer_list<std::reference_wrapper<const Storage>> storages,
                 const ExportOptions &options = {}) {
  send<std::initializer_list<std::reference_wrapper<const Storage>>>(socket, storages, options);
}

/** The storages of one message. */
inline std::vector<Storage> receive(int socket, const ReceiveOptions &options = {}) {
  auto params = SHMALLOC_INIT(shmalloc_import_params);
  params.timeout_ns = detail::nanoseconds(options.timeout);
  params.stream = options.stream.number();
  params.flags =
      detail::bit_if(options.read_only, SHMALLOC_IMPORT_READ_ONLY) | detail::bit_if(options.same_user, SHMALLOC_IMPORT_SAME_USER);
  std::vector<shmalloc_storage *> natives(options.room);
  std::vector<Storage> storages(options.room);  // first, for there is no way back once they are ours
  std::size_t count = natives.size();
  detail::call(shmalloc_storage_receive, std::int32_t{socket}, &params, natives.data(), &count);
  storages.resize(count);
  for (std::size_t i = 0; i < count; ++i) storages[i] = Storage::take(natives[i]);
  return storages;
}

/** A new name for a shared object, with its leading slash; unguessable. */
inline std::string make_name(std::string_view prefix = {}) {
  return detail::text_of(shmalloc_make_name, detail::Text(prefix).or_null());
}

}  // namespace v0
}  // namespace shmalloc

#endif
