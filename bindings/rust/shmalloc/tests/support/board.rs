//! A device of our own: this machine's memory, with streams that are done at once, which says what it was asked for.
#![deny(unsafe_op_in_unsafe_fn)]
use shmalloc::backend::{Answer, Backend, Failure, Parts, Work};
use shmalloc::{Device, Status};
use std::alloc::{alloc, dealloc, Layout};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub struct Board {
    pub parts: Parts,
    pub host_access: bool,
    pub total: u64,
    /// What all but what gives back answers, unless it is 0; -1: a panic.
    pub failing: AtomicI32,
    /// What was done, a word each.
    pub log: Arc<Mutex<Vec<&'static str>>>,
    blocks: Mutex<HashMap<u64, Layout>>,
    next: AtomicU64,
}

impl Board {
    pub fn new(parts: Parts) -> Board {
        Board {
            parts,
            host_access: false,
            total: 32 << 20,
            failing: AtomicI32::new(0),
            log: Arc::default(),
            blocks: Mutex::default(),
            next: AtomicU64::new(1),
        }
    }

    fn done(&self, what: &'static str) -> Answer<()> {
        self.log.lock().unwrap().push(what);
        match self.failing.load(Ordering::Relaxed) {
            0 => Ok(()),
            -1 => panic!("on purpose: this line is expected"),
            code => Err(Failure::code(code)),
        }
    }

    fn number(&self, what: &'static str) -> Answer<u64> {
        self.done(what).map(|()| self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn used(&self) -> u64 {
        self.blocks.lock().unwrap().values().map(|layout| layout.size() as u64).sum()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        assert!(self.blocks.lock().unwrap().is_empty(), "all was given back");
        self.log.lock().unwrap().push("end");
    }
}

// SAFETY: blocks are allocations of their own, and all is done before a method returns.
unsafe impl Backend for Board {
    fn parts(&self) -> Parts {
        self.parts
    }

    fn host_access(&self) -> bool {
        self.host_access
    }

    fn alignment(&self) -> u64 {
        4096
    }

    fn allocate(&self, size: u64) -> Answer<u64> {
        self.done("allocate")?;
        if size > self.total - self.used() {
            return Err(Status::NoMemory.into());
        }
        let layout = Layout::from_size_align(size as usize, 4096).unwrap();
        // SAFETY: the library asks for no empty blocks.
        let address = unsafe { alloc(layout) } as usize as u64;
        self.blocks.lock().unwrap().insert(address, layout);
        Ok(address)
    }

    unsafe fn deallocate(&self, address: u64, size: u64) -> Answer<()> {
        let layout = self.blocks.lock().unwrap().remove(&address).unwrap();
        assert_eq!(layout.size() as u64, size);
        // SAFETY: allocate() gave it, and nobody uses it any more.
        unsafe { dealloc(address as usize as *mut u8, layout) };
        Ok(())
    }

    fn memory_info(&self) -> Answer<(u64, u64)> {
        Ok((self.total - self.used(), self.total))
    }

    unsafe fn copy(&self, to: u64, from: u64, size: u64, _stream: u64) -> Answer<()> {
        self.done("copy")?;
        // SAFETY: as the caller promises.
        unsafe { (from as usize as *const u8).copy_to_nonoverlapping(to as usize as *mut u8, size as usize) };
        Ok(())
    }

    unsafe fn fill(&self, to: u64, value: u8, size: u64, _stream: u64) -> Answer<()> {
        self.done("fill")?;
        // SAFETY: as the caller promises.
        unsafe { (to as usize as *mut u8).write_bytes(value, size as usize) };
        Ok(())
    }

    unsafe fn call(&self, _stream: u64, work: Work) -> Answer<()> {
        self.done("call")?;
        work.run();
        Ok(())
    }

    fn synchronize(&self) -> Answer<()> {
        self.done("synchronize")
    }

    fn stream_create(&self) -> Answer<u64> {
        self.number("stream_create")
    }

    unsafe fn stream_destroy(&self, _stream: u64) -> Answer<()> {
        self.log.lock().unwrap().push("stream_destroy");
        Ok(())
    }

    unsafe fn stream_synchronize(&self, _stream: u64) -> Answer<()> {
        self.done("stream_synchronize")
    }

    unsafe fn stream_wait(&self, _stream: u64, _event: u64) -> Answer<()> {
        self.done("stream_wait")
    }

    unsafe fn stream_capturing(&self, _stream: u64) -> Answer<bool> {
        Ok(false)
    }

    fn event_create(&self) -> Answer<u64> {
        self.number("event_create")
    }

    unsafe fn event_destroy(&self, _event: u64) -> Answer<()> {
        self.log.lock().unwrap().push("event_destroy");
        Ok(())
    }

    unsafe fn event_record(&self, _event: u64, _stream: u64) -> Answer<()> {
        self.done("event_record")
    }

    unsafe fn event_query(&self, _event: u64) -> Answer<bool> {
        self.done("event_query").map(|()| true)
    }

    unsafe fn event_synchronize(&self, _event: u64) -> Answer<()> {
        self.done("event_synchronize")
    }

    fn enable_peer(&self, peer: &Board) -> Answer<()> {
        peer.done("peer of another")
    }
}

/// Such a device of 32 MiB.
pub fn board() -> Device {
    Device::register("board", Board::new(Parts::MEMORY_INFO | Parts::COPY)).unwrap()
}
