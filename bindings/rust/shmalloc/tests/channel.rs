//! Channels, between threads of one process; processes.rs has them between processes.
mod support;

use shmalloc::{Channel, Status, Storage, Time};
use std::thread;
use std::time::Duration;
use support::fails;

#[test]
fn in_order_with_records() {
    let channel = Channel::new().unwrap();
    for number in 0..3_u8 {
        let storage = Storage::new(10).unwrap();
        storage.write_at(0, &[number]).unwrap();
        channel.send(&storage, &[number; 32]).unwrap();
    }
    channel.send(None, b"alone").unwrap();
    assert_eq!(channel.info().unwrap().length, 4);
    for number in 0..3 {
        let message = channel.receive().unwrap();
        assert_eq!(message.record, [number; 32]);
        assert_eq!(message.storage.unwrap().to_vec().unwrap()[0], number);
    }
    let message = channel.receive().unwrap();
    assert!(message.storage.is_none());
    assert_eq!(message.record, b"alone");
    let info = channel.info().unwrap();
    assert_eq!((info.sent, info.received, info.length, info.attached, info.closed), (4, 4, 0, 1, false));
    fails(channel.send(None, &[0; 33]), Status::Invalid);
}

#[test]
fn full_and_empty() {
    let channel = Channel::options().capacity(2).record_size(100).create().unwrap();
    assert!(channel.try_receive().unwrap().is_none());
    fails(channel.receive_timeout(Duration::from_millis(5)), Status::Timeout);
    for _ in 0..channel.info().unwrap().capacity {
        channel.try_send(None, &[7; 100]).unwrap();
    }
    fails(channel.try_send(None, b""), Status::Timeout);
    fails(channel.send_timeout(None, b"", Duration::from_millis(5)), Status::Timeout);
    let mut room = [0; 99];
    fails(channel.receive_into(&mut room, Time::None), Status::NoSpace);
    assert_eq!(channel.try_receive().unwrap().unwrap().record, [7; 100]);
    let mut room = [0; 200];
    assert_eq!(channel.receive_into(&mut room, Time::None).unwrap().1, 100);
}

#[test]
fn without_records() {
    let channel = Channel::options().record_size(0).create().unwrap();
    assert_eq!(channel.info().unwrap().record_size, 0);
    fails(channel.send(None, b"x"), Status::Invalid);
    channel.send(&Storage::new(1).unwrap(), b"").unwrap();
    let message = channel.receive().unwrap();
    assert!(message.storage.is_some() && message.record.is_empty());
}

#[test]
fn iterated_until_it_is_closed() {
    let channel = Channel::options().capacity(4).create().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..100_u32 {
                channel.send(&Storage::new(100).unwrap(), &number.to_le_bytes()).unwrap();
            }
            channel.close().unwrap();
        });
        let numbers: Vec<_> = channel.iter().map(|message| message.unwrap().record[0]).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    });
    let mut over = (&channel).into_iter();
    assert!(over.next().is_none() && over.next().is_none());
    fails(channel.send(None, b""), Status::Closed);
    fails(channel.receive(), Status::Closed);
    assert!(channel.info().unwrap().closed);
}

#[test]
fn opened_from_its_storage() {
    let channel = Channel::new().unwrap();
    let other =
        Channel::open(&Storage::from_text(&channel.storage().unwrap().export_text().unwrap()).unwrap()).unwrap();
    let third = other.clone();
    drop(other);
    third.send(None, b"here").unwrap();
    third.release_deferred();
    assert_eq!(channel.receive().unwrap().record, b"here");
    fails(Channel::open(&Storage::options().zeroed(true).create(1 << 16).unwrap()), Status::Corrupt);
}

#[test]
fn only_storages_of_segments() {
    let channel = Channel::new().unwrap();
    fails(channel.send(&Storage::options().isolated(true).create(10).unwrap(), b""), Status::Unsupported);
    let storage = Storage::new(10).unwrap();
    storage.close().unwrap();
    fails(channel.send(&storage, b""), Status::Closed);
    assert_eq!(channel.info().unwrap().length, 0);
}
