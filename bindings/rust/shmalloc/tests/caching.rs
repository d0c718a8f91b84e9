//! Allocators of kind `Caching`: storages and addresses in the order of streams, settings.
mod support;

use shmalloc::{
    Access, Allocator, AllocatorOptions, CachingOptions, CopyOptions, Device, Event, Kind, Notices, Status,
};
use shmalloc::{Storage, Stream, Trim};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use support::board::board;
use support::{device, fails, Held};

const MIB: u64 = 1 << 20;

#[test]
fn memory_by_its_address() {
    let device = device();
    let allocator = Allocator::on(device).unwrap();
    assert_eq!((allocator.device(), allocator.info().unwrap().kind), (device, Kind::Caching));
    let stream = Stream::new(device).unwrap();
    let address = allocator.allocate(1000, &stream).unwrap();
    assert!(address != 0 && address % 512 == 0);
    let base = allocator.base(address).unwrap();
    assert!(base.contains(&address) && base.end - base.start == 2 * MIB, "{base:?}");
    // SAFETY: nobody uses it.
    unsafe { allocator.deallocate(address, None) }.unwrap();
    // SAFETY: it is not in use, which is refused.
    fails(unsafe { allocator.deallocate(address, None) }, Status::NotFound);
    fails(allocator.base(address), Status::NotFound);
    fails(allocator.record_stream(address, &stream), Status::NotFound);
    assert_eq!(allocator.allocate(1000, &stream).unwrap(), address, "it serves again at once");
    let info = allocator.cache_info().unwrap();
    assert!(info.total >= info.available && info.cached == 2 * MIB - 1024, "{info:?}");
    assert_eq!(allocator.allocate(0, &stream).unwrap(), 0);
    // SAFETY: nobody uses it.
    unsafe { allocator.deallocate(address, Some(&stream)) }.unwrap();
    assert_eq!(allocator.trim(Trim::FREE, 0).unwrap(), 2 * MIB);
}

#[test]
fn memory_waits_for_the_streams_that_were_noted() {
    let device = device();
    let allocator = Allocator::on(device).unwrap();
    let (own, other) = (Stream::new(device).unwrap(), Stream::new(device).unwrap());
    let pending = || allocator.statistics().unwrap().pending.current;

    let address = allocator.allocate(1000, &own).unwrap();
    allocator.record_stream(address, &other).unwrap();
    let held = Held::new(&other);
    // SAFETY: nobody uses it.
    unsafe { allocator.deallocate(address, None) }.unwrap();
    assert_eq!(pending(), 1);
    assert_ne!(allocator.allocate(1000, &own).unwrap(), address, "the other stream could still use it");
    drop(held);
    other.synchronize().unwrap();
    assert_eq!(allocator.allocate(1000, &own).unwrap(), address);

    let storage = allocator.options().stream(&own).create(1000).unwrap();
    storage.record_stream(&other).unwrap();
    let held = Held::new(&other);
    drop(storage);
    assert_eq!(pending(), 1);
    drop(held);
    other.synchronize().unwrap();
    allocator.trim(Trim::FREE, 0).unwrap();
    assert_eq!(pending(), 0);
}

#[test]
fn what_is_not_for_them() {
    let (host, device, other) = (Allocator::new(Kind::Direct).unwrap(), device(), device());
    let (stream, elsewhere) = (Stream::default_of(Device::HOST), Stream::new(other).unwrap());
    fails(host.allocate(1, &stream), Status::Unsupported);
    // SAFETY: refused.
    fails(unsafe { host.deallocate(1, None) }, Status::Unsupported);
    fails(host.record_stream(1, &stream), Status::Unsupported);
    fails(host.base(1), Status::Unsupported);
    fails(host.cache_info(), Status::Unsupported);
    fails(host.configure_caching(&CachingOptions::new()), Status::Unsupported);
    let keep = Arc::new(());
    let listener = keep.clone();
    let listen = move |_: &_| Arc::strong_count(&listener) == 0;
    fails(host.observe(Notices::MEMORY_LOW, listen), Status::Unsupported);
    assert_eq!(Arc::strong_count(&keep), 1, "the listener was dropped");
    fails(AllocatorOptions::new(Kind::Caching).create(), Status::Unsupported);

    let allocator = Allocator::on(device).unwrap();
    fails(allocator.allocate(1, &elsewhere), Status::Invalid);
    // SAFETY: refused.
    fails(unsafe { allocator.deallocate(1, Some(&elsewhere)) }, Status::Invalid);
    fails(allocator.record_stream(1, &elsewhere), Status::Invalid);
    fails(allocator.options().stream(&elsewhere).create(1), Status::Invalid);
    fails(allocator.create(1).unwrap().record_stream(&elsewhere), Status::Invalid);
    fails(allocator.allocate(usize::MAX, &Stream::default_of(device)), Status::NoMemory);
}

#[test]
fn storages_on_a_stream() {
    let device = device();
    let stream = Stream::new(device).unwrap();
    let there = Storage::options().stream(&stream).create(1000).unwrap();
    assert_eq!(there.device().unwrap(), device);
    assert_eq!(there.info().unwrap().allocator_id, Some(Allocator::current(device).unwrap().info().unwrap().id));
    let (found, offset) = Storage::find_on(device, there.address() + 7).unwrap();
    assert_eq!((found.info().unwrap().id, offset), (there.info().unwrap().id, 7));
    drop(found);
    // Memory that nobody can cut short: copies of other host memory are waited for.
    let private = Allocator::new(Kind::Direct).unwrap();
    let (from, to) = (private.create(1000).unwrap(), private.options().zeroed(true).create(1000).unwrap());
    assert_eq!(from.device().unwrap(), Device::HOST);
    from.view_mut().unwrap().fill(b'a');
    to.record_stream(&stream).unwrap(); // ignored on the host

    let held = Held::new(&stream);
    let on_stream = CopyOptions::new().stream(&stream).non_blocking(true);
    on_stream.copy(&there, &from).unwrap();
    on_stream.clone().range(1, 2, 3).copy(&to, &there).unwrap();
    assert_eq!(to.to_vec().unwrap(), [0; 1000]);
    fails(to.close(), Status::Busy);
    drop((there, from)); // they are held until the stream has done it
    drop(held);
    stream.synchronize().unwrap();
    assert_eq!(&to.to_vec().unwrap()[..5], b"\0aaa\0");
    to.close().unwrap();
}

#[test]
fn copies_that_can_not_be() {
    let (device, other) = (device(), device());
    let (stream, elsewhere) = (Stream::new(device).unwrap(), Stream::new(other).unwrap());
    let (there, host) = (Allocator::on(device).unwrap().create(100).unwrap(), Storage::new(100).unwrap());
    let on = |stream| CopyOptions::new().stream(stream);
    fails(on(&elsewhere).copy(&there, &host), Status::Invalid);
    fails(on(&elsewhere).copy(&host, &there), Status::Invalid);
    fails(on(&stream).range(0, 1, 100).copy(&host, &there), Status::Invalid);
    fails(on(&stream).range(0, 0, usize::MAX).copy(&host, &there), Status::Invalid);
    fails(on(&stream).range(0, 1, 50).copy(&there, &there), Status::Invalid);
    on(&elsewhere).copy(&host, &Storage::new(100).unwrap()).unwrap(); // ignored between host memories
    on(&stream).copy(&there, &host).unwrap();
    host.copy_from(&there).unwrap();
}

#[test]
fn memory_that_the_host_can_not_touch() {
    let device = board();
    let allocator = Allocator::on(device).unwrap();
    let there = allocator.create(100).unwrap();
    assert!(there.data().is_null() && there.address() != 0);
    fails(there.view(), Status::Unsupported);
    fails(there.view_mut(), Status::Unsupported);
    fails(there.slice(), Status::Unsupported);
    fails(there.to_vec(), Status::Unsupported);
    fails(there.write_at(0, b"x"), Status::Unsupported);
    fails(there.export(), Status::Unsupported);
    assert_eq!(there.info().unwrap().pins, 0);
    let host = Storage::new(100).unwrap();
    host.view_mut().unwrap().fill(5);
    there.copy_from(&host).unwrap();
    host.view_mut().unwrap().fill(0);
    host.copy_from(&there).unwrap();
    assert_eq!(host.to_vec().unwrap(), [5; 100]);

    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let end = move || assert_eq!(count.fetch_add(1, Ordering::Relaxed), 0);
    // SAFETY: the bytes are those of a storage that lives longer.
    let adopted = unsafe { Storage::adopt_on(device, there.address(), 50, Access::Read, end) }.unwrap();
    assert_eq!((adopted.device().unwrap(), adopted.address(), adopted.size()), (device, there.address(), 50));
    host.copy_range(50, &adopted, 0, 50).unwrap();
    fails(adopted.copy_range(0, &host, 0, 50), Status::Permission);
    drop(adopted);
    assert_eq!(ended.load(Ordering::Relaxed), 1);
    drop((there, allocator));
    device.unregister().unwrap();
}

#[test]
fn settings_by_fields() {
    let device = device();
    let allocator = Allocator::on(device).unwrap();
    let options = CachingOptions::new()
        .max_split_size(64 * MIB)
        .max_non_split_rounding(30 * MIB)
        .large_segment_size(24 * MIB)
        .garbage_collection_ppm(800_000)
        .memory_ppm(500_000)
        .roundup_divisions(4);
    allocator.configure_caching(&options).unwrap();
    let setting = |key| allocator.setting(key).unwrap();
    assert_eq!((setting("max_split_size_mb"), setting("max_non_split_rounding_mb")), ("64".into(), "30".into()));
    assert_eq!(setting("large_segment_size_mb"), "24");
    assert_eq!(setting("roundup_power2_divisions").matches(":4").count(), 16);
    assert_eq!(setting("garbage_collection_threshold").parse(), Ok(0.8));
    assert_eq!(setting("per_process_memory_fraction").parse(), Ok(0.5));
    let before = allocator.config().unwrap();
    allocator.configure_caching(&CachingOptions::new()).unwrap();
    assert_eq!(allocator.config().unwrap(), before);
    let error = fails(
        allocator.configure_caching(&CachingOptions::new().memory_ppm(1).max_split_size(MIB + 1)),
        Status::Invalid,
    );
    assert!(error.message().contains("max_split_size"), "{error}");
    assert_eq!(allocator.config().unwrap(), before, "all or none");

    let by_size = [1, 2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 8];
    allocator
        .configure_caching(
            &CachingOptions::new()
                .max_split_size(u64::MAX)
                .garbage_collection_ppm(0)
                .memory_ppm(0)
                .roundup_divisions_by_size(by_size),
        )
        .unwrap();
    assert_eq!(setting("max_split_size_mb"), "unlimited");
    assert_eq!(setting("garbage_collection_threshold").parse(), Ok(0.0));
    assert_eq!(setting("per_process_memory_fraction").parse(), Ok(0.0));
    let divisions = setting("roundup_power2_divisions");
    assert!(divisions.starts_with("[1:0,2:2,4:4,") && divisions.ends_with(":8]"), "{divisions}");
    fails(allocator.create(1), Status::NoMemory);
}

/// Two threads allocate for streams of their own, and give to each other's.
#[test]
fn two_threads() {
    let device = device();
    let allocator = Allocator::on(device).unwrap();
    std::thread::scope(|scope| {
        for seed in 1..3_u8 {
            let allocator = &allocator;
            scope.spawn(move || {
                let (stream, other) = (Stream::new(device).unwrap(), Stream::new(device).unwrap());
                let done = Event::new(device).unwrap();
                let host = Storage::options().isolated(true).create(4096).unwrap();
                for round in 0..200_u8 {
                    let there = allocator.options().stream(&stream).create(4096).unwrap();
                    host.view_mut().unwrap().fill(round ^ seed << 6);
                    CopyOptions::new().stream(&stream).non_blocking(true).copy(&there, &host).unwrap();
                    done.record(&stream).unwrap();
                    other.wait(&done).unwrap();
                    let back = allocator.options().stream(&other).create(4096).unwrap();
                    CopyOptions::new().stream(&other).non_blocking(true).copy(&back, &there).unwrap();
                    drop(there);
                    other.synchronize().unwrap();
                    assert_eq!(back.to_vec().unwrap(), vec![round ^ seed << 6; 4096]);
                }
            });
        }
    });
    assert_eq!(allocator.info().unwrap().live_storages, 0);
}
