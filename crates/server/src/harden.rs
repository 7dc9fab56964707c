//! What the process forbids itself: nobody may read secrets from its memory by a core dump or a debugger.
use nix::sys::{
    prctl,
    resource::{Resource, setrlimit},
};

/// No core dumps, and no reading of the memory by other processes of the same user.
pub fn forbid_dumps() {
    // Neither call can fail for lack of privilege; a kernel without them leaves things as they were.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}

/// Each call has two sockets; take what the system allows.
pub fn raise_file_limit() {
    if let Ok((_, hard)) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
