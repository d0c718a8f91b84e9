//! What is shared on this machine, and what a killed process left.
mod support;

use shmalloc::machine::{describe, objects, walk, Maker, ObjectState, ReclaimOptions};
use shmalloc::{Mapped, Status, Storage, StorageOptions};
use std::ops::ControlFlow;
use support::{fails, name, Peer};

#[test]
fn described() {
    let text = describe().unwrap();
    assert!(text.starts_with('{') && text.contains("\"kinds\""), "{text}");
}

#[test]
fn a_named_object_is_seen_and_held() {
    let prefix = format!("rust-machine-{}", std::process::id());
    let name = shmalloc::make_name(Some(&prefix)).unwrap();
    let storage = StorageOptions::new().name(&name).mapped(Mapped::SHAREDMEM).create(5000).unwrap();
    let seen = objects(Some(&prefix)).unwrap().into_iter().find(|object| object.name == name.as_str()).unwrap();
    assert_eq!((seen.size, seen.maker, seen.refcount, seen.mode), (5000, Maker::Shmalloc, None, 0o600));
    assert!(seen.state.contains(ObjectState::NAMED | ObjectState::LOCKED));
    assert!(!seen.state.contains(ObjectState::ABANDONED));
    fails(ReclaimOptions::new().name(&name).reclaim(), Status::Busy);
    let would = ReclaimOptions::new().name(&name).force().dry_run().reclaim().unwrap();
    assert_eq!(would.objects, 1);
    assert_eq!(ReclaimOptions::new().name(&name).force().reclaim().unwrap().objects, 1);
    storage.write_at(0, b"still there").unwrap();
    drop(storage);
    fails(ReclaimOptions::new().name(&name).prefix(prefix).reclaim(), Status::NotFound);
}

#[test]
fn a_walk_ends_when_it_is_told_to() {
    let _one = StorageOptions::new().name(name("walk")).mapped(Mapped::SHAREDMEM).create(1).unwrap();
    let _other = StorageOptions::new().name(name("walk")).mapped(Mapped::SHAREDMEM).create(1).unwrap();
    let mut seen = 0;
    walk(Some("rust-test-walk"), |_| {
        seen += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(seen, 1);
    let panic =
        std::panic::catch_unwind(|| walk(Some("rust-test-walk"), |_| panic!("on purpose: this line is expected")));
    assert!(panic.is_err());
}

#[test]
fn what_a_killed_process_left_is_reclaimed() {
    let mut peer = Peer::new();
    peer.ok("make left map_refcounted 5000 1");
    let storage = Storage::from_text(&peer.ok("text left")).unwrap();
    let name = storage.name().unwrap().unwrap();
    drop(storage);
    let state = |name| objects(None).unwrap().into_iter().find(|object| object.name == name).map(|object| object.state);
    assert!(state(name.clone()).unwrap().contains(ObjectState::NAMED | ObjectState::LOCKED));
    peer.kill();
    assert!(state(name.clone()).unwrap().contains(ObjectState::ABANDONED));
    assert_eq!(ReclaimOptions::new().name(&name).reclaim().unwrap().objects, 1);
    assert_eq!(state(name), None);
}
