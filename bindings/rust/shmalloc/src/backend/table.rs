//! A backend's methods as functions that C calls.
use super::{Answer, Backend, Failure, Parts, Registered, Work};
use crate::{sys, Access, Status};
use std::any::TypeId;
use std::mem;
use std::os::raw::c_void;
use std::panic::{self, AssertUnwindSafe};

/// The functions of a backend, as C has them; NULL for what it does not have.
pub(super) fn of<B: Backend>(backend: &B) -> sys::shmalloc_backend {
    let parts = backend.parts();
    let has = |part| parts.contains(part);
    let mut table = sys::shmalloc_backend {
        alignment: backend.alignment(),
        capabilities: if backend.host_access() { sys::SHMALLOC_CAPABILITY_HOST_ACCESS } else { 0 },
        allocate: Some(allocate::<B>),
        deallocate: Some(deallocate::<B>),
        ..Default::default()
    };
    if has(Parts::MEMORY_INFO) {
        table.memory_info = Some(memory_info::<B>);
    }
    if has(Parts::COPY) {
        table.copy = Some(copy::<B>);
    }
    if has(Parts::FILL) {
        table.fill = Some(fill::<B>);
    }
    if has(Parts::CALL) {
        table.call = Some(call::<B>);
    }
    if has(Parts::SYNCHRONIZE) {
        table.synchronize = Some(synchronize::<B>);
    }
    if has(Parts::STREAMS) {
        table.stream_create = Some(stream_create::<B>);
        table.stream_destroy = Some(stream_destroy::<B>);
        table.stream_synchronize = Some(stream_synchronize::<B>);
        table.stream_wait = Some(stream_wait::<B>);
        table.event_create = Some(event_create::<B>);
        table.event_destroy = Some(event_destroy::<B>);
        table.event_record = Some(event_record::<B>);
        table.event_query = Some(event_query::<B>);
        table.event_synchronize = Some(event_synchronize::<B>);
    }
    if has(Parts::CAPTURING) {
        table.stream_capturing = Some(stream_capturing::<B>);
    }
    if has(Parts::VIRTUAL) {
        table.page_size = backend.page_size();
        table.virtual_reserve = Some(virtual_reserve::<B>);
        table.virtual_unreserve = Some(virtual_unreserve::<B>);
        table.virtual_create = Some(virtual_create::<B>);
        table.virtual_destroy = Some(virtual_destroy::<B>);
        table.virtual_map = Some(virtual_map::<B>);
        table.virtual_unmap = Some(virtual_unmap::<B>);
        table.virtual_access = Some(virtual_access::<B>);
    }
    if has(Parts::PEERS) {
        table.enable_peer = Some(enable_peer::<B>);
    }
    table
}

/// What a method answers, as C has it; what it gave is written to `out`.
///
/// # Safety
/// `userdata` is a backend of this type, which lives, and `out` can be written.
unsafe fn answer<B: Backend, T>(userdata: *mut c_void, out: *mut T, method: impl FnOnce(&B) -> Answer<T>) -> i32 {
    // SAFETY: as the caller promises.
    let backend = unsafe { &(*userdata.cast::<Registered<B>>()).backend };
    match panic::catch_unwind(AssertUnwindSafe(|| method(backend))) {
        Ok(Ok(given)) => {
            // SAFETY: as the caller promises.
            unsafe { out.write(given) };
            sys::SHMALLOC_STATUS_OK
        }
        Ok(Err(Failure(code))) if code != sys::SHMALLOC_STATUS_OK => code,
        Ok(Err(_)) => sys::SHMALLOC_STATUS_INTERNAL, // a failure that says that it is none
        Err(payload) => {
            mem::forget(payload); // whose drop could panic again
            sys::SHMALLOC_STATUS_INTERNAL
        }
    }
}

/// Where something is given, or nothing.
macro_rules! place {
    ($nothing:expr) => {
        $nothing
    };
    ($nothing:expr, $something:expr) => {
        $something
    };
}

/// One function a line: its arguments in C, what it gives by a pointer behind them, and the method.
macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*) $(-> $out:ty)? { |$backend:ident| $call:expr })*) => {$(
        #[allow(unused_unsafe)] // Some methods are safe.
        unsafe extern "C" fn $name<B: Backend>(
            $($argument: $type,)* $(out: *mut $out,)? userdata: *mut c_void
        ) -> i32 {
            // SAFETY: the library passes what Device::register gave it, places for what is given, and numbers as the trait says.
            unsafe { answer(userdata, place!(&mut () $(, out as *mut $out)?), |$backend: &B| unsafe { $call }) }
        }
    )*};
}

functions! {
    allocate(size: u64) -> u64 { |backend| backend.allocate(size) }
    deallocate(address: u64, size: u64) { |backend| backend.deallocate(address, size) }
    copy(to: u64, from: u64, size: u64, stream: u64) { |backend| backend.copy(to, from, size, stream) }
    fill(to: u64, value: u32, size: u64, stream: u64) { |backend| backend.fill(to, value as u8, size, stream) }
    call(stream: u64, function: sys::shmalloc_work_fn, argument: *mut c_void) {
        |backend| backend.call(stream, Work { function, argument })
    }
    synchronize() { |backend| backend.synchronize() }
    stream_create(_size: u64) -> u64 { |backend| backend.stream_create() }
    stream_destroy(stream: u64) { |backend| backend.stream_destroy(stream) }
    stream_synchronize(stream: u64) { |backend| backend.stream_synchronize(stream) }
    stream_wait(event: u64, stream: u64) { |backend| backend.stream_wait(stream, event) }
    stream_capturing(stream: u64) -> i32 { |backend| backend.stream_capturing(stream).map(i32::from) }
    event_create(_size: u64) -> u64 { |backend| backend.event_create() }
    event_destroy(event: u64) { |backend| backend.event_destroy(event) }
    event_record(event: u64, stream: u64) { |backend| backend.event_record(event, stream) }
    event_query(event: u64) -> i32 { |backend| backend.event_query(event).map(i32::from) }
    event_synchronize(event: u64) { |backend| backend.event_synchronize(event) }
    virtual_reserve(size: u64) -> u64 { |backend| backend.virtual_reserve(size) }
    virtual_unreserve(address: u64, size: u64) { |backend| backend.virtual_unreserve(address, size) }
    virtual_create(size: u64) -> u64 { |backend| backend.virtual_create(size) }
    virtual_destroy(memory: u64) { |backend| backend.virtual_destroy(memory) }
    virtual_map(address: u64, size: u64, memory: u64) { |backend| backend.virtual_map(address, size, memory) }
    virtual_unmap(address: u64, size: u64) { |backend| backend.virtual_unmap(address, size) }
    virtual_access(address: u64, size: u64, what: u64) {
        |backend| backend.virtual_access(address, size, Some(Access::from_code(what as i32)).filter(|_| what != 0))
    }
    enable_peer(peer: *mut c_void) {
        // The library has seen that both have this function, so the peer is a backend of ours; of which type, it says itself.
        |backend| match *peer.cast::<TypeId>() == TypeId::of::<B>() {
            true => backend.enable_peer(&(*peer.cast::<Registered<B>>()).backend),
            false => Err(Status::Unsupported.into()),
        }
    }
}

unsafe extern "C" fn memory_info<B: Backend>(available: *mut u64, total: *mut u64, userdata: *mut c_void) -> i32 {
    let mut both = (0, 0);
    // SAFETY: the library passes what Device::register gave it, and places for both numbers.
    unsafe {
        let code = answer(userdata, &mut both, |backend: &B| backend.memory_info());
        (*available, *total) = both;
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;
    use std::sync::Mutex;

    /// Notes what it is asked for, and answers with numbers.
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    macro_rules! notes {
        ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty { $value:expr })*) => {$(
            #[allow(clippy::missing_safety_doc)]
            unsafe fn $name(&self, $($argument: $type),*) -> Answer<$answer> {
                let said = (stringify!($name), $($argument),*);
                self.0.lock().unwrap().push(format!("{said:?}"));
                Ok($value)
            }
        )*};
    }

    // SAFETY: nobody touches its memory.
    unsafe impl Backend for Notes {
        fn allocate(&self, size: u64) -> Answer<u64> {
            Ok(size + 1)
        }
        fn memory_info(&self) -> Answer<(u64, u64)> {
            Ok((5, 9))
        }
        fn stream_create(&self) -> Answer<u64> {
            Ok(11)
        }
        fn event_create(&self) -> Answer<u64> {
            Ok(12)
        }
        fn virtual_reserve(&self, size: u64) -> Answer<u64> {
            Ok(size + 2)
        }
        fn virtual_create(&self, size: u64) -> Answer<u64> {
            Ok(size + 3)
        }
        fn page_size(&self) -> u64 {
            4096
        }
        fn parts(&self) -> Parts {
            Parts::from_bits(u32::MAX)
        }
        notes! {
            deallocate(address: u64, size: u64) -> () { () }
            copy(to: u64, from: u64, size: u64, stream: u64) -> () { () }
            fill(to: u64, value: u8, size: u64, stream: u64) -> () { () }
            stream_destroy(stream: u64) -> () { () }
            stream_synchronize(stream: u64) -> () { () }
            stream_wait(stream: u64, event: u64) -> () { () }
            stream_capturing(stream: u64) -> bool { true }
            event_destroy(event: u64) -> () { () }
            event_record(event: u64, stream: u64) -> () { () }
            event_query(event: u64) -> bool { false }
            event_synchronize(event: u64) -> () { () }
            virtual_unreserve(address: u64, size: u64) -> () { () }
            virtual_destroy(memory: u64) -> () { () }
            virtual_map(address: u64, size: u64, memory: u64) -> () { () }
            virtual_unmap(address: u64, size: u64) -> () { () }
            virtual_access(address: u64, size: u64, access: Option<Access>) -> () { () }
        }
    }

    /// Each function leads to its method, with the arguments at their places.
    #[test]
    fn as_the_library_calls_them() {
        let notes = Notes::default();
        let table = of(&notes);
        assert_eq!(table.page_size, 4096);
        let mut registered = Registered { kind: TypeId::of::<Notes>(), backend: notes };
        let userdata: *mut c_void = ptr::addr_of_mut!(registered).cast();
        let (mut number, mut other, mut yes) = (0_u64, 0_u64, -1);
        // SAFETY: the userdata is of the type that the table is for.
        unsafe {
            assert_eq!(table.allocate.unwrap()(1, &mut number, userdata), 0);
            assert_eq!(number, 2);
            assert_eq!(table.memory_info.unwrap()(&mut number, &mut other, userdata), 0);
            assert_eq!((number, other), (5, 9));
            assert_eq!(table.stream_create.unwrap()(0, &mut number, userdata), 0);
            assert_eq!(table.event_create.unwrap()(0, &mut other, userdata), 0);
            assert_eq!((number, other), (11, 12));
            assert_eq!(table.virtual_reserve.unwrap()(100, &mut number, userdata), 0);
            assert_eq!(table.virtual_create.unwrap()(100, &mut other, userdata), 0);
            assert_eq!((number, other), (102, 103));
            assert_eq!(table.stream_capturing.unwrap()(1, &mut yes, userdata), 0);
            assert_eq!(yes, 1);
            assert_eq!(table.event_query.unwrap()(2, &mut yes, userdata), 0);
            assert_eq!(yes, 0);
            table.deallocate.unwrap()(3, 4, userdata);
            table.copy.unwrap()(5, 6, 7, 8, userdata);
            table.fill.unwrap()(9, 10, 11, 12, userdata);
            table.stream_destroy.unwrap()(13, userdata);
            table.stream_synchronize.unwrap()(14, userdata);
            table.stream_wait.unwrap()(15, 16, userdata); // C has the event first
            table.event_destroy.unwrap()(17, userdata);
            table.event_record.unwrap()(18, 19, userdata);
            table.event_synchronize.unwrap()(20, userdata);
            table.virtual_unreserve.unwrap()(21, 22, userdata);
            table.virtual_destroy.unwrap()(23, userdata);
            table.virtual_map.unwrap()(24, 25, 26, userdata);
            table.virtual_unmap.unwrap()(27, 28, userdata);
            table.virtual_access.unwrap()(29, 30, 0, userdata);
            table.virtual_access.unwrap()(31, 32, sys::SHMALLOC_ACCESS_WRITE as u64, userdata);
            assert_eq!(table.synchronize.unwrap()(userdata), sys::SHMALLOC_STATUS_UNSUPPORTED);
            assert_eq!(table.call.unwrap()(0, None, ptr::null_mut(), userdata), sys::SHMALLOC_STATUS_UNSUPPORTED);
            assert_eq!(table.enable_peer.unwrap()(userdata, userdata), sys::SHMALLOC_STATUS_UNSUPPORTED);
        }
        let said = registered.backend.0.into_inner().unwrap();
        let expected = r#"("stream_capturing", 1) ("event_query", 2) ("deallocate", 3, 4) ("copy", 5, 6, 7, 8) ("fill", 9, 10, 11, 12)
            ("stream_destroy", 13) ("stream_synchronize", 14) ("stream_wait", 16, 15) ("event_destroy", 17) ("event_record", 18, 19)
            ("event_synchronize", 20) ("virtual_unreserve", 21, 22) ("virtual_destroy", 23) ("virtual_map", 24, 25, 26)
            ("virtual_unmap", 27, 28) ("virtual_access", 29, 30, None) ("virtual_access", 31, 32, Some(Write))"#;
        assert_eq!(
            said.join(" ").split_whitespace().collect::<Vec<_>>(),
            expected.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_failure_is_never_success() {
        let mut registered = Registered { kind: TypeId::of::<Notes>(), backend: Notes::default() };
        let userdata: *mut c_void = ptr::addr_of_mut!(registered).cast();
        let with = |answered: Answer<()>| {
            // SAFETY: the userdata is of this type.
            unsafe { answer(userdata, &mut (), |_: &Notes| answered) }
        };
        assert_eq!(with(Ok(())), 0);
        assert_eq!(with(Err(Failure::code(7))), 7);
        assert_eq!(with(Err(Failure::code(0))), sys::SHMALLOC_STATUS_INTERNAL);
        assert_eq!(with(Err(Status::NoMemory.into())), sys::SHMALLOC_STATUS_NO_MEMORY);
    }
}
