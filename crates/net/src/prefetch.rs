//! Memory that will be needed soon, fetched while something else is done.
use passline_engine::rtp::Memory;

/// Octets of a cache line.
const LINE: usize = 64;

/// Has this memory fetched into the second-level cache, where the processor can be told so. Nothing is read or written by it, so that
/// any addresses do.
pub fn prefetch(memory: Memory) {
    if memory.is_empty() {
        return;
    }
    let mut at = memory.start.map_addr(|start| start & !(LINE - 1));
    while at < memory.end {
        fetch(at);
        at = at.wrapping_add(LINE);
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn fetch(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    // SAFETY: the instruction belongs to every x86-64, is a hint, and faults at no address.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn fetch(_: *const u8) {}
