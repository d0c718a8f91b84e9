//! The allocator that is used where none is named. Alone in its process, for there is one.
mod support;

use shmalloc::{Allocator, AllocatorOptions, Device, Kind, Mapped, Status, Storage};
use support::fails;

#[test]
fn replaced_when_nothing_of_it_is_live() {
    let first = Allocator::current(Device::HOST).unwrap();
    assert_eq!(first.info().unwrap().kind, Kind::Shared);
    let mine = AllocatorOptions::new(Kind::Map).name("mine").create().unwrap();
    let storage = Storage::new(10).unwrap();
    assert_eq!(storage.info().unwrap().allocator_id, Some(first.info().unwrap().id));
    fails(mine.make_current(), Status::Busy);
    drop(storage);
    mine.make_current().unwrap();
    let storage = Storage::new(10).unwrap();
    assert_eq!(storage.info().unwrap().kind, Kind::Map);
    // What asks for an object of its own gets it of the current allocator, since that is of the kind.
    let memfd = Storage::options().mapped(Mapped::MEMFD).create(10).unwrap();
    assert_eq!(memfd.info().unwrap().allocator_id, Some(mine.info().unwrap().id));
}
