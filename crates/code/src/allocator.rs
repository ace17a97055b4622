//! An allocator that counts, where a process asked it to: the interpreter holds a program's memory to a limit by this
//! count. In every other process it costs a look at a switch that nobody ever turns.

use monty_types::{BASELINE_MEMORY, LIVE_MEMORY};
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The exit status of a process that would have needed more memory than it may have.
pub const SPENT: i32 = 65;

static COUNTING: AtomicBool = AtomicBool::new(false);
/// Bytes at which the process ends: where one step of the interpreter is larger than what it looks at between steps.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Another allocator, whose bytes are counted.
pub struct Counted<A>(pub A);

/// Counts from here on. Everything that is there now is not counted.
pub fn count(most: usize) {
    // What is freed of it later must not make the count negative.
    const THERE: usize = 1 << 40;
    LIVE_MEMORY.store(THERE, Ordering::Relaxed);
    BASELINE_MEMORY.store(THERE, Ordering::Relaxed);
    MOST.store(THERE.saturating_add(most), Ordering::Relaxed);
    COUNTING.store(true, Ordering::Relaxed);
}

/// Makes the interpreter stop at its next look, as if the program had used up its memory.
pub fn exhaust() {
    LIVE_MEMORY.fetch_add(1 << 50, Ordering::Relaxed);
    MOST.store(usize::MAX, Ordering::Relaxed);
}

fn grown(bytes: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        let before = LIVE_MEMORY.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > MOST.load(Ordering::Relaxed) {
            end();
        }
    }
}

fn shrunk(bytes: usize) {
    if COUNTING.load(Ordering::Relaxed) {
        LIVE_MEMORY.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What cannot be had ends a process that counts, so that it is known why it ended.
fn checked(memory: *mut u8) -> *mut u8 {
    if memory.is_null() && COUNTING.load(Ordering::Relaxed) {
        end();
    }
    memory
}

#[expect(unsafe_code, reason = "nothing else ends a process without allocating")]
fn end() -> ! {
    // SAFETY: it does not return, and runs nothing of this process.
    unsafe { libc::_exit(SPENT) }
}

#[expect(unsafe_code, reason = "an allocator is unsafe; everything is the inner one's")]
// SAFETY: each method hands its arguments on to the inner allocator and returns what that returned.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promises are those that the inner one wants.
        checked(unsafe { self.0.alloc(layout) })
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as above.
        checked(unsafe { self.0.alloc_zeroed(layout) })
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: as above.
        unsafe { self.0.dealloc(memory, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        shrunk(layout.size());
        // SAFETY: as above.
        checked(unsafe { self.0.realloc(memory, layout, size) })
    }
}
