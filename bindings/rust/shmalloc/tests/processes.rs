//! What two processes see of one memory, also when one of them is killed.
mod support;

use shmalloc::{receive, send, Allocator, Channel, Kind, Status, Storage, Trim};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use support::{example, fails, pattern, Peer, Process};

#[test]
fn both_see_each_other_s_writing() {
    let mut peer = Peer::new();
    for kind in ["map", "map_refcounted", "shared", "isolated"] {
        peer.ok(format!("make {kind} {kind} 100000 5"));
        let storage = Storage::from_text(&peer.ok(format!("text {kind}"))).unwrap();
        assert_eq!(storage.to_vec().unwrap(), pattern(100000, 5), "{kind}");
        storage.write_at(0, &pattern(100000, 6)).unwrap();
        peer.ok(format!("check {kind} 6"));
        storage.write_at(99999, b"!").unwrap();
        assert_eq!(peer.ask(format!("check {kind} 6")), "bad 99999");
        peer.ok(format!("release {kind}"));
        assert_eq!(storage.to_vec().unwrap()[..10], pattern(10, 6));
    }
    peer.ok("make private direct 1000 9");
    peer.fails("text private", "UNSUPPORTED");
    peer.ok("share private");
    assert_eq!(Storage::from_text(&peer.ok("text private")).unwrap().to_vec().unwrap(), pattern(1000, 9));
    peer.quit();
}

#[test]
fn ours_in_the_peer() {
    let mut peer = Peer::new();
    let storage = Storage::new(70000).unwrap();
    assert_eq!(peer.ok(format!("open it {}", storage.export_text().unwrap())), "70000");
    peer.ok("fill it 3");
    assert_eq!(storage.to_vec().unwrap(), pattern(70000, 3));
    peer.fails("open other shmalloc1:nonsense", "CORRUPT");
    peer.fails("make it nothing 1 1", "UNKNOWN");
}

#[test]
fn over_a_socket() {
    let (here, there) = UnixStream::pair().unwrap();
    let mut peer = Peer::with_socket(there);
    peer.ok("make a shared 5000 1");
    peer.ok("make b isolated 0 1");
    peer.ok("make c map 300 2");
    peer.ok("send 2 a b c");
    let received = receive(&here).unwrap();
    assert_eq!(received.iter().map(Storage::size).collect::<Vec<_>>(), [5000, 0, 300]);
    assert_eq!(received[2].to_vec().unwrap(), pattern(300, 2));
    let mine = Storage::new(64).unwrap();
    send(&here, &[&mine, &received[0]]).unwrap();
    peer.ok("receive 2 mine back");
    peer.ok("fill mine 7");
    peer.ok("check back 1");
    assert_eq!(mine.to_vec().unwrap(), pattern(64, 7));
    peer.kill();
    fails(receive(&here), Status::PeerGone);
}

#[test]
fn a_killed_owner_leaves_what_is_held() {
    let mut peer = Peer::new();
    peer.ok("make held shared 5000 1");
    peer.ok("make other isolated 5000 1");
    let (held, other) = (peer.ok("text held"), peer.ok("text other"));
    let storage = Storage::from_text(&held).unwrap();
    peer.kill();
    assert_eq!(storage.to_vec().unwrap(), pattern(5000, 1));
    storage.write_at(0, b"mine now").unwrap();
    fails(Storage::from_text(&other), Status::PeerGone);
}

#[test]
fn what_a_killed_holder_had_comes_back() {
    let mut peer = Peer::new();
    let allocator = Allocator::new(Kind::Shared).unwrap();
    let storage = allocator.create(5000).unwrap();
    peer.ok(format!("open it {}", storage.export_text().unwrap()));
    storage.write_at(0, &pattern(5000, 4)).unwrap();
    storage.close().unwrap();
    peer.ok("check it 4");
    let pending = || {
        allocator.trim(Trim::ALL, 0).unwrap();
        allocator.statistics().unwrap().pending.current
    };
    assert_eq!(pending(), 1, "the peer holds it");
    peer.kill();
    assert_eq!(pending(), 0);
}

/// A consumer that has said that it is ready, and what it says after that.
fn consumer(channel: &Channel) -> (Process, BufReader<impl Read>) {
    let text = channel.storage().unwrap().export_text().unwrap();
    let mut child = example("consumer").arg(text).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (Process(child), stdout)
}

/// A piece of `length` bytes and its record, whose sum is `off` by a little.
fn send_piece(channel: &Channel, number: u64, length: usize, off: u64) -> shmalloc::Result<()> {
    let (storage, bytes) = (Storage::new(length + 100).unwrap(), pattern(length, number as usize));
    storage.write_at(0, &bytes).unwrap();
    let sum = bytes.chunks(8).fold(off, |sum, word| sum.wrapping_add(u64::from_le_bytes(word.try_into().unwrap())));
    let record: Vec<u8> = [number, length as u64, sum].iter().flat_map(|field| field.to_le_bytes()).collect();
    channel.send(&storage, &record)
}

#[test]
fn pieces_through_a_channel() {
    let channel = Channel::options().capacity(4).create().unwrap();
    let (mut process, mut stdout) = consumer(&channel);
    for number in 0..20 {
        send_piece(&channel, number, 40000, 0).unwrap();
    }
    channel.close().unwrap();
    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "Rust: 20 pieces, 800000 bytes, all as sent\n");
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn a_piece_that_is_not_as_sent() {
    let channel = Channel::new().unwrap();
    let (mut process, mut stdout) = consumer(&channel);
    send_piece(&channel, 0, 8, 0).unwrap();
    send_piece(&channel, 1, 8, 1).unwrap();
    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said, "Rust: piece 1 is not as sent\n");
    assert_eq!(process.0.wait().unwrap().code(), Some(1));
}

#[test]
fn a_killed_receiver_is_missed() {
    let channel = Channel::options().capacity(4).create().unwrap();
    let (mut process, _stdout) = consumer(&channel);
    send_piece(&channel, 0, 8, 0).unwrap();
    process.0.kill().unwrap();
    process.0.wait().unwrap();
    let error = (0..100)
        .find_map(|number| send_piece(&channel, number, 8, 0).err())
        .expect("a full channel without a receiver");
    assert_eq!(error.status(), Status::PeerGone, "{error}");
    assert_eq!(channel.iter().last().unwrap().unwrap_err().status(), Status::PeerGone);
}
