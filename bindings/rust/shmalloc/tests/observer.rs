//! Hearing of memory that is missing in allocators of kind `Caching`.
mod support;

use shmalloc::{Allocator, Notices, Status, Storage, Stream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use support::board::board;
use support::{device, fails};

const MIB: u64 = 1 << 20;

#[test]
fn an_observer_hears_of_memory_that_is_missing() {
    let device = board();
    let allocator = Allocator::on(device).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = heard.clone();
    let observer = allocator
        .observe(Notices::MEMORY_LOW | Notices::OUT_OF_MEMORY, move |notice| {
            keep.lock().unwrap().push(notice.clone());
            false
        })
        .unwrap();
    let first = allocator.create(20 << 20).unwrap();
    heard.lock().unwrap().clear();
    let stream = Stream::default_of(device);
    let error = fails(allocator.allocate((20 << 20) - 1, &stream), Status::NoMemory);
    {
        let heard = heard.lock().unwrap();
        assert_eq!(
            heard.iter().map(|notice| notice.kind).collect::<Vec<_>>(),
            [Notices::MEMORY_LOW, Notices::OUT_OF_MEMORY]
        );
        let (low, out) = (&heard[0], &heard[1]);
        assert!(low.report.is_empty() && !out.report.is_empty(), "{out:?}");
        assert_eq!((out.device, out.stream, out.requested, out.rounded), (device, 0, 20 * MIB - 1, 20 * MIB));
        assert_eq!((out.total, out.available, out.limit), (32 * MIB, Some(12 * MIB), 32 * MIB));
        assert_eq!((out.reserved, out.allocated, out.pending), (20 * MIB, 20 * MIB, 0));
        assert_eq!((out.largest_free, out.fragmentation), (0, 0));
        assert_eq!(out.allocator_id, allocator.info().unwrap().id);
        assert!(error.message().contains("20.00 MiB"), "{error}");
    }
    drop(observer);
    assert_eq!(Arc::strong_count(&heard), 1, "the listener was dropped");
    fails(allocator.create(20 << 20), Status::NoMemory);
    assert_eq!(heard.lock().unwrap().len(), 2);
    drop((first, allocator));
    device.unregister().unwrap();
}

#[test]
fn an_observer_helps() {
    let device = board();
    let allocator = Allocator::on(device).unwrap();
    let spare = Arc::new(Mutex::new(None));
    let keep = spare.clone();
    let observer = allocator
        .observe(Notices::MEMORY_LOW, move |_| keep.lock().unwrap().take().map(drop::<Storage>).is_some())
        .unwrap();
    *spare.lock().unwrap() = Some(allocator.create(12 << 20).unwrap());
    let made = allocator.create(12 << 20).unwrap();
    assert!(spare.lock().unwrap().is_none());
    let told = allocator.statistics().unwrap();
    assert_eq!(
        (told.num_device_alloc, told.num_device_free),
        (1, 0),
        "what it gave back serves, and the device is not asked"
    );
    observer.close().unwrap();

    // A panic counts as no help, and one that takes itself off is refused.
    let observer = allocator.observe(Notices::MEMORY_LOW, |_| panic!("on purpose: this line is expected")).unwrap();
    fails(allocator.create(24 << 20), Status::NoMemory);
    drop(observer);
    let itself = Arc::new(Mutex::new(None));
    let (keep, refused) = (itself.clone(), Arc::new(AtomicUsize::new(0)));
    let count = refused.clone();
    let observer = allocator.observe(Notices::OUT_OF_MEMORY, move |_| {
        if let Some(observer) = keep.lock().unwrap().take() {
            fails(shmalloc::Observer::close(observer), Status::Busy);
            count.fetch_add(1, Ordering::Relaxed);
        }
        false
    });
    *itself.lock().unwrap() = Some(observer.unwrap());
    fails(allocator.create(24 << 20), Status::NoMemory);
    assert_eq!(refused.load(Ordering::Relaxed), 1);
    drop((made, allocator));
    assert_eq!(Arc::strong_count(&refused), 1, "it ended with the allocator");
    device.unregister().unwrap();
}

#[test]
fn observers_are_sixteen_at_most() {
    let allocator = Allocator::on(device()).unwrap();
    let observe = || allocator.observe(Notices::MEMORY_LOW, |_| false);
    let observers: Vec<_> = (0..16).map(|_| observe().unwrap()).collect();
    fails(observe(), Status::NoSpace);
    drop(observers);
    observe().unwrap().close().unwrap();
    fails(allocator.observe(Notices::default(), |_| false), Status::Invalid);
}
