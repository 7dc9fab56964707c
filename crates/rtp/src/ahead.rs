//! Where memory lies that will be needed soon, for a shell that has it fetched into the cache meanwhile. Nothing is read
//! through these addresses.

use std::ops::Range;

/// Addresses of octets.
pub type Memory = Range<*const u8>;

/// No memory at all.
pub(crate) const NONE: Memory = std::ptr::null()..std::ptr::null();

/// Where values lie.
pub(crate) fn memory<T>(values: &[T]) -> Memory {
    let values = values.as_ptr_range();
    values.start.cast()..values.end.cast()
}

/// Where a value lies.
pub fn memory_of<T>(value: &T) -> Memory {
    memory(std::slice::from_ref(value))
}

/// So many values of a ring from a place on, in two pieces where they go over its end.
pub(crate) fn ring<T>(values: &[T], from: usize, count: usize) -> [Memory; 2] {
    let from = from % values.len().max(1);
    let first = count.min(values.len() - from);
    [memory(&values[from..from + first]), memory(&values[..(count - first).min(from)])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_goes_on_at_its_beginning() {
        let values = [0u8; 10];
        let pieces = |from, count| {
            ring(&values, from, count)
                .map(|m| (m.start.addr() - values.as_ptr().addr(), m.end.addr() - m.start.addr()))
        };
        assert_eq!(pieces(3, 4), [(3, 4), (0, 0)]);
        assert_eq!(pieces(18, 4), [(8, 2), (0, 2)]);
        assert_eq!(pieces(8, 99), [(8, 2), (0, 8)]);
        assert_eq!(ring(&[0u8; 0], 3, 4).map(|m| m.is_empty()), [true; 2]);
    }
}
