// Hostile handles: bytes and text, as they are and with a checksum that is right, decoded, described, turned to text and back, imported.
// Nothing may crash, and what decodes must encode to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/text.hpp"
#include "shmalloc.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const std::uint8_t *bytes, std::size_t size) {
  shmalloc_handle_info info = SHMALLOC_INIT(shmalloc_handle_info);
  const bool decodes = shmalloc_handle_get_info(bytes, size, &info, nullptr) == SHMALLOC_STATUS_OK;
  char text[SHMALLOC_HANDLE_TEXT_MAX];
  std::size_t length = sizeof text;
  if (shmalloc_handle_to_text(bytes, size, text, &length, nullptr) == SHMALLOC_STATUS_OK) {
    std::uint8_t again[SHMALLOC_HANDLE_MAX];
    std::size_t again_size = sizeof again;
    require(shmalloc_handle_from_text(text, again, &again_size, nullptr) == SHMALLOC_STATUS_OK);
    require(again_size == size && std::memcmp(again, bytes, size) == 0);
  } else {
    require(!decodes);
  }
  // Opened for real, but for paths: a fuzzer may name any file.
  if (decodes && info.route == SHMALLOC_HANDLE_ROUTE_FILE) return;
  shmalloc_storage *storage = nullptr;
  if (shmalloc_storage_import(bytes, size, nullptr, 0, nullptr, &storage, nullptr) == SHMALLOC_STATUS_OK)
    shmalloc_storage_release(storage);
}

// Files of the machine are not for a fuzzer to open, not even through the file_system strategy's names.
void check_torch(const std::uint8_t *bytes, std::size_t size) {
  shmalloc_import_params params = SHMALLOC_INIT(shmalloc_import_params);
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FD;
  shmalloc_storage *storage = nullptr;
  require(shmalloc_storage_import(bytes, size, nullptr, 0, &params, &storage, nullptr) != SHMALLOC_STATUS_OK);
  params.format = SHMALLOC_HANDLE_FORMAT_TORCH_FILE;
  std::string text(reinterpret_cast<const char *>(bytes), size);
  if (text.empty() || text[0] != '\n') text.insert(0, "\n");  // no manager: it would be connected to
  const auto *at = reinterpret_cast<const std::uint8_t *>(text.data());
  if (shmalloc_storage_import(at, text.size(), nullptr, 0, &params, &storage, nullptr) == SHMALLOC_STATUS_OK)
    shmalloc_storage_release(storage);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t how = data[0];
  ++data;
  --size;
  if (how % 4 == 0) {
    check(data, size);
  } else if (how % 4 == 1) {
    // A real handle with the fuzzer's bytes over it, and the checksum made right: what lies behind it is reached.
    static std::uint8_t good[SHMALLOC_HANDLE_MAX];
    static std::size_t good_size = 0;
    if (good_size == 0) {
      shmalloc_storage *storage = nullptr;
      good_size = sizeof good;
      require(shmalloc_storage_create(nullptr, 4096, 0, nullptr, &storage, nullptr) == SHMALLOC_STATUS_OK);
      require(shmalloc_storage_export(storage, nullptr, good, &good_size, nullptr) == SHMALLOC_STATUS_OK);
    }
    std::uint8_t bytes[SHMALLOC_HANDLE_MAX];
    std::memcpy(bytes, good, good_size);
    std::size_t length = good_size;
    if (size >= 2) {
      const std::size_t at = 12 + data[0] % (good_size - 12);
      for (std::size_t i = 1; i < size && at + i - 1 < sizeof bytes; ++i) {
        bytes[at + i - 1] ^= data[i];
        if (at + i > length) length = at + i;
      }
    }
    bytes[6] = static_cast<std::uint8_t>(length);
    bytes[7] = static_cast<std::uint8_t>(length >> 8);
    const std::uint32_t sum = shmalloc::crc32c(bytes + 12, length - 12);
    std::memcpy(bytes + 8, &sum, sizeof sum);
    check(bytes, length);
  } else if (how % 4 == 2) {
    const std::string text(reinterpret_cast<const char *>(data), size);
    std::uint8_t bytes[SHMALLOC_HANDLE_MAX];
    std::size_t length = sizeof bytes;
    if (shmalloc_handle_from_text(text.c_str(), bytes, &length, nullptr) == SHMALLOC_STATUS_OK) check(bytes, length);
  } else {
    check_torch(data, size);
  }
  return 0;
}
