//! How long the engine's thread runs at a time where others want its core.

use nix::libc::{SYS_sched_getattr, SYS_sched_setattr, syscall};

/// The least that Linux gives (6.12 and later): whoever asks for little is let in sooner.
const SLICE_NS: u64 = 100_000;

/// `struct sched_attr` of sched_setattr(2), as it was at first.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks for short turns of this thread. The engine works for microseconds at a time; without this it waits while
/// JavaScript, with which it may share a core, uses up a turn of milliseconds. Where the system knows no such wish
/// nothing changes.
pub fn ask_for_short_turns() {
    let mut attributes = Attributes::default();
    let size = size_of::<Attributes>() as u32;
    // SAFETY: the pointer is to `size` bytes that are ours for the call; 0 is this thread.
    let got = unsafe { syscall(SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if got != 0 {
        return;
    }
    attributes.size = size;
    attributes.runtime = SLICE_NS;
    // SAFETY: as above; the structure is only read.
    unsafe { syscall(SYS_sched_setattr, 0, &raw const attributes, 0) };
}
