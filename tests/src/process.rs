//! Child processes that end with the test.
use std::{
    fs::File,
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// A running child; killed and reaped when dropped. Its output goes to a file.
pub struct Process {
    child: Child,
    output: PathBuf,
    input: Option<ChildStdin>,
    is_group: bool,
}

impl Process {
    /// Starts a program; both of its outputs go to `output`, its standard input is empty.
    pub fn start(command: &mut Command, output: &Path) -> Self {
        Self::spawn(command.stdin(Stdio::null()), output)
    }

    /// Starts a program that reads commands; see [`Self::say`].
    pub fn listening(command: &mut Command, output: &Path) -> Self {
        Self::spawn(command.stdin(Stdio::piped()), output)
    }

    /// Starts a program that starts further ones; all of them end together.
    pub fn group(command: &mut Command, output: &Path) -> Self {
        let mut process = Self::spawn(command.stdin(Stdio::null()).process_group(0), output);
        process.is_group = true;
        process
    }

    fn spawn(command: &mut Command, output: &Path) -> Self {
        let file = File::create(output).expect("a file in the test's own folder");
        let copy = file.try_clone().expect("a second handle of a file");
        command.stdout(file).stderr(copy);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let input = child.stdin.take();
        Self { child, output: output.to_owned(), input, is_group: false }
    }

    /// Writes a line to a program that reads commands; nothing happens if it has ended.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Waits until it has printed this text, counted from octet `from`; where that ends.
    #[track_caller]
    pub fn prints(&self, from: usize, text: &str, limit: Duration) -> usize {
        let found = crate::wait_for(limit, || {
            let output = self.output();
            let at = output.get(from..)?.find(text)?;
            Some(from + at + text.len())
        });
        found.unwrap_or_else(|| panic!("{text:?} was not printed within {limit:?}: {}", self.output()))
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// Its exit status, if it ends in time.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        crate::wait_for(limit, || self.ended())
    }

    /// Sends a signal by its name without SIG: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as `kill -9` or a power cut does.
    pub fn kill(&mut self) {
        if self.is_group {
            // Not reaped yet, so the id of the group is still ours.
            let group = format!("-{}", self.child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process of ours, by its name without SIG.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "signal {name} was not sent");
}

/// What a finished program left.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Finished {
    /// Its standard output, where nothing but success is expected.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }
}

/// Runs a program to its end with this standard input; panics when it takes longer than `limit`.
pub fn run(command: &mut Command, input: &str, limit: Duration) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    // A program that does not read its input closes it, which is no fault.
    std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let out = collect(child.stdout.take().expect("piped"));
    let err = collect(child.stderr.take().expect("piped"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break status;
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} did not end within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let text = |reader: std::thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&reader.join().expect("a reader")).into_owned()
    };
    Finished { code: status.code().unwrap_or(-1), out: text(out), err: text(err) }
}

fn collect(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}
