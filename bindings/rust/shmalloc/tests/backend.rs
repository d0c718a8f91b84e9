//! Devices of our own: which functions are there, what their answers become, and when they end.
#![deny(unsafe_op_in_unsafe_fn)]
mod support;

use shmalloc::backend::{Answer, Backend, Parts};
use shmalloc::{Allocator, Capability, Device, Event, Status, Storage, Stream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use support::board::Board;
use support::fails;

/// All but virtual memory.
fn all() -> Parts {
    Parts::MEMORY_INFO
        | Parts::COPY
        | Parts::FILL
        | Parts::CALL
        | Parts::SYNCHRONIZE
        | Parts::STREAMS
        | Parts::CAPTURING
        | Parts::PEERS
}

fn made(parts: Parts) -> (Device, Arc<Mutex<Vec<&'static str>>>) {
    let board = Board::new(parts);
    let log = board.log.clone();
    (Device::register("board", board).unwrap(), log)
}

fn said(log: &Mutex<Vec<&'static str>>) -> Vec<&'static str> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[test]
fn each_function_is_called() {
    let (device, log) = made(all());
    let info = device.info().unwrap();
    assert_eq!((info.name.as_str(), info.total, info.available), ("board", 32 << 20, 32 << 20));
    let can = Capability::STREAMS | Capability::CALL | Capability::CAPTURE | Capability::PEERS;
    assert_eq!(info.capabilities, can);

    let stream = Stream::new(device).unwrap();
    let event = Event::new(device).unwrap();
    event.record(&stream).unwrap();
    stream.wait(&event).unwrap();
    assert!(event.is_done().unwrap());
    event.synchronize().unwrap();
    stream.synchronize().unwrap();
    device.synchronize().unwrap();
    let ran = Arc::new(());
    let keep = ran.clone();
    stream.call(move || drop(keep)).unwrap();
    assert_eq!(Arc::strong_count(&ran), 1);
    let mut bytes = [0_u8; 4];
    let place = bytes.as_mut_ptr() as usize as u64;
    // SAFETY: the device's work is done when the calls return.
    unsafe {
        device.fill(place, 7, 2, &stream).unwrap();
        device.copy(place + 2, place, 2, &stream).unwrap();
    }
    assert_eq!(bytes, [7; 4]);
    drop(event);
    drop(stream);
    assert_eq!(
        said(&log),
        [
            "stream_create",
            "event_create",
            "event_record",
            "stream_wait",
            "event_query",
            "event_synchronize",
            "stream_synchronize",
            "synchronize",
            "call",
            "fill",
            "copy",
            "event_destroy",
            "stream_destroy"
        ]
    );

    let allocator = Allocator::on(device).unwrap();
    let storage = allocator.options().zeroed(true).create(1000).unwrap();
    assert_eq!(said(&log), ["allocate", "fill"]);
    fails(device.unregister(), Status::Busy);
    drop(storage);
    drop(allocator);
    device.unregister().unwrap();
    assert_eq!(said(&log).last(), Some(&"end"));
    fails(device.unregister(), Status::NotFound);
    fails(device.info(), Status::NotFound);
}

#[test]
fn what_is_not_there_is_not_called() {
    let (device, log) = made(Parts::default());
    assert_eq!(device.info().unwrap().capabilities, Capability::default());
    fails(Stream::new(device), Status::Unsupported);
    let stream = Stream::default_of(device);
    fails(stream.call(|| ()), Status::Unsupported);
    device.synchronize().unwrap();
    let allocator = Allocator::on(device).unwrap();
    let storage = allocator.create(10).unwrap();
    fails(storage.copy_from(&Storage::new(10).unwrap()), Status::Unsupported);
    drop((storage, allocator));
    assert_eq!(said(&log), ["allocate"]);
    device.unregister().unwrap();
}

#[test]
fn the_host_does_what_the_device_can_not() {
    let mut board = Board::new(Parts::default());
    board.host_access = true;
    let device = Device::register("board", board).unwrap();
    let allocator = Allocator::on(device).unwrap();
    let storage = allocator.create(5).unwrap();
    storage.write_at(0, b"hello").unwrap();
    assert_eq!(storage.to_vec().unwrap(), b"hello");
    drop((storage, allocator));
    device.unregister().unwrap();
}

#[test]
fn failures() {
    let board = Arc::new(Board::new(all()));
    let device = Device::register("shared", Shared(board.clone())).unwrap();
    board.failing.store(4711, Ordering::Relaxed);
    let error = fails(Stream::new(device), Status::Backend);
    assert_eq!(error.backend_error(), Some(4711));
    assert!(error.message().contains("shared") && error.message().contains("stream_create"), "{error}");
    board.failing.store(Status::Busy.code(), Ordering::Relaxed);
    fails(Stream::new(device), Status::Busy);
    board.failing.store(-1, Ordering::Relaxed);
    fails(Stream::new(device), Status::Internal);
    board.failing.store(0, Ordering::Relaxed);
    // Methods that were said to be there and are not.
    fails(Event::new(device), Status::Unsupported);
    device.unregister().unwrap();
    assert_eq!(Arc::strong_count(&board), 1);
}

#[test]
fn peers_of_one_sort() {
    let ((one, one_log), (other, other_log)) = (made(all()), made(all()));
    let shared = Device::register("shared", Shared(Arc::new(Board::new(all())))).unwrap();
    one.enable_peer(other).unwrap();
    assert_eq!((said(&one_log), said(&other_log)), (vec![], vec!["peer of another"]));
    fails(one.enable_peer(shared), Status::Unsupported);
    for device in [one, other, shared] {
        device.unregister().unwrap();
    }
}

#[test]
fn what_can_not_be_registered() {
    for name in ["", "a\0b", &"x".repeat(64)] {
        let board = Board::new(Parts::default());
        let log = board.log.clone();
        fails(Device::register(name, board), Status::Invalid);
        assert_eq!(said(&log), ["end"], "it was dropped");
    }
    // Virtual memory has pages.
    fails(Device::register("board", Board::new(Parts::VIRTUAL)), Status::Invalid);
    fails(Device::HOST.unregister(), Status::NotFound);
    fails(Device::host_streams(0).unregister(), Status::NotFound);
}

/// A board that somebody else has too; it says that it has more than it has.
struct Shared(Arc<Board>);

// SAFETY: as the board.
unsafe impl Backend for Shared {
    fn parts(&self) -> Parts {
        self.0.parts()
    }
    fn allocate(&self, size: u64) -> Answer<u64> {
        self.0.allocate(size)
    }
    unsafe fn deallocate(&self, address: u64, size: u64) -> Answer<()> {
        // SAFETY: as the caller promises.
        unsafe { self.0.deallocate(address, size) }
    }
    fn memory_info(&self) -> Answer<(u64, u64)> {
        self.0.memory_info()
    }
    fn stream_create(&self) -> Answer<u64> {
        self.0.stream_create()
    }
}
