//! Views hold the bytes where they are, and copies of them are made without a data race.
mod support;

use shmalloc::{Allocator, Kind, Status, Storage};
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use support::fails;

fn storage(bytes: &[u8]) -> Storage {
    let storage = Storage::new(bytes.len()).unwrap();
    storage.write_at(0, bytes).unwrap();
    storage
}

#[test]
fn copies_of_every_length_at_every_place() {
    let bytes: Vec<u8> = (0..=255).collect();
    let storage = storage(&bytes);
    let view = storage.view().unwrap();
    for offset in 0..=256 {
        for count in [0, 1, 3, 8, 15, 64, 256].into_iter().filter(|count| offset + count <= 256) {
            let mut found = vec![0; count];
            view.read_at(offset, &mut found).unwrap();
            assert_eq!(found, bytes[offset..offset + count]);
        }
    }
    fails(view.read_at(1, &mut [0; 256]), Status::Invalid);
    fails(view.read_at(257, &mut []), Status::Invalid);
    fails(view.read_at(usize::MAX, &mut [0; 2]), Status::Invalid);
}

#[test]
fn writing() {
    let storage = storage(b"0123456789");
    let view = storage.view_mut().unwrap();
    view.write_at(8, b"ab").unwrap();
    fails(view.write_at(9, b"ab"), Status::Invalid);
    assert_eq!(view.to_vec(), b"01234567ab");
    view.copy_from_slice(b"abcdefghij").unwrap();
    fails(view.copy_from_slice(b"abc"), Status::Invalid);
    assert_eq!(storage.to_vec().unwrap(), b"abcdefghij");
    view.fill(b'x');
    assert_eq!(storage.to_vec().unwrap(), b"xxxxxxxxxx");
}

#[test]
fn a_view_outlives_the_storage_s_last_other_reference() {
    let allocator = Allocator::new(Kind::Map).unwrap();
    let storage = allocator.create(5).unwrap();
    storage.write_at(0, b"hello").unwrap();
    let view = storage.view().unwrap();
    drop(storage);
    assert_eq!(view.to_vec(), b"hello");
    assert_eq!(view.storage().info().unwrap().pins, 1);
    assert_eq!(allocator.info().unwrap().live_storages, 1);
    thread::spawn(move || drop(view)).join().unwrap();
    assert_eq!(allocator.info().unwrap().live_storages, 0, "the memory went with the view");
}

#[test]
fn many_at_once_and_a_writer() {
    let storage = storage(&[0; 4096]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let view = storage.view().unwrap();
                while !done.load(Ordering::Relaxed) {
                    assert!(view.to_vec().iter().all(|byte| *byte < 50));
                }
            });
        }
        let view = storage.view_mut().unwrap();
        for value in (0..50).cycle().take(500) {
            view.fill(value);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(storage.info().unwrap().pins, 0);
}

#[test]
fn in_order() {
    let storage = storage(&[b'.'; 10]);
    let view = storage.view_mut().unwrap();
    let mut writer = view.writer();
    writer.write_all(b"hello").unwrap();
    writer.seek(SeekFrom::End(-2)).unwrap();
    assert_eq!(writer.write(b"abc").unwrap(), 2);
    assert!(writer.write_all(b"c").is_err());
    let mut found = String::new();
    let mut reader = view.reader();
    reader.seek(SeekFrom::Start(3)).unwrap();
    reader.read_to_string(&mut found).unwrap();
    assert_eq!(found, "lo...ab");
    reader.seek(SeekFrom::Start(1 << 40)).unwrap();
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
    assert!(reader.seek(SeekFrom::End(-11)).is_err());
}

#[test]
fn slices_that_the_owner_vouches_for() {
    let storage = storage(b"hello");
    let mut view = storage.view_mut().unwrap();
    // SAFETY: nobody else has this storage, and the slices end before the next use of it.
    unsafe {
        view.as_mut_slice()[0] = b'j';
        assert_eq!(view.as_slice(), b"jello");
    }
    // SAFETY: as above.
    let mut slice = unsafe { view.into_slice_mut() };
    slice[4] = b'y';
    slice.as_mut().reverse();
    drop(slice);
    // SAFETY: as above.
    let slice = unsafe { storage.view().unwrap().into_slice() };
    assert_eq!(&slice[..], b"yllej");
}

#[test]
fn numbers_for_several_processes() {
    let storage = storage(&[0; 32]);
    let view = storage.view_mut().unwrap();
    // SAFETY: these bytes are used by nothing else while the references live.
    unsafe {
        view.atomic_u64(8).unwrap().fetch_add(258, Ordering::Relaxed);
        view.atomic_u32(28).unwrap().store(7, Ordering::Relaxed);
        fails(view.atomic_u32(32), Status::Invalid);
        fails(view.atomic_u64(4), Status::Invalid);
    }
    let bytes = view.to_vec();
    assert_eq!((bytes[8], bytes[9], bytes[28]), (2, 1, 7));
}
