//! Allocators: settings, what they tell of themselves, statistics, history, snapshots.
mod support;

use shmalloc::{
    trim, Allocator, AllocatorOptions, Capability, Device, DeviceType, HistoryOptions, Kind, Reset, Status, Trim,
};
use std::time::{Duration, Instant};
use support::fails;

#[test]
fn settings() {
    let options = AllocatorOptions::new(Kind::Map).name("mine").config("prefix:rust-test").set("export_ttl_ms", 5);
    let allocator = options.create().unwrap();
    assert_eq!(allocator.setting("prefix").unwrap(), "rust-test");
    assert!(allocator.config().unwrap().contains("export_ttl_ms:5"));
    allocator.configure("mode:0640,populate:1").unwrap();
    assert_eq!(allocator.setting("mode").unwrap(), "0640");
    let error = fails(allocator.configure("mode:0600,nonsense:1"), Status::Invalid);
    assert!(error.message().contains("nonsense"), "{error}");
    assert_eq!(allocator.setting("mode").unwrap(), "0640");
    fails(allocator.setting("nonsense"), Status::NotFound);
    fails(AllocatorOptions::new(Kind::Direct).set("pages", "huge").create(), Status::Invalid);
    fails(Allocator::new(Kind::Other(99)), Status::Unsupported);
}

#[test]
fn what_it_is() {
    let allocator = AllocatorOptions::new(Kind::Direct).name("private").set("alignment", 128).create().unwrap();
    let storage = allocator.create(1000).unwrap();
    let info = allocator.info().unwrap();
    assert_eq!((info.name.as_str(), info.kind, info.alignment), ("private", Kind::Direct, 128));
    assert_eq!((info.live_storages, info.live_bytes, info.references), (1, 1000, 2));
    assert!(info.capabilities.contains(Capability::HOST_ACCESS) && !info.capabilities.contains(Capability::EXPORT));
    assert_eq!(format!("{:?}", Capability::GROW | Capability::EXPORT), "{EXPORT, GROW}");
    assert_eq!(storage.info().unwrap().allocator_id, Some(info.id));
    assert_eq!(storage.address() % 128, 0);
    drop(allocator.clone());
    drop(allocator);
    assert_eq!(storage.info().unwrap().allocator_id, Some(info.id));
}

#[test]
fn devices() {
    let host = Device::HOST.info().unwrap();
    assert!(host.total >= host.available && host.page_size >= 4096 && host.count == 1);
    assert_eq!(Device::new(DeviceType::Host, 0), Device::HOST);
    assert_eq!(Device::cuda(1).code(), 2 << 32 | 1);
    let vulkan = Device::new(DeviceType::Vulkan, 1);
    fails(vulkan.info(), Status::Unsupported);
    fails(Allocator::current(vulkan), Status::Unsupported);
    fails(AllocatorOptions::new(Kind::Default).device(vulkan).create(), Status::Unsupported);
}

#[test]
fn statistics() {
    let allocator = Allocator::new(Kind::Map).unwrap();
    let small = allocator.create(1000).unwrap();
    let large = allocator.create(3 << 20).unwrap();
    drop(small);
    let told = allocator.statistics().unwrap();
    assert_eq!((told.allocation.all.current, told.allocation.all.peak, told.allocation.all.allocated), (1, 2, 2));
    assert_eq!((told.allocation.small.freed, told.allocation.large.current), (1, 1));
    assert_eq!(told.requested_bytes.large.current, 3 << 20);
    assert_eq!((told.num_device_alloc, told.num_device_free, told.num_ooms), (2, 1, 0));
    allocator.reset_statistics(Reset::PEAKS).unwrap();
    let told = allocator.statistics().unwrap();
    assert_eq!((told.allocation.all.peak, told.allocation.all.allocated), (1, 2));
    allocator.reset_statistics(Reset::ALL).unwrap();
    assert_eq!(allocator.statistics().unwrap().num_device_alloc, 0);
    drop(large);
}

#[test]
fn history_and_snapshots() {
    let allocator = AllocatorOptions::new(Kind::Map).name("remembered").create().unwrap();
    let events = |what| allocator.snapshot().unwrap().matches(what).count();
    drop(allocator.create(1000).unwrap());
    assert_eq!(events("\"alloc\""), 0);
    allocator.record_history(&HistoryOptions::record().max_entries(100)).unwrap();
    drop(allocator.create(1000).unwrap());
    assert_eq!(events("\"alloc\""), 1);
    allocator.record_history(&HistoryOptions::stop()).unwrap();
    drop(allocator.create(1000).unwrap());
    assert_eq!(events("\"alloc\""), 1);
    allocator.record_history(&HistoryOptions::record().clear()).unwrap();
    assert_eq!(events("\"alloc\""), 0);

    let shared = Allocator::new(Kind::Shared).unwrap();
    let text = allocator.snapshot_storage(Some(&shared)).unwrap();
    assert_eq!(text.info().unwrap().kind, Kind::Shared);
    let text = String::from_utf8(text.to_vec().unwrap()).unwrap();
    assert!(text.starts_with('{') && text.contains("\"device_traces\"") && text.trim_end().ends_with('}'), "{text}");
}

#[test]
fn what_is_kept_for_later() {
    let allocator = Allocator::new(Kind::Map).unwrap();
    let storage = allocator.create(1 << 20).unwrap();
    let options = shmalloc::ExportOptions::new().time_to_live(Duration::from_nanos(1));
    options.export(&storage).unwrap();
    storage.release_deferred();
    allocator.trim(Trim::DEFERRED, 0).unwrap();
    assert_eq!(allocator.info().unwrap().live_storages, 0);
    // The library's clock is a coarse one: the time is over some milliseconds later.
    let start = Instant::now();
    while allocator.statistics().unwrap().pending.current != 0 {
        allocator.trim(Trim::EXPIRED, 0).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
    trim(Trim::ALL, 0).unwrap();

    let segments = Allocator::new(Kind::Shared).unwrap();
    drop(segments.create(50 << 20).unwrap());
    assert!(segments.trim(Trim::FREE, 0).unwrap() >= 50 << 20);
    assert_eq!(segments.trim(Trim::FREE, 0).unwrap(), 0);
}
