//! What is shared on this machine, who holds it, and taking back what nobody does.
use crate::error::call;
use crate::{sys, text, Result};
use std::ffi::{CStr, OsStr, OsString};
use std::ops::ControlFlow;
use std::os::raw::c_void;
use std::os::unix::ffi::OsStrExt;

enumeration! {
    /// Who made a shared object.
    pub enum Maker: i32 {
        /// Nobody that is known.
        Unknown = sys::SHMALLOC_OBJECT_MAKER_UNKNOWN,
        /// This library.
        Shmalloc = sys::SHMALLOC_OBJECT_MAKER_SHMALLOC,
        /// PyTorch.
        Torch = sys::SHMALLOC_OBJECT_MAKER_TORCH,
    }
}

flags! {
    /// What a shared object is.
    pub struct ObjectState {
        /// In /dev/shm; else it exists only as long as a process holds it.
        NAMED = sys::SHMALLOC_OBJECT_NAMED,
        /// Begins with PyTorch's reference count.
        COUNTED = sys::SHMALLOC_OBJECT_COUNTED,
        /// A living process that uses shmalloc holds it.
        LOCKED = sys::SHMALLOC_OBJECT_LOCKED,
        /// Nobody holds it: [`ReclaimOptions::reclaim`] would remove it.
        ABANDONED = sys::SHMALLOC_OBJECT_ABANDONED,
        /// There may be holders that can't be seen from here.
        UNCERTAIN = sys::SHMALLOC_OBJECT_UNCERTAIN,
    }
}

/// One shared object.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SharedObject {
    /// `/name` of a shm object; `memfd:name`, `deleted:/name` of one without a name.
    pub name: OsString,
    /// Bytes.
    pub size: u64,
    /// Bytes of memory that it takes.
    pub resident: u64,
    /// Last change of its length or name, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// PyTorch's count, if it has one.
    pub refcount: Option<i64>,
    /// Who made it.
    pub maker: Maker,
    /// What it is.
    pub state: ObjectState,
    /// Living processes seen to have it open or mapped.
    pub holders: i32,
    /// One of them; for people.
    pub holder_pid: Option<i32>,
    /// Owner.
    pub uid: i32,
    /// Permission bits.
    pub mode: u32,
}

impl SharedObject {
    fn of(raw: &sys::shmalloc_object_info) -> SharedObject {
        let state = ObjectState::from_bits(raw.state);
        // SAFETY: the library ends the name with a zero byte.
        let name = unsafe { CStr::from_ptr(raw.name.as_ptr()) };
        SharedObject {
            name: OsStr::from_bytes(name.to_bytes()).to_owned(),
            size: raw.size,
            resident: raw.resident,
            modified_ns: raw.modified_ns,
            refcount: Some(raw.refcount).filter(|_| state.contains(ObjectState::COUNTED)),
            maker: Maker::from_code(raw.maker),
            state,
            holders: raw.holders,
            holder_pid: Some(raw.holder_pid).filter(|pid| *pid != 0),
            uid: raw.uid,
            mode: raw.mode,
        }
    }
}

/// What this machine offers, as a JSON object, and for what is missing the reason. Keys are added, never renamed.
pub fn describe() -> Result<String> {
    // SAFETY: the room is as long as said.
    text::utf8(|text, length, err| unsafe { sys::shmalloc_machine_describe(text, length, err) })
}

/// The shared objects of shmalloc's and of PyTorch's making that this user can see. `prefix` is what names made by shmalloc begin with;
/// none: the usual one.
pub fn objects(prefix: Option<&str>) -> Result<Vec<SharedObject>> {
    let mut found = Vec::new();
    walk(prefix, |object| {
        found.push(object);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Visit them one after the other, until `visit` breaks. A panic in it ends the walk and goes on when that is over.
pub fn walk<F: FnMut(SharedObject) -> ControlFlow<()>>(prefix: Option<&str>, visit: F) -> Result<()> {
    let prefix = text::c_text_or_none(prefix)?;
    let mut visitor = Visitor { visit, panic: None };
    let userdata: *mut Visitor<F> = &mut visitor;
    // SAFETY: the prefix is alive during the call, and the visitor is used by nobody else during it.
    let result = call(|err| unsafe {
        sys::shmalloc_machine_walk(text::pointer(&prefix), Some(hear::<F>), userdata.cast(), err)
    });
    if let Some(panic) = visitor.panic {
        std::panic::resume_unwind(panic);
    }
    result
}

struct Visitor<F> {
    visit: F,
    panic: Option<Box<dyn std::any::Any + Send>>,
}

unsafe extern "C" fn hear<F>(object: *const sys::shmalloc_object_info, userdata: *mut c_void) -> i32
where
    F: FnMut(SharedObject) -> ControlFlow<()>,
{
    // SAFETY: what walk() passed, alive and used by nobody else during the walk; the object lives during this call.
    let (object, visitor) = unsafe { (&*object, &mut *userdata.cast::<Visitor<F>>()) };
    let visit = &mut visitor.visit;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| visit(SharedObject::of(object))));
    match caught {
        Ok(ControlFlow::Continue(())) => 0,
        Ok(ControlFlow::Break(())) => 1,
        Err(panic) => {
            visitor.panic = Some(panic);
            1
        }
    }
}

/// What is removed, and how.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ReclaimOptions {
    name: Option<OsString>,
    prefix: Option<String>,
    flags: u32,
}

/// What was removed.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reclaimed {
    /// How many objects.
    pub objects: u64,
    /// Their memory.
    pub bytes: u64,
}

impl ReclaimOptions {
    /// All that no living process holds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only this shm object. `Busy`: somebody holds it.
    pub fn name(mut self, name: impl AsRef<OsStr>) -> Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// What names made by shmalloc begin with.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// With a name: remove it though it is held; the holders keep the memory.
    pub fn force(mut self) -> Self {
        self.flags |= sys::SHMALLOC_RECLAIM_FORCE;
        self
    }

    /// Only tell what would be removed.
    pub fn dry_run(mut self) -> Self {
        self.flags |= sys::SHMALLOC_RECLAIM_DRY_RUN;
        self
    }

    /// Do it.
    pub fn reclaim(&self) -> Result<Reclaimed> {
        let name = text::c_text_or_none(self.name.as_ref())?;
        let prefix = text::c_text_or_none(self.prefix.as_ref())?;
        let mut removed = Reclaimed::default();
        let Reclaimed { objects, bytes } = &mut removed;
        // SAFETY: the texts are alive during the call.
        call(|err| unsafe {
            let (name, prefix) = (text::pointer(&name), text::pointer(&prefix));
            sys::shmalloc_machine_reclaim(name, prefix, self.flags, objects, bytes, err)
        })?;
        Ok(removed)
    }
}
