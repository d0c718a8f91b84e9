/* SPDX-License-Identifier: MIT
 * shmalloc for C++17 and later: headers only, over the C library. What the calls mean stands in shmalloc.h.
 *
 *   shmalloc::Storage storage(1 << 20);                       one process makes a storage,
 *   std::memcpy(storage.data(), "hello", 6);
 *   std::string text = storage.export_text();                 and sends this text by any means.
 *
 *   auto storage = shmalloc::Storage::import_text(text);      Another process opens it: same memory.
 *
 * Device, Stream and Event are for memory of devices, and Allocator(device) makes storages there.
 *
 * Objects give back what they hold at the end of their scope; they move, and are not copied. Failures are exceptions, derived from
 * shmalloc::Error. Where the C library has a struct of parameters, there is one of options with the same meanings. */
#ifndef SHMALLOC_HPP
#define SHMALLOC_HPP

#include "shmalloc/cpp/allocator.hpp"
#include "shmalloc/cpp/backend.hpp"
#include "shmalloc/cpp/bytes.hpp"
#include "shmalloc/cpp/caching.hpp"
#include "shmalloc/cpp/channel.hpp"
#include "shmalloc/cpp/descriptor.hpp"
#include "shmalloc/cpp/device.hpp"
#include "shmalloc/cpp/dlpack.hpp"
#include "shmalloc/cpp/error.hpp"
#include "shmalloc/cpp/flags.hpp"
#include "shmalloc/cpp/handle.hpp"
#include "shmalloc/cpp/ipc.hpp"
#include "shmalloc/cpp/library.hpp"
#include "shmalloc/cpp/log.hpp"
#include "shmalloc/cpp/machine.hpp"
#include "shmalloc/cpp/memory_resource.hpp"
#include "shmalloc/cpp/observer.hpp"
#include "shmalloc/cpp/record.hpp"
#include "shmalloc/cpp/reference.hpp"
#include "shmalloc/cpp/storage.hpp"
#include "shmalloc/cpp/storage_options.hpp"
#include "shmalloc/cpp/stream.hpp"
#include "shmalloc/cpp/time.hpp"
#include "shmalloc/cpp/torch.hpp"
#include "shmalloc/cpp/trace.hpp"
#include "shmalloc/cpp/view.hpp"

#endif
