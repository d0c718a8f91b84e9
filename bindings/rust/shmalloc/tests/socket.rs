//! Storages over unix sockets.
mod support;

use shmalloc::{receive, send, ImportOptions, Status, Storage, Time, MESSAGE_MAX};
use std::os::unix::io::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;
use support::fails;

fn numbered(number: u8) -> Storage {
    let storage = Storage::new(10).unwrap();
    storage.write_at(0, &[number]).unwrap();
    storage
}

#[test]
fn many_in_one_message() {
    let (here, there) = UnixStream::pair().unwrap();
    let storages: Vec<_> = (0..MESSAGE_MAX).map(|number| numbered(number as u8)).collect();
    let references: Vec<_> = storages.iter().collect();
    thread::scope(|scope| {
        scope.spawn(|| send(&here, &references).unwrap());
        let received = receive(&there).unwrap();
        assert_eq!(received.len(), MESSAGE_MAX);
        for (number, storage) in received.iter().enumerate() {
            assert_eq!(storage.to_vec().unwrap()[0], number as u8);
        }
    });
    references.first().unwrap().write_at(1, b"!").unwrap();
    fails(send(&here, &[]), Status::Invalid);
}

#[test]
fn room_and_time() {
    let (here, there) = UnixStream::pair().unwrap();
    let there: OwnedFd = there.into();
    fails(ImportOptions::new().timeout(Time::None).receive(&there), Status::Timeout);
    fails(ImportOptions::new().timeout(Duration::from_millis(5)).receive(there.as_fd()), Status::Timeout);
    let (one, other) = (numbered(1), numbered(2));
    send(&here, &[&one, &other]).unwrap();
    fails(ImportOptions::new().room(1).receive(&there), Status::NoSpace);
    let received = ImportOptions::new().room(2).same_user(true).read_only(true).receive(&there).unwrap();
    assert_eq!(received[1].to_vec().unwrap()[0], 2);
    fails(received[1].view_mut(), Status::Permission);
    drop(here);
    fails(receive(&there), Status::PeerGone);
}

#[test]
fn a_full_socket_that_does_not_block() {
    let (here, _there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    let storage = numbered(1);
    let full = (0..100_000).find_map(|_| send(&here, &[&storage]).err()).expect("it takes everything");
    assert_eq!(full.status(), Status::Timeout, "{full}");
}

#[test]
fn what_is_no_message() {
    use std::io::Write;
    let (mut here, there) = UnixStream::pair().unwrap();
    here.write_all(&[b'x'; 64]).unwrap();
    fails(receive(&there), Status::Corrupt);
}
