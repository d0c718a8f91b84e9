//! Storages: made, asked, copied, shared, grown, sealed and given back.
mod support;

use shmalloc::{Allocator, Channel, Kind, Mapped, State, Status, Storage, StorageOptions, Time, Trim, View, ViewMut};
use std::fs::File;
use std::io::Write;
use std::os::unix::io::AsFd;
use support::{fails, name};

#[test]
fn any_thread_may_use_them() {
    fn is<T: Send + Sync>() {}
    is::<Storage>();
    is::<Allocator>();
    is::<Channel>();
    is::<View>();
    is::<ViewMut>();
    is::<shmalloc::Stream>();
    is::<shmalloc::Event>();
    is::<shmalloc::Observer>();
    is::<shmalloc::Slice>();
    is::<shmalloc::SliceMut>();
    is::<shmalloc::Error>();
}

#[test]
fn made_written_and_read() {
    let storage = Storage::options().zeroed(true).create(100).unwrap();
    assert_eq!(storage.size(), 100);
    assert_eq!(storage.to_vec().unwrap(), [0; 100]);
    storage.write_at(98, b"ab").unwrap();
    let mut found = [0; 3];
    storage.read_at(97, &mut found).unwrap();
    assert_eq!(&found, b"\0ab");
    fails(storage.write_at(99, b"ab"), Status::Invalid);
    fails(storage.read_at(usize::MAX, &mut found), Status::Invalid);
    let info = storage.info().unwrap();
    assert_eq!((info.size, info.references, info.pins), (100, 1, 0));
    assert_eq!(info.address, storage.address());
    assert_eq!(storage.data() as usize as u64, storage.address());
    assert!(info.state.contains(State::SHARED) && !info.state.contains(State::CLOSED));
    assert!(info.allocator_id.is_some());
    assert_eq!(storage.name().unwrap(), None);
}

#[test]
fn an_empty_one_has_no_bytes() {
    let storage = Storage::new(0).unwrap();
    assert!(storage.data().is_null());
    assert!(storage.view().unwrap().is_empty());
    assert!(storage.slice().unwrap().is_empty());
    assert_eq!(storage.to_vec().unwrap(), []);
    storage.write_at(0, b"").unwrap();
    fails(storage.write_at(0, b"a"), Status::Invalid);
}

#[test]
fn a_clone_is_a_reference() {
    let storage = Storage::new(10).unwrap();
    let other = storage.clone();
    assert_eq!(storage.info().unwrap().references, 2);
    drop(storage);
    assert_eq!(other.info().unwrap().references, 1);
    other.clone().release_deferred();
    shmalloc::trim(Trim::DEFERRED, 0).unwrap();
    assert_eq!(other.info().unwrap().references, 1);
}

#[test]
fn a_closed_one_says_so() {
    let storage = Storage::new(10).unwrap();
    let view = storage.view().unwrap();
    fails(storage.close(), Status::Busy);
    drop(view);
    storage.close().unwrap();
    storage.close().unwrap();
    assert_eq!((storage.size(), storage.address()), (0, 0));
    fails(storage.view(), Status::Closed);
    assert!(storage.info().unwrap().state.contains(State::CLOSED));
}

#[test]
fn found_by_an_address() {
    let storage = Storage::new(1000).unwrap();
    let (found, offset) = Storage::find(storage.data().wrapping_add(7)).unwrap();
    assert_eq!((found.info().unwrap().id, offset), (storage.info().unwrap().id, 7));
    let local = 0_u8;
    fails(Storage::find(&local), Status::NotFound);
}

#[test]
fn copied() {
    let (source, target) = (Storage::new(10).unwrap(), Storage::new(10).unwrap());
    source.write_at(0, b"0123456789").unwrap();
    target.copy_from(&source).unwrap();
    target.copy_range(0, &source, 8, 2).unwrap();
    assert_eq!(target.to_vec().unwrap(), b"8923456789");
    fails(target.copy_from(&Storage::new(11).unwrap()), Status::Invalid);
    fails(target.copy_range(5, &source, 0, 6), Status::Invalid);
    fails(target.copy_range(0, &source, 0, usize::MAX), Status::Invalid);
}

#[test]
fn private_until_it_is_shared() {
    let private = Allocator::new(Kind::Direct).unwrap().create(10).unwrap();
    private.write_at(0, b"0123456789").unwrap();
    fails(private.export(), Status::Unsupported);
    let view = private.view().unwrap();
    fails(private.share(), Status::Busy);
    drop(view);
    let before = private.info().unwrap();
    private.share_with(&Allocator::new(Kind::Map).unwrap()).unwrap();
    let after = private.info().unwrap();
    assert_eq!((after.id, after.kind), (before.id, Kind::Map));
    assert_ne!(after.generation, before.generation);
    assert_eq!(private.to_vec().unwrap(), b"0123456789");
    private.export().unwrap();
    private.share().unwrap();
}

#[test]
fn grown_in_place() {
    let storage = Storage::options().capacity(1 << 20).create(10).unwrap();
    storage.write_at(0, b"0123456789").unwrap();
    let (view, address) = (storage.view().unwrap(), storage.address());
    storage.grow(5000).unwrap();
    assert_eq!((storage.size(), storage.address(), view.len()), (5000, address, 10));
    assert_eq!(storage.to_vec().unwrap()[8..12], *b"89\0\0");
    fails(storage.grow(2 << 20), Status::NoSpace);
}

#[test]
fn sealed_it_is_a_slice() {
    let storage = Storage::options().isolated(true).create(5).unwrap();
    storage.write_at(0, b"hello").unwrap();
    fails(storage.slice(), Status::Permission);
    let view = storage.view_mut().unwrap();
    fails(storage.seal(), Status::Busy);
    drop(view);
    storage.seal().unwrap();
    let slice = storage.slice().unwrap();
    assert_eq!(&slice[1..], b"ello");
    fails(storage.view_mut(), Status::Permission);
    fails(storage.write_at(0, b"j"), Status::Permission);
    fails(storage.close(), Status::Busy);
    drop(storage);
    assert_eq!(slice.as_ref(), b"hello");
    fails(Storage::new(5).unwrap().seal(), Status::Unsupported);
}

#[test]
fn named_objects() {
    let name = name("storage");
    let storage = StorageOptions::new().name(&name).mapped(Mapped::SHAREDMEM | Mapped::EXCLUSIVE).create(100).unwrap();
    assert_eq!(storage.name().unwrap().unwrap(), name.as_str());
    assert_eq!(storage.info().unwrap().kind, Kind::Map);
    storage.write_at(0, b"x").unwrap();
    fails(StorageOptions::new().name(&name).mapped(Mapped::SHAREDMEM | Mapped::EXCLUSIVE).create(100), Status::Exists);
    let other = StorageOptions::new().name(&name).mapped(Mapped::SHAREDMEM | Mapped::NOCREATE).create(0).unwrap();
    assert_eq!(other.to_vec().unwrap()[0], b'x');
    fails(storage.revoke(), Status::Unsupported);
    drop(storage);
    fails(StorageOptions::new().name(&name).mapped(Mapped::SHAREDMEM | Mapped::NOCREATE).create(0), Status::NotFound);
    fails(StorageOptions::new().name("a\0b").create(1), Status::Invalid);
}

#[test]
fn the_object_behind_a_descriptor() {
    let made = Storage::options().mapped(Mapped::MEMFD).create(4096).unwrap();
    made.write_at(0, b"same").unwrap();
    let fds = shmalloc::ExportOptions::new().export_fds(&made).unwrap();
    assert_eq!(fds.len(), 1);
    let mut file = File::from(fds[0].try_clone().unwrap());
    let mapped = Storage::options().fd(file.as_fd()).mapped(Mapped::SHARED).create(0).unwrap();
    assert_eq!((mapped.size(), &mapped.to_vec().unwrap()[..4]), (4096, &b"same"[..]));
    file.write_all(b"else").unwrap();
    assert_eq!(made.to_vec().unwrap()[..4], mapped.to_vec().unwrap()[..4]);
    assert_eq!(&made.to_vec().unwrap()[..4], b"else");
}

#[test]
fn alignment_and_nodes() {
    let storage = Storage::options().alignment(1 << 16).any_numa_node().create(10).unwrap();
    assert_eq!(storage.address() % (1 << 16), 0);
    fails(Storage::options().alignment(3).create(10), Status::Invalid);
    fails(Storage::options().page_size(4096).create(10), Status::Invalid);
}

#[test]
fn handles_of_before_are_void_once_revoked() {
    let storage = Storage::new(10).unwrap();
    let before = storage.export().unwrap();
    Storage::import(&before).unwrap();
    storage.revoke().unwrap();
    fails(Storage::import(&before), Status::Stale);
    Storage::import(storage.export().unwrap()).unwrap();
}

#[test]
fn an_export_without_time_ends_with_the_storage() {
    let storage = Storage::new(10).unwrap();
    let none = shmalloc::ExportOptions::new().time_to_live(Time::None).export(&storage).unwrap();
    Storage::import(&none).unwrap();
    drop(storage);
    fails(Storage::import(&none), Status::Stale);
    let storage = Storage::new(10).unwrap();
    storage.write_at(0, b"kept").unwrap();
    let forever = shmalloc::ExportOptions::new().time_to_live(Time::Forever).export(&storage).unwrap();
    drop(storage);
    assert_eq!(&Storage::import(&forever).unwrap().to_vec().unwrap()[..4], b"kept");
}
