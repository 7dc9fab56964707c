//! SIPp as a caller, with the test as its ear.
use crate::{
    capture::Capture,
    live::Presser,
    phone::Carrier,
    ports,
    process::{Finished, Process, run},
    program::root,
    server::Server,
};
use passline_rtp::Codec;
use std::{
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    process::Command,
    time::Duration,
};

/// Call-ID of its only call.
const CALL_ID: &str = "passline-e2e-1@127.0.0.1";
/// What SIPp takes before the first event of a row, and for each key (`play_dtmf`).
const LEAD: Duration = Duration::from_millis(450);
const PER_KEY: Duration = Duration::from_millis(420);

/// A running SIPp with one call.
pub struct Sipp {
    process: Process,
    sip: SocketAddr,
    commands: UdpSocket,
    sent: u32,
    /// Where it receives RTP.
    pub media: u16,
}

impl Sipp {
    /// Ports for signalling and media, before anything runs, so that a capture can begin first.
    pub fn ports() -> (u16, u16) {
        (ports::one(), ports::adjacent(4, false))
    }

    /// Calls a number with one codec and events as payload type 96.
    pub fn call(server: &Server, number: &str, codec: Codec, ports: (u16, u16)) -> Self {
        Self::call_at(server, server.sip, number, codec, ports)
    }

    /// The same with something between it and the server, which answers at `at`.
    pub fn call_at(
        server: &Server,
        at: SocketAddr,
        number: &str,
        codec: Codec,
        (sip, media): (u16, u16),
    ) -> Self {
        let info = codec.info();
        let mut command = Command::new("sipp");
        command
            .current_dir(server.folder())
            .arg(at.to_string())
            .arg("-sf")
            .arg(root().join("tests/peers/sipp-keys.xml"))
            .args(["-s", number, "-m", "1", "-nostdin", "-i", "127.0.0.1", "-mi", "127.0.0.1"])
            .args([
                "-p",
                &sip.to_string(),
                "-mp",
                &media.to_string(),
                "-cid_str",
                "passline-e2e-%u@127.0.0.1",
            ])
            .args(["-key", "codec_pt", &info.payload_type.to_string(), "-key", "codec", info.name])
            .args(["-timeout", "170", "-timeout_error", "-trace_err", "-error_file", "sipp-errors.log"]);
        let process = Process::start(&mut command, &server.file("sipp.log"));
        let commands = UdpSocket::bind(ports::local(0)).expect("a socket");
        Self { process, sip: ports::local(sip), commands, sent: 0, media }
    }

    /// True if it ends in time and its scenario went to its end.
    pub fn completes(&mut self) -> bool {
        self.process.wait(Duration::from_secs(10)).is_some_and(|status| status.success())
    }

    /// What it printed.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

impl Presser for Sipp {
    fn press(&mut self, keys: &str) -> Duration {
        let from = self.commands.local_addr().expect("bound");
        // SIPp takes what is like the last message for a retransmission.
        self.sent += 1;
        let message = format!(
            "INFO sip:sipp@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-e2e-{2}\r\n\
             From: <sip:test@{from}>;tag=e2e\r\nTo: <sip:sipp@{0}>;tag=1\r\nCall-ID: {CALL_ID}\r\nCSeq: {2} INFO\r\n\
             Max-Forwards: 70\r\nContent-Type: text/plain\r\nContent-Length: {1}\r\n\r\n{keys}",
            self.sip,
            keys.len(),
            self.sent
        );
        self.commands.send_to(message.as_bytes(), self.sip).expect("loopback");
        LEAD + PER_KEY * keys.len() as u32
    }

    fn is_over(&mut self) -> bool {
        self.process.ended().is_some()
    }
}

/// Filter of a capture that sees the server's and SIPp's ends.
pub fn capture(server: &Server, (sip, media): (u16, u16)) -> Capture {
    let filter = format!("{} or port {sip} or udp portrange {media}-{}", server.filter(), media + 3);
    Capture::start(server.folder(), &filter, 0)
}

/// A scenario of `tests/peers` that runs to its end by itself.
pub struct Scenario {
    command: Command,
    trace: PathBuf,
    /// Its SIP port.
    pub port: u16,
    /// Its first RTP port.
    pub media: u16,
}

impl Scenario {
    /// One call to number 5001, over UDP; SIPp fails when anything but the scenario happens.
    pub fn new(server: &Server, file: &str) -> Self {
        let mut scenario = Self::plain(server, file);
        scenario.command.arg(server.sip.to_string());
        scenario
    }

    /// SIPp is called: it waits for one call.
    pub fn called(server: &Server, file: &str) -> Self {
        Self::plain(server, file)
    }

    fn plain(server: &Server, file: &str) -> Self {
        let (port, media) = (ports::one(), ports::adjacent(4, false));
        let stem = format!("{}-{port}", file.trim_end_matches(".xml"));
        let trace = server.file(&format!("{stem}.messages"));
        let mut command = Command::new("sipp");
        command.current_dir(server.folder()).arg("-sf").arg(root().join("tests/peers").join(file));
        command.args(["-s", "5001", "-m", "1", "-nostdin", "-i", "127.0.0.1", "-mi", "127.0.0.1"]);
        command.args(["-p", &port.to_string(), "-mp", &media.to_string()]);
        command.args(["-trace_msg", "-message_file"]).arg(&trace);
        command.args(["-trace_err", "-error_file"]).arg(server.file(&format!("{stem}.errors")));
        command.args(["-timeout", "40", "-timeout_error", "-recv_timeout", "15000"]);
        Self { command, trace, port, media }
    }

    /// Over TCP instead; SIPp of Debian has no TLS.
    #[must_use]
    pub fn over(mut self, carrier: Carrier) -> Self {
        match carrier {
            Carrier::Udp => {}
            Carrier::Tcp => drop(self.command.args(["-t", "t1"])),
            Carrier::Tls => panic!("SIPp of Debian has no TLS"),
        }
        self
    }

    /// Values of keywords in the scenario.
    #[must_use]
    pub fn keys(mut self, keys: &[(&str, &str)]) -> Self {
        for (key, value) in keys {
            self.command.args(["-key", key, value]);
        }
        self
    }

    /// Further arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sends to this address instead (an outbound proxy, or a relay).
    #[must_use]
    pub fn by(self, address: SocketAddr) -> Self {
        self.with(&["-rsa", &address.to_string()])
    }

    /// Runs it to its end; the messages that were exchanged are on the error side of what it returns.
    pub fn run(mut self) -> Finished {
        let finished = run(&mut self.command, "", Duration::from_secs(60));
        Finished { err: std::fs::read_to_string(&self.trace).unwrap_or_default(), ..finished }
    }

    /// Starts it; `completes` tells how it went.
    pub fn start(mut self, server: &Server) -> Process {
        Process::start(&mut self.command, &server.file(&format!("sipp-{}.log", self.port)))
    }
}
