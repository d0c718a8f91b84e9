//! Errors: their status, their text, and what they are as errors of std.
mod support;

use shmalloc::{Handle, Kind, Status, Storage, StorageOptions};
use std::error::Error;
use std::io;
use support::fails;

#[test]
fn names_are_the_library_s() {
    assert_eq!(Status::NoSpace.name(), "NO_SPACE");
    assert_eq!(Status::PeerGone.to_string(), "PEER_GONE");
    assert_eq!(Status::Other(7).name(), "UNKNOWN");
    for code in -18..0 {
        assert_eq!(Status::from_code(code).code(), code);
        assert!(!matches!(Status::from_code(code), Status::Other(_)), "{code}");
    }
    assert_eq!(Kind::from_code(77), Kind::Other(77));
}

#[test]
fn what_a_call_says_comes_along() {
    let error = fails(StorageOptions::new().name("/nowhere/at/all").create(0), Status::NotFound);
    assert_eq!(error.os_error(), Some(2));
    assert_eq!(error.backend_error(), None);
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    assert!(format!("{error:?}").contains("NotFound"));
    let boxed: Box<dyn Error + Send + Sync> = error.into();
    assert!(boxed.downcast_ref::<shmalloc::Error>().is_some());
}

#[test]
fn as_errors_of_io() {
    let kind = |error: shmalloc::Error| io::Error::from(error).kind();
    assert_eq!(
        kind(fails(StorageOptions::new().name("/nowhere/at/all").create(0), Status::NotFound)),
        io::ErrorKind::NotFound
    );
    assert_eq!(kind(fails(Storage::from_text("nonsense"), Status::Corrupt)), io::ErrorKind::InvalidData);
    let storage = Storage::new(1).unwrap();
    let error = io::Error::from(fails(storage.write_at(1, b"x"), Status::Invalid));
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.get_ref().unwrap().is::<shmalloc::Error>());
}

#[test]
fn handles_that_are_none() {
    fails(Storage::import(b"nonsense"), Status::Corrupt);
    fails(Storage::import(b""), Status::Corrupt);
    fails("shmalloc1:%".parse::<Handle>(), Status::Corrupt);
    fails("x\0y".parse::<Handle>(), Status::Invalid);
    fails("A".repeat(5000).parse::<Handle>(), Status::Corrupt);
    fails(Handle::try_from(&[0; 513][..]), Status::Corrupt);
    let mut bytes = Storage::new(1).unwrap().export().unwrap().as_bytes().to_vec();
    bytes[20] ^= 1;
    let forged = Handle::try_from(&bytes[..]).unwrap();
    fails(forged.info(), Status::Corrupt);
    fails(Storage::import(&forged), Status::Corrupt);
}

#[test]
fn the_library_s_own_words() {
    assert_eq!(shmalloc::version(), shmalloc::sys::SHMALLOC_VERSION);
    assert_eq!(shmalloc::version_string(), env!("CARGO_PKG_VERSION"));
    assert_eq!(shmalloc::format_size(1536).unwrap(), "1.50 KiB");
    assert_eq!(shmalloc::abi_lookup("sizeof(shmalloc_error)").unwrap(), 256);
    fails(shmalloc::abi_lookup("sizeof(nothing)"), Status::NotFound);
    let (one, other) = (shmalloc::make_name(None).unwrap(), shmalloc::make_name(None).unwrap());
    assert!(one.starts_with("/shmalloc_") && one != other, "{one}");
    fails(shmalloc::make_name(Some("no spaces")), Status::Invalid);
}
