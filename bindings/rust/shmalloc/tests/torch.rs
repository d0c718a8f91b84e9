//! PyTorch's counts, formats and manager.
mod support;

use shmalloc::torch::{manager_run, refcount};
use shmalloc::{Allocator, AllocatorOptions, ExportOptions, Format, ImportOptions, Kind, Status, Storage};
use std::os::unix::io::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use support::fails;

#[test]
fn counts() {
    let storage = Allocator::new(Kind::MapRefcounted).unwrap().create(100).unwrap();
    assert_eq!(refcount(&storage, 0).unwrap(), 1);
    assert_eq!(refcount(&storage, 2).unwrap(), 3);
    assert_eq!(refcount(&storage, -2).unwrap(), 1);
    fails(refcount(&storage, -2), Status::Invalid);
    let opened = Storage::import(storage.export().unwrap()).unwrap();
    assert_eq!(refcount(&storage, 0).unwrap(), 2);
    drop(opened);
    assert_eq!(refcount(&storage, 0).unwrap(), 1);
    fails(refcount(&Storage::new(1).unwrap(), 0), Status::Unsupported);
}

#[test]
fn by_file_descriptor() {
    let storage = Storage::options().isolated(true).create(100).unwrap();
    let options = ExportOptions::new().format(Format::TorchFd);
    let (handle, fds) = (options.export(&storage).unwrap(), options.export_fds(&storage).unwrap());
    assert_eq!(handle.as_bytes(), b"100");
    fails(handle.to_text(), Status::Corrupt);
    let opened = ImportOptions::new().format(Format::TorchFd).import(&handle, &[fds[0].as_fd()]).unwrap();
    storage.write_at(99, b"x").unwrap();
    assert_eq!(opened.to_vec().unwrap()[99], b'x');
}

#[test]
fn by_file_system_counted() {
    let storage = Allocator::new(Kind::MapRefcounted).unwrap().create(100).unwrap();
    let handle = ExportOptions::new().format(Format::TorchFile).counted(true).export(&storage).unwrap();
    assert_eq!(refcount(&storage, 0).unwrap(), 2);
    let text = String::from_utf8(handle.as_bytes().to_vec()).unwrap();
    let parts: Vec<_> = text.split('\n').collect();
    assert_eq!((parts[0], parts[2]), ("", "100"));
    assert_eq!(storage.name().unwrap().unwrap(), parts[1]);
    let opened = ImportOptions::new().format(Format::TorchFile).counted(true).import(text, &[]).unwrap();
    assert_eq!(refcount(&opened, 0).unwrap(), 2);
}

#[test]
fn a_manager_answers_until_it_is_told_to_stop() {
    let (stop, stopping) = UnixStream::pair().unwrap();
    let path: PathBuf = std::env::temp_dir().join(format!("shmalloc-rust-{}.sock", std::process::id()));
    thread::scope(|scope| {
        let manager = scope.spawn(|| manager_run(&path, &stopping));
        let options = AllocatorOptions::new(Kind::MapRefcounted).set("manager", path.display());
        // It answers a moment after its thread began; until then nobody is at the path.
        let storage = loop {
            match options.create().unwrap().create(100) {
                Err(error) if error.status() == Status::PeerGone => thread::yield_now(),
                made => break made.unwrap(),
            }
            assert!(!manager.is_finished());
        };
        let handle = ExportOptions::new().format(Format::TorchFile).export(&storage).unwrap();
        assert!(handle.as_bytes().starts_with(path.to_str().unwrap().as_bytes()));
        fails(manager_run(&path, &stopping), Status::Exists);
        drop(storage);
        drop(stop);
        manager.join().unwrap().unwrap();
    });
    assert!(!path.exists());
    let (_stop, stopping) = UnixStream::pair().unwrap();
    stopping.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    fails(manager_run("/nowhere/".repeat(20), &stopping), Status::NoSpace);
}
