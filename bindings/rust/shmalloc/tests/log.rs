//! The log. Alone in its process, for there is one.
mod support;

use shmalloc::{clear_log, set_log, Allocator, ExportOptions, Format, ImportOptions, Kind, LogLevel, Status, Storage};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use support::fails;

/// Opening this makes the library say that the manager is not there.
fn without_manager(storage: &Storage) -> Storage {
    let handle = ExportOptions::new().format(Format::TorchFile).export(storage).unwrap();
    let text = format!("/nowhere/at/all{}", String::from_utf8_lossy(handle.as_bytes()));
    ImportOptions::new().format(Format::TorchFile).import(text, &[]).unwrap()
}

#[test]
fn what_no_call_returns_is_heard() {
    let storage = Allocator::new(Kind::MapRefcounted).unwrap().create(100).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = heard.clone();
    set_log(LogLevel::Note, move |level, line| keep.lock().unwrap().push((level, line.to_owned()))).unwrap();
    drop(without_manager(&storage));
    {
        let lines = heard.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].0, LogLevel::Warning);
        assert!(lines[0].1.contains("/nowhere/at/all"), "{lines:?}");
    }
    set_log(LogLevel::Error, |_, _| panic!("nothing of this level was said")).unwrap();
    assert_eq!(Arc::strong_count(&heard), 1, "the listener before was dropped");
    drop(without_manager(&storage));

    set_log(LogLevel::Note, |_, _| panic!("on purpose: this line is expected")).unwrap();
    drop(without_manager(&storage));

    let refused = Arc::new(AtomicBool::new(false));
    let inner = refused.clone();
    set_log(LogLevel::Note, move |_, _| {
        fails(clear_log(), Status::Busy);
        inner.store(true, Ordering::Relaxed);
    })
    .unwrap();
    drop(without_manager(&storage));
    assert!(refused.load(Ordering::Relaxed));
    clear_log().unwrap();
    assert_eq!(Arc::strong_count(&refused), 1);
    drop(without_manager(&storage));
}
