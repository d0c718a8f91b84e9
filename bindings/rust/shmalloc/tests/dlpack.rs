//! Tensors: what is exported comes back, and deleters run once.
#![deny(unsafe_op_in_unsafe_fn)]
mod support;

use shmalloc::dlpack::{Layout, Tensor, UnversionedTensor};
use shmalloc::{sys, Allocator, Device, DeviceType, Kind, Status, Storage};
use std::os::raw::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::fails;

#[test]
fn there_and_back() {
    let storage = Storage::new(64).unwrap();
    let layout = Layout { strides: Some(vec![1, 2]), offset: 8, ..Layout::new(2, 32, &[2, 3]) };
    let tensor = Tensor::export(&storage, Some(&layout)).unwrap();
    assert_eq!(storage.info().unwrap().pins, 1);
    let (imported, seen) = tensor.import().unwrap();
    assert_eq!((seen.shape, seen.strides, seen.code, seen.bits, seen.lanes), (vec![2, 3], Some(vec![1, 2]), 2, 32, 1));
    assert_eq!(imported.info().unwrap().kind, Kind::Default);
    assert_eq!(imported.address(), storage.address() + 8);
    storage.write_at(8, b"tensor").unwrap();
    assert_eq!(&imported.to_vec().unwrap()[..6], b"tensor");
    drop(imported);
    assert_eq!(storage.info().unwrap().pins, 0, "the deleter ran");
}

#[test]
fn without_a_layout_it_is_all_bytes() {
    let storage = Storage::new(10).unwrap();
    let (imported, seen) = UnversionedTensor::export(&storage, None).unwrap().import().unwrap();
    assert_eq!((seen.shape, seen.code, seen.bits, imported.size()), (vec![10], 1, 8, 10));
}

/// What can be imported is the host's or CUDA's. Under meson there is the simulated driver.
#[test]
fn of_memory_that_is_not_for_the_host() {
    if Device::count(DeviceType::Cuda).unwrap() == 0 {
        eprintln!("skipped: no CUDA device");
        return;
    }
    let storage = Allocator::on(Device::cuda(0)).unwrap().create(64).unwrap();
    let layout = Layout { offset: 8, ..Layout::new(2, 32, &[2, 3]) };
    let (imported, seen) = Tensor::export(&storage, Some(&layout)).unwrap().import().unwrap();
    assert_eq!((seen.shape, seen.strides), (vec![2, 3], Some(vec![3, 1])));
    let (all, bytes) = UnversionedTensor::export(&storage, None).unwrap().import().unwrap();
    assert_eq!((bytes.shape, all.address(), all.size()), (vec![64], storage.address(), 64));
    let info = imported.info().unwrap();
    assert_eq!((info.device, info.address, info.size), (Device::cuda(0), storage.address() + 8, 24));
    assert_eq!((info.pins, storage.info().unwrap().pins), (0, 2));
    fails(imported.view(), Status::Unsupported);
    drop((imported, all));
    assert_eq!(storage.info().unwrap().pins, 0, "the deleters ran");
}

#[test]
fn dropped_it_is_deleted() {
    let storage = Storage::new(10).unwrap();
    let (tensor, other) = (Tensor::export(&storage, None).unwrap(), UnversionedTensor::export(&storage, None).unwrap());
    assert_eq!(storage.info().unwrap().pins, 2);
    fails(storage.close(), Status::Busy);
    std::thread::spawn(move || drop(tensor)).join().unwrap();
    let raw = other.into_raw();
    assert_eq!(storage.info().unwrap().pins, 1);
    // SAFETY: just handed out, by a library that lets any thread call the deleter.
    drop(unsafe { UnversionedTensor::from_raw(raw) }.unwrap());
    assert_eq!(storage.info().unwrap().pins, 0);
    // SAFETY: nothing at all.
    assert!(unsafe { Tensor::from_raw(std::ptr::null_mut()) }.is_none());
}

#[test]
fn what_can_not_be() {
    let storage = Storage::new(10).unwrap();
    fails(Tensor::export(&storage, Some(&Layout::new(2, 32, &[3]))), Status::Invalid);
    let strides = Layout { strides: Some(vec![1, 1]), ..Layout::new(1, 8, &[3]) };
    fails(Tensor::export(&storage, Some(&strides)), Status::Invalid);
    let guarded = Layout { read_only: true, ..Layout::new(1, 8, &[3]) };
    fails(UnversionedTensor::export(&storage, Some(&guarded)), Status::Permission);
    let padded = Layout { padded: true, ..Layout::new(1, 4, &[3]) };
    fails(UnversionedTensor::export(&storage, Some(&padded)), Status::Unsupported);
    let (imported, seen) = Tensor::export(&storage, Some(&guarded)).unwrap().import().unwrap();
    assert!(seen.read_only);
    fails(imported.view_mut(), Status::Permission);
}

/// A producer that is not shmalloc: DLPack's struct, written down once more.
#[repr(C)]
struct Foreign {
    data: *mut c_void,
    device: [i32; 2],
    ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
    bytes: *mut Vec<u8>,
    deleter: Option<unsafe extern "C" fn(*mut Foreign)>,
    numbers: [i64; 1],
}

static DELETED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn delete(foreign: *mut Foreign) {
    DELETED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: made by Box::into_raw below, and deleted once.
    unsafe { drop(Box::from_raw((*foreign).bytes)) };
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(foreign) });
}

fn foreign(shape: i64) -> UnversionedTensor {
    let bytes = Box::into_raw(Box::new(b"from elsewhere".to_vec()));
    let foreign = Box::into_raw(Box::new(Foreign {
        // SAFETY: just made.
        data: unsafe { (*bytes).as_mut_ptr() }.cast(),
        device: [1, 0],
        ndim: 1,
        code: 1,
        bits: 8,
        lanes: 1,
        shape: std::ptr::null_mut(),
        strides: std::ptr::null_mut(),
        byte_offset: 5,
        bytes,
        deleter: Some(delete),
        numbers: [shape],
    }));
    // SAFETY: as DLPack says it is, and used by nobody else.
    unsafe {
        (*foreign).shape = (*foreign).numbers.as_mut_ptr();
        UnversionedTensor::from_raw(foreign.cast::<sys::DLManagedTensor>()).unwrap()
    }
}

#[test]
fn of_a_foreign_producer() {
    let (storage, layout) = foreign(9).import().unwrap();
    assert_eq!((storage.to_vec().unwrap(), layout.shape), (b"elsewhere".to_vec(), vec![9]));
    assert_eq!(DELETED.load(Ordering::Relaxed), 0);
    drop(storage);
    assert_eq!(DELETED.load(Ordering::Relaxed), 1);
    drop(foreign(9));
    assert_eq!(DELETED.load(Ordering::Relaxed), 2);
    fails(foreign(-1).import(), Status::Corrupt);
    assert_eq!(DELETED.load(Ordering::Relaxed), 3, "it is given back when the call fails too");
}
