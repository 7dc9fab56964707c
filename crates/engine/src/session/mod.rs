//! One call: the only place that knows a dialog and a stream. Holds ids, not references.

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test's epoch
pub(crate) fn tests_epoch() -> std::time::Instant {
    std::time::Instant::now()
}
