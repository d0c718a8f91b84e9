//! Streams and events in a forked child. Alone in its file: no other test has threads or numbers meanwhile.
use shmalloc::{sys, Device, Event, Status, Stream};

extern "C" {
    fn fork() -> i32;
    fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(code: i32) -> !;
}

/// The device begins anew there, with the parent's numbers. Lets go of what was inherited; true: the numbers are the same.
fn in_the_child(streams: [Stream; 2], events: [Event; 2]) -> shmalloc::Result<bool> {
    let device = streams[0].device();
    let own = (Stream::new(device)?, Stream::new(device)?);
    let own_events = (Event::new(device)?, Event::new(device)?);
    let same = own.0.number() == streams[0].number()
        && own.1.number() == streams[1].number()
        && own_events.0.number() == events[0].number()
        && own_events.1.number() == events[1].number();
    let ([dropped, closed], [dropped_event, closed_event]) = (streams, events);
    drop((dropped, dropped_event));
    closed.close()?;
    closed_event.close()?;
    own.0.synchronize()?;
    own.1.synchronize()?;
    own_events.0.synchronize()?;
    own_events.1.synchronize()?;
    Ok(same)
}

#[test]
fn a_child_gives_back_its_own_only() {
    let device = Device::host_streams(0);
    let streams = [Stream::new(device).unwrap(), Stream::new(device).unwrap()];
    let events = [Event::new(device).unwrap(), Event::new(device).unwrap()];
    let (number, event_number) = (streams[0].number(), events[0].number());
    // SAFETY: the child ends by _exit, and only calls the library, which allows for forks.
    let child = unsafe { fork() };
    if child == 0 {
        let code = match in_the_child(streams, events) {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(error) => 100 - error.status().code(),
        };
        // SAFETY: nothing runs after it.
        unsafe { _exit(code) };
    }
    let mut status = -1;
    // SAFETY: the status is written to during the call.
    assert_eq!(unsafe { waitpid(child, &mut status, 0) }, child);
    assert_eq!(status >> 8, 0, "1: other numbers than the parent's; 100 and more: a call failed");
    assert_eq!(status, 0);
    // The parent's go as ever.
    drop((streams, events));
    // SAFETY: such devices check numbers.
    let gone = unsafe { Stream::foreign(device, number) };
    assert_eq!(gone.synchronize().unwrap_err().status(), Status::Invalid);
    let mut done = 0;
    // SAFETY: as above.
    let status = unsafe { sys::shmalloc_event_query(device.code(), event_number, &mut done, std::ptr::null_mut()) };
    assert_eq!(status, sys::SHMALLOC_STATUS_INVALID);
}
