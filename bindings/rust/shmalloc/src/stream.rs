//! The order of work on a device: streams and events.
use crate::adopt::run_once;
use crate::error::{call, ready};
use crate::{sys, Device, Error, Result, Status};
use std::process;

/// A queue of work of a [`Device`], which is done in its order. What different streams do has no order but by [`Event`]s.
///
/// It is given back when it is dropped; what is queued is done all the same. Drop what allocators made for a stream before the stream:
/// what they keep for one that is gone serves nobody until they are trimmed. Any thread may use it, several at once. A forked child has
/// none of its parent's: it may drop what it inherited, which does nothing, and not use it.
#[derive(Debug)]
pub struct Stream {
    device: Device,
    number: sys::shmalloc_stream,
    /// The process that gives it back; none for what is somebody else's.
    maker: Option<u32>,
}

impl Stream {
    /// A new stream. `NoSpace`: the device has too many.
    pub fn new(device: Device) -> Result<Stream> {
        ready()?;
        let mut number = 0;
        // SAFETY: only writes to the outputs.
        call(|err| unsafe { sys::shmalloc_stream_create(device.code(), &mut number, err) })?;
        Ok(Stream { device, number, maker: Some(process::id()) })
    }

    /// The one that a device has from the beginning, and that is meant where none is named.
    pub const fn default_of(device: Device) -> Stream {
        Stream { device, number: sys::SHMALLOC_STREAM_DEFAULT, maker: None }
    }

    /// One that somebody else made and gives back, for example a `CUstream` as a number.
    ///
    /// # Safety
    /// It is a stream of the device as long as this object lives, and as long as a storage does that was made for it or noted it with
    /// `record_stream`. Drivers do not check it. What a [`CopyOptions`](crate::CopyOptions) with `non_blocking` copies while it is being
    /// captured, both storages, is held by the caller as long as the graph may run.
    pub const unsafe fn foreign(device: Device, number: u64) -> Stream {
        Stream { device, number, maker: None }
    }

    /// Whose it is.
    pub const fn device(&self) -> Device {
        self.device
    }

    /// Its number, for calls of [`sys`] and of the device's own API; it stays this object's. Of a GPU it is the `CUstream`.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Its number, for a call that is about a device. A driver that is given another device's may crash. The host ignores streams.
    pub(crate) fn on(&self, device: Device) -> Result<sys::shmalloc_stream> {
        match device {
            device if device == self.device => Ok(self.number),
            Device::HOST => Ok(sys::SHMALLOC_STREAM_DEFAULT),
            device => Err(Error::new(Status::Invalid, format!("a stream of {:?} is none of {device:?}", self.device))),
        }
    }

    /// Wait until all is done that was queued on it. `Busy`: it is being captured.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: only waits.
        call(|err| unsafe { sys::shmalloc_stream_synchronize(self.device.code(), self.number, err) })
    }

    /// What comes on it from here on comes after an event, as that was recorded last. The caller goes on.
    pub fn wait(&self, event: &Event) -> Result<()> {
        let stream = self.on(event.device)?;
        // SAFETY: both are the device's.
        call(|err| unsafe { sys::shmalloc_stream_wait(self.device.code(), stream, event.number, err) })
    }

    /// Queue a closure. It runs once, on a thread of the device's; a panic in it goes no further. `Unsupported`: the device can't.
    ///
    /// It must make no call to the device, nor wait for it: that may never end. So let it drop no storage but by
    /// [`release_deferred`](crate::Storage::release_deferred). Nor may the stream be captured: a graph would run the closure again.
    pub fn call<F: FnOnce() + Send + 'static>(&self, function: F) -> Result<()> {
        let function = Box::into_raw(Box::new(function));
        call(|err| {
            let run: sys::shmalloc_work_fn = Some(run_once::<F>);
            // SAFETY: the closure is Send, and goes to one call of run_once.
            unsafe { sys::shmalloc_stream_call(self.device.code(), self.number, run, function.cast(), err) }
        })
        .map_err(|error| {
            // SAFETY: a call that fails queued nothing, so it is still ours.
            drop(unsafe { Box::from_raw(function) });
            error
        })
    }

    /// Give it back, and hear whether that was possible. Nothing happens to one that is not this object's own, or that a forked child
    /// inherited.
    pub fn close(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.maker.take() != Some(process::id()) {
            return Ok(());
        }
        // SAFETY: made by new() in this process, and not used any more.
        call(|err| unsafe { sys::shmalloc_stream_destroy(self.device.code(), self.number, err) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// A mark in a stream: done when all is done that was queued there before it. It is done until it is recorded.
///
/// It is given back when it is dropped, whoever waits for it: waits keep their meaning. Any thread may use it, several at once.
/// For a forked child it is as a [`Stream`] is.
///
/// ```no_run
/// # use shmalloc::{Device, Event, Stream};
/// # fn main() -> shmalloc::Result<()> {
/// let device = Device::host_streams(0);
/// let (first, second) = (Stream::new(device)?, Stream::new(device)?);
/// let queued = Event::new(device)?;
/// queued.record(&first)?;     // what is on the first stream now
/// second.wait(&queued)?;      // is done before what comes on the second from now on
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Event {
    device: Device,
    number: sys::shmalloc_event,
    /// The process that gives it back; none for what is somebody else's.
    maker: Option<u32>,
}

impl Event {
    /// A new event. `NoSpace`: the device has too many.
    pub fn new(device: Device) -> Result<Event> {
        ready()?;
        let mut number = 0;
        // SAFETY: only writes to the outputs.
        call(|err| unsafe { sys::shmalloc_event_create(device.code(), &mut number, err) })?;
        Ok(Event { device, number, maker: Some(process::id()) })
    }

    /// Whose it is.
    pub const fn device(&self) -> Device {
        self.device
    }

    /// Its number, for calls of [`sys`]; it stays this object's.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// From now on it means what is queued on the stream so far, and nothing that it meant before.
    pub fn record(&self, stream: &Stream) -> Result<()> {
        let stream = stream.on(self.device)?;
        // SAFETY: both are the device's.
        call(|err| unsafe { sys::shmalloc_event_record(self.device.code(), self.number, stream, err) })
    }

    /// Whether what it means is done.
    pub fn is_done(&self) -> Result<bool> {
        let mut done = 0;
        // SAFETY: only asks.
        call(|err| unsafe { sys::shmalloc_event_query(self.device.code(), self.number, &mut done, err) })?;
        Ok(done != 0)
    }

    /// Wait until what it means is done.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: only waits.
        call(|err| unsafe { sys::shmalloc_event_synchronize(self.device.code(), self.number, err) })
    }

    /// Give it back, and hear whether that was possible. Nothing happens to one that a forked child inherited.
    pub fn close(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if self.maker.take() != Some(process::id()) {
            return Ok(());
        }
        // SAFETY: made by new() in this process, and not used any more.
        call(|err| unsafe { sys::shmalloc_event_destroy(self.device.code(), self.number, err) })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
