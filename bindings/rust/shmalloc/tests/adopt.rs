//! Memory that somebody else made: it is given back once, whatever happens.
mod support;

use shmalloc::{Access, Kind, State, Status, Storage};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use support::fails;

#[test]
fn a_vector_and_a_box() {
    let vector = b"hello".to_vec();
    let place = vector.as_ptr();
    let storage = Storage::adopt(vector).unwrap();
    assert_eq!(storage.data() as *const u8, place, "not copied");
    storage.write_at(0, b"j").unwrap();
    assert_eq!(storage.to_vec().unwrap(), b"jello");
    assert_eq!(storage.info().unwrap().kind, Kind::Default);

    let boxed: Box<[u8]> = b"hello".to_vec().into();
    let storage = Storage::adopt(boxed).unwrap();
    storage.write_at(0, b"j").unwrap();
    assert_eq!(storage.to_vec().unwrap(), b"jello");
}

#[test]
fn what_is_only_read_stays_so() {
    let shared: Arc<[u8]> = Arc::from(&b"hello"[..]);
    let storage = Storage::adopt(shared.clone()).unwrap();
    assert_eq!(storage.to_vec().unwrap(), b"hello");
    fails(storage.write_at(0, b"j"), Status::Permission);
    assert_eq!(Arc::strong_count(&shared), 2);
    drop(storage);
    assert_eq!(Arc::strong_count(&shared), 1);
    let storage = Storage::adopt(&b"static"[..]).unwrap();
    fails(storage.view_mut(), Status::Permission);
    assert!(storage.info().unwrap().state.contains(State::READ_ONLY));
}

#[test]
fn leaked_bytes_may_be_written() {
    let leaked: &'static mut [u8] = Box::leak(Box::new([0; 3]));
    let storage = Storage::adopt(leaked).unwrap();
    storage.write_at(0, b"abc").unwrap();
    assert_eq!(storage.to_vec().unwrap(), b"abc");
}

/// A storage over static bytes that counts how often they are given back.
fn counted(gone: &Arc<AtomicUsize>) -> Storage {
    let (bytes, gone): (&'static [u8], _) = (b"some bytes", gone.clone());
    // SAFETY: the bytes live for ever and are only read.
    unsafe {
        Storage::adopt_raw(bytes.as_ptr() as *mut u8, bytes.len(), Access::Read, move || {
            gone.fetch_add(1, Ordering::Relaxed);
        })
    }
    .unwrap()
}

#[test]
fn the_destructor_runs_once_when_nothing_holds_it() {
    let gone = Arc::new(AtomicUsize::new(0));
    let storage = counted(&gone);
    let view = storage.view().unwrap();
    drop(storage.clone());
    drop(storage);
    assert_eq!(gone.load(Ordering::Relaxed), 0);
    thread::spawn(move || drop(view)).join().unwrap();
    assert_eq!(gone.load(Ordering::Relaxed), 1);

    let storage = counted(&gone);
    storage.close().unwrap();
    assert_eq!(gone.load(Ordering::Relaxed), 2);
    drop(storage);
    assert_eq!(gone.load(Ordering::Relaxed), 2);
}

#[test]
fn shared_it_is_moved_and_the_owner_goes() {
    let gone = Arc::new(AtomicUsize::new(0));
    let storage = counted(&gone);
    storage.share().unwrap();
    assert_eq!(gone.load(Ordering::Relaxed), 1);
    assert_eq!(storage.to_vec().unwrap(), b"some bytes");

    let storage = Storage::adopt(b"hello".to_vec()).unwrap();
    fails(storage.export(), Status::Unsupported);
    storage.share().unwrap();
    let other = Storage::import(storage.export().unwrap()).unwrap();
    storage.write_at(0, b"j").unwrap();
    assert_eq!(other.to_vec().unwrap(), b"jello");
}

#[test]
fn it_runs_when_the_call_fails_too() {
    let gone = Arc::new(AtomicUsize::new(0));
    let count = gone.clone();
    // SAFETY: an address that is refused is not used.
    let made = unsafe {
        Storage::adopt_raw(std::ptr::null_mut(), 10, Access::Write, move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
    };
    fails(made, Status::Invalid);
    assert_eq!(gone.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_in_it_goes_no_further() {
    let bytes: &'static [u8] = b"x";
    // SAFETY: the bytes live for ever and are only read.
    let storage = unsafe {
        Storage::adopt_raw(bytes.as_ptr() as *mut u8, 1, Access::Read, || panic!("on purpose: this line is expected"))
    };
    drop(storage.unwrap());
}
