/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/flags.hpp - enumerations whose values are bits: |, &, ~ and has(). */
#ifndef SHMALLOC_CPP_FLAGS_HPP
#define SHMALLOC_CPP_FLAGS_HPP

#include <cstdint>
#include <type_traits>

namespace shmalloc {
inline namespace v0 {

template <class Enum>
struct IsFlags : std::false_type {};

template <class Enum>
using Flags = std::enable_if_t<IsFlags<Enum>::value, Enum>;

template <class Enum>
constexpr Flags<Enum> operator|(Enum a, Enum b) noexcept {
  using Bits = std::underlying_type_t<Enum>;
  return static_cast<Enum>(static_cast<Bits>(a) | static_cast<Bits>(b));
}

template <class Enum>
constexpr Flags<Enum> operator&(Enum a, Enum b) noexcept {
  using Bits = std::underlying_type_t<Enum>;
  return static_cast<Enum>(static_cast<Bits>(a) & static_cast<Bits>(b));
}

template <class Enum>
constexpr Flags<Enum> operator~(Enum a) noexcept {
  return static_cast<Enum>(~static_cast<std::underlying_type_t<Enum>>(a));
}

template <class Enum>
constexpr Flags<Enum> &operator|=(Enum &a, Enum b) noexcept {
  return a = a | b;
}

template <class Enum>
constexpr Flags<Enum> &operator&=(Enum &a, Enum b) noexcept {
  return a = a & b;
}

/** All of `flags` are in `set`. */
template <class Enum>
constexpr bool has(Flags<Enum> set, Enum flags) noexcept {
  return (set & flags) == flags;
}

namespace detail {

/* A bit of the C library's flags, or none. */
template <class Bit>
constexpr std::uint32_t bit_if(bool wanted, Bit bit) noexcept {
  return wanted ? static_cast<std::uint32_t>(bit) : 0U;
}

}  // namespace detail
}  // namespace v0
}  // namespace shmalloc

#endif
