//! Queues of storages between processes.
use crate::error::{call, created};
use crate::time::waiting;
use crate::{sys, Error, Result, Status, Storage, Time};
use std::fmt;
use std::ptr::{self, NonNull};
use std::time::Duration;

/// A bounded queue of storages, each with some bytes beside it, for any number of senders and receivers in up to 64 processes.
///
/// ```no_run
/// # fn main() -> shmalloc::Result<()> {
/// let channel = shmalloc::Channel::new()?;
/// println!("{}", channel.storage()?.export_text()?); // there: Channel::open(&Storage::from_text(text)?)
/// channel.send(&shmalloc::Storage::new(4096)?, b"what it is")?;
/// for message in &channel {
///     let message = message?;
///     println!("{:?} {:?}", message.storage, message.record);
/// }
/// # Ok(())
/// # }
/// ```
///
/// A clone is another reference to the same channel. Any thread may use it, several at once. With the last reference this process has
/// left the channel; what it sent can still be received while it lives.
pub struct Channel {
    handle: NonNull<sys::shmalloc_channel>,
}

counted!(Channel, shmalloc_channel, shmalloc_channel_retain, shmalloc_channel_release);

/// What was received.
#[derive(Debug)]
pub struct Message {
    /// The storage; none if the record was sent alone.
    pub storage: Option<Storage>,
    /// The bytes that were sent beside it.
    pub record: Vec<u8>,
}

/// A channel, described. Counts are of all processes, and exact when nobody sends or receives.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelInfo {
    /// Storages in it at most.
    pub capacity: u64,
    /// Sent and not yet received.
    pub length: u64,
    /// Ever sent.
    pub sent: u64,
    /// Ever received.
    pub received: u64,
    /// Sent, but gone with their sender before they could be received.
    pub skipped: u64,
    /// Bytes of a record at most.
    pub record_size: usize,
    /// Processes that have it open, this one included.
    pub attached: u32,
    /// Nothing can be sent any more.
    pub closed: bool,
}

/// Bytes of a record, unless the channel was made for longer ones.
const USUAL_RECORD: usize = 32;

/// What a new channel is like.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ChannelOptions {
    params: sys::shmalloc_channel_params,
}

impl ChannelOptions {
    /// 256 storages, with records of 32 bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Storages in it at most, rounded up to a power of two.
    pub fn capacity(mut self, storages: u64) -> Self {
        self.params.capacity = storages;
        self
    }

    /// Bytes that go along with each storage at most; at most 4096. Up to 32 cost nothing extra.
    pub fn record_size(mut self, bytes: u32) -> Self {
        self.params.record_size = bytes;
        self.params.flags = if bytes == 0 { sys::SHMALLOC_CHANNEL_NO_RECORD } else { 0 };
        self
    }

    /// Make it.
    pub fn create(&self) -> Result<Channel> {
        // SAFETY: the struct says its size.
        Ok(Channel::of(created(|out, err| unsafe { sys::shmalloc_channel_create(&self.params, out, err) })?))
    }
}

impl Channel {
    /// A channel for 256 storages, with records of at most 32 bytes.
    pub fn new() -> Result<Channel> {
        ChannelOptions::new().create()
    }

    /// How to make one that is larger or smaller.
    pub fn options() -> ChannelOptions {
        ChannelOptions::new()
    }

    /// The channel that lives in a storage, which may be dropped then. `Corrupt`: none lives there.
    pub fn open(storage: &Storage) -> Result<Channel> {
        // SAFETY: alive during the call.
        Ok(Channel::of(created(|out, err| unsafe { sys::shmalloc_channel_open(storage.raw(), out, err) })?))
    }

    /// The storage that it lives in, to be exported or sent so that others can open the channel. Leave its bytes alone.
    pub fn storage(&self) -> Result<Storage> {
        // SAFETY: alive during the call.
        Ok(Storage::of(created(|out, err| unsafe { sys::shmalloc_channel_storage(self.raw(), out, err) })?))
    }

    /// Close it for everybody: nothing can be sent any more, what is in it can still be received, who waits is woken.
    pub fn close(&self) -> Result<()> {
        // SAFETY: alive during the call.
        call(|err| unsafe { sys::shmalloc_channel_close(self.raw(), err) })
    }

    /// All that is known of it.
    pub fn info(&self) -> Result<ChannelInfo> {
        let mut info = sys::shmalloc_channel_info::default();
        // SAFETY: alive during the call; the struct says its size.
        call(|err| unsafe { sys::shmalloc_channel_get_info(self.raw(), &mut info, err) })?;
        Ok(ChannelInfo {
            capacity: info.capacity,
            length: info.length,
            sent: info.sent,
            received: info.received,
            skipped: info.skipped,
            record_size: info.record_size as usize,
            attached: info.attached,
            closed: info.state & sys::SHMALLOC_CHANNEL_STATE_CLOSED != 0,
        })
    }

    // ---- sending ----

    /// Send a storage of an allocator of kind `Shared`, or with `None` the record alone, and wait while the channel is full. The storage is
    /// held for the receiver: drop it when you like. `Closed`: nothing was sent; `PeerGone`: nobody is there any more.
    pub fn send<'a>(&self, storage: impl Into<Option<&'a Storage>>, record: &[u8]) -> Result<()> {
        self.send_within(storage.into(), record, Time::Forever)
    }

    /// The same, without waiting: `Timeout` if the channel is full.
    pub fn try_send<'a>(&self, storage: impl Into<Option<&'a Storage>>, record: &[u8]) -> Result<()> {
        self.send_within(storage.into(), record, Time::None)
    }

    /// The same: `Timeout` if the channel was full all the time.
    pub fn send_timeout<'a>(
        &self,
        storage: impl Into<Option<&'a Storage>>,
        record: &[u8],
        timeout: Duration,
    ) -> Result<()> {
        self.send_within(storage.into(), record, timeout.into())
    }

    fn send_within(&self, storage: Option<&Storage>, record: &[u8], time: Time) -> Result<()> {
        let storage = storage.map_or(ptr::null_mut(), Storage::raw);
        waiting(time, |left| {
            // SAFETY: both are alive during the call, and the record is as long as said.
            call(|err| unsafe {
                sys::shmalloc_channel_send(self.raw(), storage, record.as_ptr(), record.len(), left, err)
            })
        })
    }

    // ---- receiving ----

    /// The next storage and the bytes beside it; waits while the channel is empty. `Closed`: it is empty and closed; `PeerGone`: it is empty,
    /// and nobody is there any more.
    pub fn receive(&self) -> Result<Message> {
        self.receive_within(Time::Forever)
    }

    /// The same, without waiting: none if the channel is empty.
    pub fn try_receive(&self) -> Result<Option<Message>> {
        match self.receive_within(Time::None) {
            Err(error) if error.status() == Status::Timeout => Ok(None),
            received => received.map(Some),
        }
    }

    /// The same: `Timeout` if the channel was empty all the time.
    pub fn receive_timeout(&self, timeout: Duration) -> Result<Message> {
        self.receive_within(timeout.into())
    }

    /// As [`receive`](Channel::receive), with the record in a buffer of yours: the storage, and how long the record is. `NoSpace`: the
    /// record is longer than the buffer, and the next one stays where it is.
    pub fn receive_into(&self, record: &mut [u8], timeout: Time) -> Result<(Option<Storage>, usize)> {
        let (mut handle, mut length) = (ptr::null_mut(), 0);
        waiting(timeout, |left| {
            length = record.len();
            // SAFETY: alive during the call; the room is as long as said.
            call(|err| unsafe {
                sys::shmalloc_channel_receive(self.raw(), &mut handle, record.as_mut_ptr(), &mut length, left, err)
            })
        })?;
        if length > record.len() {
            return Err(Error::new(Status::Internal, "a record longer than its room"));
        }
        Ok((NonNull::new(handle).map(Storage::of), length))
    }

    fn receive_within(&self, time: Time) -> Result<Message> {
        // Most records are short, and asking how long they may be looks at every process that has the channel.
        let mut record = vec![0; USUAL_RECORD];
        let (storage, length) = match self.receive_into(&mut record, time) {
            Err(error) if error.status() == Status::NoSpace => {
                record.resize(self.info()?.record_size, 0);
                self.receive_into(&mut record, time)?
            }
            received => received?,
        };
        record.truncate(length);
        Ok(Message { storage, record })
    }

    /// What comes, until the channel is closed and empty.
    pub fn iter(&self) -> Messages<'_> {
        Messages { channel: self, ended: false }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Channel");
        if let Ok(info) = self.info() {
            debug.field("length", &info.length).field("capacity", &info.capacity).field("closed", &info.closed);
        }
        debug.finish_non_exhaustive()
    }
}

/// What comes through a channel, until it is closed and empty. After any other error than `Closed` it ends too: the error is the last item.
#[derive(Debug)]
pub struct Messages<'a> {
    channel: &'a Channel,
    ended: bool,
}

impl Iterator for Messages<'_> {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Result<Message>> {
        if self.ended {
            return None;
        }
        match self.channel.receive() {
            Ok(message) => Some(Ok(message)),
            Err(error) => {
                self.ended = true;
                if error.status() == Status::Closed {
                    None
                } else {
                    Some(Err(error))
                }
            }
        }
    }
}

impl std::iter::FusedIterator for Messages<'_> {}

impl<'a> IntoIterator for &'a Channel {
    type Item = Result<Message>;
    type IntoIter = Messages<'a>;
    fn into_iter(self) -> Messages<'a> {
        self.iter()
    }
}
