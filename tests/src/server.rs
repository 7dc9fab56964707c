//! `passline serve` in a folder of its own, on ports of its own.
use crate::{
    person::Person,
    ports::{self, Lease},
    process::{Finished, Process, run},
    program::{passline, root},
    voice::Voice,
    wait_for,
    web::{self, Answer, Page},
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// What a test wants otherwise than usual.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Prompts.
    pub voice: Voice,
    /// Put the three demo users into the store.
    pub demo: bool,
    /// Calls at one time.
    pub max_calls: usize,
    /// Seconds without received RTP after which a call ends.
    pub rtp_timeout_s: u32,
    /// Log filter.
    pub log: &'static str,
    /// Further lines of `sip:`, each with its indent of two spaces and its end.
    pub sip: String,
    /// Further lines of `rtp:`, likewise.
    pub rtp: String,
    /// Further lines of the configuration, e.g. `targets:` or `policy:`.
    pub more: String,
    /// Environment of the server alone, not of the commands beside it.
    pub environment: Vec<(&'static str, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            voice: Voice::Quick,
            demo: true,
            max_calls: 6,
            rtp_timeout_s: 170,
            log: "debug",
            sip: String::new(),
            rtp: String::new(),
            more: String::new(),
            environment: Vec::new(),
        }
    }
}

/// A server; ended, and its folder removed, when dropped.
pub struct Server {
    process: Option<Process>,
    folder: tempfile::TempDir,
    starts: usize,
    environment: Vec<(&'static str, String)>,
    /// Prompts that it was given.
    pub voice: Voice,
    /// SIP, UDP and TCP.
    pub sip: SocketAddr,
    /// SIP over TLS, with a certificate that the server makes for itself.
    pub tls: SocketAddr,
    /// Metrics and health.
    pub http: SocketAddr,
    /// First port of RTP and RTCP.
    pub rtp_first: u16,
    /// Last port of RTP and RTCP.
    pub rtp_last: u16,
    _rtp: Lease,
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(setup: Setup) -> Self {
        let mut server = Self::prepare(setup);
        server.restart();
        server
    }

    /// Everything but the start itself.
    pub fn prepare(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("passline-e2e-").tempdir().expect("a temporary folder");
        // A port rests for a while after its call; so twice as many as calls.
        let width = u16::try_from(setup.max_calls * 4 + 8).expect("a range of ports");
        let rtp = Lease::take(width, false);
        let server = Self {
            process: None,
            starts: 0,
            environment: setup.environment.clone(),
            voice: setup.voice,
            sip: ports::local(ports::one()),
            tls: ports::local(ports::one()),
            http: ports::local(ports::one()),
            rtp_first: rtp.first(),
            rtp_last: rtp.last(),
            _rtp: rtp,
            folder,
        };
        fs::write(server.file("passline.yaml"), server.configuration(&setup)).expect("our own folder");
        server
    }

    fn configuration(&self, setup: &Setup) -> String {
        let Setup { max_calls, rtp_timeout_s, demo, log, sip: more_sip, rtp: more_rtp, more, .. } = setup;
        let (sip, tls, http) = (self.sip, self.tls, self.http);
        let (first, last) = (self.rtp_first, self.rtp_last);
        let media = self.voice.media(self.folder.path());
        let (media, flows) = (media.display(), root().join("config/flows"));
        let flows = flows.display();
        // The listeners stand first, since a test may add its own settings of `sip` and `rtp`.
        format!(
            "data: data
media: {media}
flows: {flows}
sip:
  listen: [\"udp:{sip}\", \"tcp:{sip}\", \"tls:{tls}\"]
  max_calls: {max_calls}
{more_sip}rtp:
  ports: {first}-{last}
  timeout_s: {rtp_timeout_s}
{more_rtp}identity: {{ demo: {demo} }}
http: {{ listen: \"{http}\" }}
log: {{ level: \"{log}\" }}
{more}"
        )
    }

    /// Starts it (again) and waits until it answers.
    pub fn restart(&mut self) {
        self.process = None;
        self.starts += 1;
        let log = self.file(&format!("server-{}.log", self.starts));
        let mut command = self.command();
        command.arg("serve").envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start(&mut command, &log);
        let listening = wait_for(Duration::from_secs(60), || {
            assert!(process.ended().is_none(), "the server has ended: {}", process.output());
            process.output().contains("is listening").then_some(())
        });
        assert!(listening.is_some(), "the server does not listen: {}", process.output());
        self.process = Some(process);
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        self.process().kill();
    }

    /// Ends it as an administrator does; true if it went well and in time.
    pub fn stop(&mut self) -> bool {
        self.process().signal("TERM");
        let status = self.process().wait(Duration::from_secs(30));
        status.is_some_and(|status| status.success())
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("started")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("started").id()
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate that it has made for itself (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.file("data/tls-certificate.pem")
    }

    /// URI of a number.
    pub fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.sip)
    }

    /// Adds to the configuration of a server that does not run.
    pub fn configure(&self, more: &str) {
        let path = self.file("passline.yaml");
        let text = fs::read_to_string(&path).expect("its configuration");
        fs::write(&path, text + more).expect("the test's own folder");
    }

    /// A file with a password, beside the configuration, that nobody else may read.
    pub fn secret(&self, name: &str, secret: &str) {
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(self.file(name));
        writeln!(file.expect("the test's own folder"), "{secret}").expect("the test's own folder");
    }

    /// The program with this server's configuration.
    pub fn command(&self) -> Command {
        let mut command = Command::new(passline());
        command.current_dir(self.folder.path()).arg("--config").arg(self.file("passline.yaml"));
        command
    }

    /// Runs a command of the program with this server's configuration.
    pub fn cli(&self, arguments: &[&str], input: &str) -> Finished {
        run(self.command().args(arguments), input, Duration::from_secs(120))
    }

    /// What HTTP answers.
    pub fn web(&self, path: &str) -> Answer {
        web::get(self.http, path).expect("an answer")
    }

    /// The page of metrics, checked.
    pub fn metrics(&self) -> Page {
        Page::read(&self.web("/metrics").body)
    }

    /// JSON lines of a command.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let out = self.cli(arguments, "").good();
        out.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    /// The records of so many calls, waiting for the last to be written.
    pub fn calls(&self, count: usize) -> Vec<Value> {
        let read = || self.json(&["calls", "--last", "1000", "--json"]);
        let enough = || Some(read()).filter(|calls| calls.len() >= count);
        let calls = wait_for(Duration::from_secs(20), enough).unwrap_or_else(read);
        assert_eq!(calls.len(), count, "call records");
        calls
    }

    /// The record of the only call.
    pub fn call(&self) -> Value {
        self.calls(1).remove(0)
    }

    /// All audit lines.
    pub fn audit(&self) -> Vec<Value> {
        self.json(&["audit", "--last", "1000", "--json"])
    }

    /// Whether a password binds.
    pub fn binds(&self, login: &str, target: &str, password: &str) -> bool {
        let finished =
            self.cli(&["user", "check-password", login, "--target", target], &format!("{password}\n"));
        assert!(finished.code <= 1, "{}{}", finished.out, finished.err);
        finished.code == 0
    }

    /// Puts somebody into the embedded directory.
    pub fn enrol(&self, person: &Person, accounts: &[&str]) {
        let mut add = vec!["user", "add", &person.login, "--employee-id", &person.employee_id];
        accounts.iter().for_each(|account| add.extend(["--account", account]));
        self.cli(&add, "").good();
        self.cli(&["user", "set-pin", &person.login], &format!("{}\n", person.pin)).good();
        let answers = person.answers.iter().map(|(question, answer)| format!("{question}: {answer}\n"));
        self.cli(&["user", "set-answers", &person.login], &answers.collect::<String>()).good();
    }

    /// Everything that all starts have logged and printed.
    pub fn log(&self) -> String {
        let read = |start| fs::read_to_string(self.file(&format!("server-{start}.log"))).unwrap_or_default();
        (1..=self.starts).map(read).collect()
    }

    /// pcap filter of its signalling and its media.
    pub fn filter(&self) -> String {
        format!("port {} or udp portrange {}-{}", self.sip.port(), self.rtp_first, self.rtp_last)
    }
}
