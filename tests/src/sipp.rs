//! SIPp as a caller, with the test as its ear.
use crate::{capture::Capture, live::Presser, ports, process::Process, program::root, server::Server};
use passline_rtp::Codec;
use std::{
    net::{SocketAddr, UdpSocket},
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
