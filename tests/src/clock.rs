//! A wall clock that a test can set, for a program of its own: libfaketime before the C library. Clocks that only count, and
//! the kernel's own stamps, go on as they are.
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where Debian's package `faketime` puts the library.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The clock of one program.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
    library: &'static str,
}

impl Clock {
    /// Goes as the machine's clock does; its file lies in this folder.
    ///
    /// # Panics
    /// Without the package `faketime`.
    pub fn new(folder: &Path) -> Self {
        let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists());
        let library = library.expect("the package faketime is installed (bash tests/run.sh does that)");
        let clock = Self { file: folder.join("clock"), library };
        clock.set(0);
        clock
    }

    /// From now on it is so many seconds ahead of the machine's clock.
    pub fn set(&self, seconds: i64) {
        // Whole at every moment, since the program reads it at any.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("the test's own folder");
        fs::rename(&new, &self.file).expect("the test's own folder");
    }

    /// What the program wants in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}
