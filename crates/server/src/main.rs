//! The `passline` binary.
fn main() {}
