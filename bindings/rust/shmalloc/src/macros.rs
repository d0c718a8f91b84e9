//! Enumerations and sets of flags that may hold what a later library says and this crate has no name for.

/// An enumeration of the C interface: its names, and `Other` for numbers without one.
macro_rules! enumeration {
    ($(#[$about:meta])* pub enum $name:ident: $integer:ty {
        $($(#[$what:meta])* $value:ident = $number:expr,)*
    }) => {
        $(#[$about])*
        #[non_exhaustive]
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name {
            $($(#[$what])* $value,)*
            /// One that this crate has no name for.
            Other($integer),
        }

        impl $name {
            /// The one that has this number in C.
            pub fn from_code(code: $integer) -> Self {
                match code {
                    $(code if code == $number => $name::$value,)*
                    code => $name::Other(code),
                }
            }

            /// Its number in C.
            pub fn code(self) -> $integer {
                match self {
                    $($name::$value => $number,)*
                    $name::Other(code) => code,
                }
            }
        }
    };
}

/// A set of flags of the C interface.
macro_rules! flags {
    ($(#[$about:meta])* pub struct $name:ident {
        $($(#[$what:meta])* $value:ident = $number:expr,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(u32);

        impl $name {
            $($(#[$what])* pub const $value: $name = $name($number);)*

            /// The flags of a number in C, those without a name here too.
            pub const fn from_bits(bits: u32) -> Self {
                $name(bits)
            }

            /// As a number in C.
            pub const fn bits(self) -> u32 {
                self.0
            }

            /// No flag is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// All flags of `other` are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                $name(self.0 | other.0)
            }
        }

        impl std::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut rest = self.0;
                let mut set = f.debug_set();
                $(if self.contains($name::$value) {
                    rest &= !$name::$value.0;
                    set.entry(&format_args!(stringify!($value)));
                })*
                if rest != 0 {
                    set.entry(&format_args!("{:#x}", rest));
                }
                set.finish()
            }
        }
    };
}

/// What the three counted handles of the library have in common: a clone is one reference more, a drop one less. A type may keep fields
/// beside its handle, which are copied.
macro_rules! counted {
    ($name:ident, $raw:ident, $retain:ident, $release:ident $(, $field:ident: $type:ty)*) => {
        // SAFETY: its functions may be called by any thread, several at once ("Threading: any" at each), and so may the release.
        // What the library runs when the last reference goes, the owners of adopted memory and the ends of observers, are Send by the
        // bounds of adopt and observe.
        unsafe impl Send for $name {}
        // SAFETY: as above: no call needs the handle for itself alone.
        unsafe impl Sync for $name {}

        impl $name {
            /// Takes over one reference.
            pub(crate) fn of(handle: std::ptr::NonNull<$crate::sys::$raw> $(, $field: $type)*) -> $name {
                $name { handle $(, $field)* }
            }

            /// The C interface's handle, for calls of [`sys`](crate::sys); it stays this object's.
            pub fn raw(&self) -> *mut $crate::sys::$raw {
                self.handle.as_ptr()
            }

            /// Give it back without doing the work now, system calls and destructors: the next call that may do so does it, of
            /// any thread. [`trim`](crate::trim) is one.
            pub fn release_deferred(self) {
                let handle = self.raw();
                std::mem::forget(self);
                // SAFETY: the reference was this object's, which is forgotten.
                unsafe { $crate::sys::shmalloc_release_deferred(handle.cast()) }
            }
        }

        /// Another reference to the same one.
        impl Clone for $name {
            fn clone(&self) -> $name {
                // SAFETY: alive, for this object has a reference.
                unsafe { $crate::sys::$retain(self.raw()) };
                $name { handle: self.handle $(, $field: self.$field)* }
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the reference is this object's, which is not used any more.
                unsafe { $crate::sys::$release(self.raw()) }
            }
        }
    };
}
