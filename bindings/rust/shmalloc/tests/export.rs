//! Handles: what they say, and the ways by which they lead to the memory.
mod support;

use shmalloc::{Allocator, ExportOptions, Handle, ImportOptions, Kind, Route, State, Status, Storage};
use std::os::unix::io::AsFd;
use support::fails;

#[test]
fn as_bytes_and_as_text() {
    let storage = Storage::new(1000).unwrap();
    let handle = storage.export().unwrap();
    assert!(handle.as_bytes().len() <= Handle::MAX);
    let text = handle.to_text().unwrap();
    assert!(text.starts_with("shmalloc1:"), "{text}");
    assert_eq!(format!("  {text}\n").parse::<Handle>().unwrap(), handle);
    assert_eq!(Handle::try_from(handle.as_ref()).unwrap(), handle);
    assert_eq!(storage.export_text().unwrap().parse::<Handle>().unwrap().info().unwrap().size, 1000);
    storage.write_at(999, b"x").unwrap();
    for opened in [Storage::import(handle.as_bytes()).unwrap(), Storage::from_text(&text).unwrap()] {
        assert!(opened.info().unwrap().state.contains(State::IMPORTED));
        assert_eq!(opened.to_vec().unwrap()[999], b'x');
    }
}

#[test]
fn what_a_handle_says() {
    let storage = Storage::options().isolated(true).capacity(1 << 16).create(1000).unwrap();
    let info = ExportOptions::new().descriptor(true).export(&storage).unwrap().info().unwrap();
    assert_eq!((info.size, info.capacity, info.kind), (1000, 1 << 16, Kind::Map));
    assert_eq!(info.pid as u32, std::process::id());
    assert!(!info.read_only);
    assert_eq!(info.route, Route::Descriptor);
    let other = storage.export().unwrap().info().unwrap();
    assert_eq!(other.identity, info.identity);
    assert_eq!(other.route, Route::Process);
}

#[test]
fn with_descriptors() {
    let storage = Storage::new(100).unwrap();
    storage.write_at(0, b"hello").unwrap();
    let options = ExportOptions::new().descriptor(true);
    let (handle, fds) = (options.export(&storage).unwrap(), options.export_fds(&storage).unwrap());
    assert_eq!(fds.len(), 2, "a segment has two");
    let alone = options.export(&Storage::options().isolated(true).create(1).unwrap()).unwrap();
    fails(Storage::import(alone), Status::Invalid);
    let borrowed: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
    let opened = ImportOptions::new().import(&handle, &borrowed).unwrap();
    drop(fds);
    assert_eq!(&opened.to_vec().unwrap()[..5], b"hello");
}

#[test]
fn read_only() {
    let storage = Storage::options().isolated(true).create(5).unwrap();
    storage.write_at(0, b"hello").unwrap();
    let guarded = ImportOptions::new().read_only(true).import(storage.export().unwrap(), &[]).unwrap();
    fails(guarded.view_mut(), Status::Permission);
    let handle = ExportOptions::new().read_only(true).export(&storage).unwrap();
    assert!(handle.info().unwrap().read_only);
    let opened = Storage::import(handle).unwrap();
    fails(opened.view_mut(), Status::Permission);
    fails(opened.slice(), Status::Permission);
    storage.write_at(0, b"j").unwrap();
    assert_eq!(opened.to_vec().unwrap(), b"jello");
    fails(ExportOptions::new().read_only(true).export(&Storage::new(5).unwrap()), Status::Unsupported);
}

#[test]
fn of_every_kind() {
    for kind in [Kind::Map, Kind::MapRefcounted, Kind::Shared] {
        let storage = Allocator::new(kind).unwrap().create(5000).unwrap();
        let opened = Storage::import(storage.export().unwrap()).unwrap();
        storage.write_at(4999, b"x").unwrap();
        assert_eq!(opened.to_vec().unwrap()[4999], b'x');
        assert_eq!(opened.info().unwrap().kind, kind);
        assert_eq!(opened.info().unwrap().allocator_id, None);
    }
}
