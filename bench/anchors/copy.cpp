#include "anchors/copy.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace bench {

namespace {

void by_string_instruction(void *to, const void *from, std::size_t size) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

__attribute__((target("avx512f"))) void by_64(void *to, const void *from, std::size_t size) {
  auto *out = static_cast<__m512i *>(to);
  const auto *in = static_cast<const __m512i *>(from);
  for (std::size_t index = 0; index < size / sizeof(__m512i); ++index)
    _mm512_stream_si512(out + index, _mm512_load_si512(in + index));
  _mm_sfence();
}

__attribute__((target("avx"))) void by_32(void *to, const void *from, std::size_t size) {
  auto *out = static_cast<__m256i *>(to);
  const auto *in = static_cast<const __m256i *>(from);
  for (std::size_t index = 0; index < size / sizeof(__m256i); ++index)
    _mm256_stream_si256(out + index, _mm256_load_si256(in + index));
  _mm_sfence();
}

void by_16(void *to, const void *from, std::size_t size) {
  auto *out = static_cast<__m128i *>(to);
  const auto *in = static_cast<const __m128i *>(from);
  for (std::size_t index = 0; index < size / sizeof(__m128i); ++index) _mm_stream_si128(out + index, _mm_load_si128(in + index));
  _mm_sfence();
}

}  // namespace

CopyFunction copy_by_string_instruction() { return by_string_instruction; }

CopyFunction copy_past_caches() {
  if (__builtin_cpu_supports("avx512f") != 0) return by_64;
  if (__builtin_cpu_supports("avx") != 0) return by_32;
  return by_16;
}

}  // namespace bench

#else

namespace bench {
CopyFunction copy_by_string_instruction() { return nullptr; }
CopyFunction copy_past_caches() { return nullptr; }
}  // namespace bench

#endif
