//! Devices, streams and events: the order of work, and what they refuse.
mod support;

use shmalloc::{Capability, Device, DeviceType, Event, Status, Stream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::thread;
use support::{device, fails, Held};

fn address<T>(bytes: &mut [T]) -> u64 {
    bytes.as_mut_ptr() as usize as u64
}

#[test]
fn what_a_device_is() {
    let device = Device::host_streams(3);
    assert_eq!((device.device_type(), device.index()), (DeviceType::HostStreams, 3));
    assert_eq!(Device::from_code(device.code()), device);
    assert_eq!(format!("{device:?}"), "Device(HostStreams, 3)");
    let info = device.info().unwrap();
    assert_eq!((info.device, info.count), (device, 64));
    assert!(info.capabilities.contains(Capability::STREAMS | Capability::CALL | Capability::HOST_ACCESS));
    assert!(!info.name.is_empty() && info.total >= info.available);
    assert_eq!(Device::count(DeviceType::HostStreams).unwrap(), 64);
    assert_eq!(Device::count(DeviceType::Vulkan).unwrap(), 0);
    fails(Device::host_streams(64).info(), Status::NotFound);
    fails(Stream::new(Device::host_streams(64)), Status::NotFound);
    fails(Event::new(Device::host_streams(64)), Status::NotFound);
    fails(Stream::new(Device::HOST), Status::Unsupported);
    fails(Device::HOST.synchronize(), Status::Unsupported);
}

#[test]
fn peers_are_of_one_type() {
    Device::host_streams(0).enable_peer(Device::host_streams(1)).unwrap();
    fails(Device::host_streams(0).enable_peer(Device::host_streams(64)), Status::NotFound);
    fails(Device::HOST.enable_peer(Device::host_streams(0)), Status::Unsupported);
}

/// Two threads, each with a stream: what the second copies is what the first one's stream has copied before.
#[test]
fn an_event_puts_two_streams_in_order() {
    let device = device();
    let (first, second) = (Stream::new(device).unwrap(), Stream::new(device).unwrap());
    let (copied, end) = (Event::new(device).unwrap(), Event::new(device).unwrap());
    let (mut from, mut between, mut to) = (vec![1_u8; 1 << 20], vec![2_u8; 1 << 20], vec![3_u8; 1 << 20]);
    let places = [address(&mut from), address(&mut between), address(&mut to)];
    assert!(copied.is_done().unwrap(), "as long as it was not recorded");
    let held = Held::new(&first);
    thread::scope(|scope| {
        let (told, hears) = channel();
        let (first, second, copied, end) = (&first, &second, &copied, &end);
        scope.spawn(move || {
            // SAFETY: the bytes are used by nobody else until the streams were waited for.
            unsafe { device.copy(places[1], places[0], 1 << 20, first) }.unwrap();
            copied.record(first).unwrap();
            told.send(()).unwrap();
        });
        scope.spawn(move || {
            hears.recv().unwrap();
            second.wait(copied).unwrap();
            // SAFETY: as above.
            unsafe { device.copy(places[2], places[1], 1 << 20, second) }.unwrap();
            end.record(second).unwrap();
        });
    });
    assert!(!copied.is_done().unwrap() && !end.is_done().unwrap());
    drop(held);
    end.synchronize().unwrap();
    assert!(copied.is_done().unwrap() && end.is_done().unwrap());
    second.synchronize().unwrap();
    assert!(to == from && between == from);
}

#[test]
fn filled_and_waited_for() {
    let device = device();
    let mut bytes = vec![0_u8; 1000];
    let stream = Stream::default_of(device);
    assert_eq!((stream.number(), stream.device()), (0, device));
    // SAFETY: the bytes are used by nobody else until the device was waited for.
    unsafe { device.fill(address(&mut bytes[1..]), 7, 998, &stream) }.unwrap();
    device.synchronize().unwrap();
    assert_eq!((bytes[0], bytes[999]), (0, 0));
    assert!(bytes[1..999].iter().all(|byte| *byte == 7));
    let place = address(&mut bytes);
    // SAFETY: nothing is copied to 0 or onto itself: both are refused.
    unsafe {
        fails(device.fill(0, 7, 1, &stream), Status::Invalid);
        fails(device.copy(place, place + 1, 2, &stream), Status::Invalid);
        device.copy(0, 0, 0, &stream).unwrap();
    }
}

#[test]
fn closures_run_once_on_another_thread() {
    let device = device();
    let stream = Stream::new(device).unwrap();
    let (told, hears) = channel();
    stream.call(move || told.send(thread::current().id()).unwrap()).unwrap();
    assert_ne!(hears.recv().unwrap(), thread::current().id());
    assert!(hears.recv().is_err(), "it was dropped");

    let runs = Arc::new(AtomicUsize::new(0));
    for run in 0..100 {
        let keep = runs.clone();
        stream.call(move || assert_eq!(keep.fetch_add(1, Ordering::Relaxed), run)).unwrap();
    }
    stream.call(|| panic!("on purpose: this line is expected")).unwrap();
    stream.synchronize().unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 100, "each once and in this order");
    assert_eq!(Arc::strong_count(&runs), 1, "all were dropped");

    let keep = runs.clone();
    fails(Stream::default_of(Device::HOST).call(move || drop(keep)), Status::Unsupported);
    assert_eq!(Arc::strong_count(&runs), 1, "one that was not queued is dropped");
}

#[test]
fn a_dropped_stream_does_what_was_queued() {
    let device = device();
    let stream = Stream::new(device).unwrap();
    let (told, hears) = channel();
    let held = Held::new(&stream);
    stream.call(move || told.send(1).unwrap()).unwrap();
    drop(stream);
    drop(held);
    assert_eq!(hears.recv(), Ok(1));
}

#[test]
fn numbers_of_others() {
    let device = device();
    let stream = Stream::new(device).unwrap();
    let number = stream.number();
    // SAFETY: alive as long as the other one.
    let same = unsafe { Stream::foreign(device, number) };
    let event = Event::new(device).unwrap();
    assert_ne!(event.number(), 0);
    assert_eq!(event.device(), device);
    event.record(&same).unwrap();
    same.close().unwrap();
    stream.synchronize().unwrap();
    stream.close().unwrap();
    // SAFETY: such devices check numbers.
    let gone = unsafe { Stream::foreign(device, number) };
    fails(gone.synchronize(), Status::Invalid);
    fails(event.record(&gone), Status::Invalid);
    event.close().unwrap();
}

#[test]
fn a_stream_of_another_device_is_refused() {
    let (one, other) = (device(), device());
    let stream = Stream::new(one).unwrap();
    let event = Event::new(other).unwrap();
    let error = fails(event.record(&stream), Status::Invalid);
    assert!(error.message().contains("HostStreams"), "{error}");
    fails(stream.wait(&event), Status::Invalid);
    // SAFETY: refused before the addresses are looked at.
    unsafe {
        fails(other.copy(1, 2, 1, &stream), Status::Invalid);
        fails(other.fill(1, 2, 1, &stream), Status::Invalid);
    }
}
