//! Calls the line test N times at once with two-way audio and measures what the callers would hear:
//! `cargo run --release --example load -- 127.0.0.1:PORT CALLS SECONDS [SERVER-PID]`.
//!
//! One thread, one socket per call, kernel receive times. Prints the deviation of inter-arrival times from 20 ms, loss,
//! and the server's CPU time per call.
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use std::collections::BTreeMap;
use std::io::{IoSliceMut, Result};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

struct Call {
    rtp: UdpSocket,
    tag: Option<String>,
    last: Option<(Duration, u16)>,
    received: u64,
    lost: u64,
    sequence: u16,
}

struct Load {
    server: SocketAddr,
    sip: UdpSocket,
    calls: Vec<Call>,
    /// Deviations from 20 ms in steps of 0.1 ms.
    deviations: BTreeMap<u32, u64>,
    measuring: bool,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "load ADDRESS CALLS SECONDS [SERVER-PID]";
    let server = arguments.first().and_then(|a| a.parse().ok()).expect(usage);
    let count: usize = arguments.get(1).and_then(|a| a.parse().ok()).expect(usage);
    let seconds: u64 = arguments.get(2).and_then(|a| a.parse().ok()).expect(usage);
    let pid: Option<u32> = arguments.get(3).and_then(|a| a.parse().ok());
    let sip = UdpSocket::bind("127.0.0.1:0")?;
    sip.set_nonblocking(true)?;
    let mut load = Load { server, sip, calls: Vec::new(), deviations: BTreeMap::new(), measuring: false };
    // Four calls a tick of 5 ms: 800 a second at most, each phase of the frame alike.
    let mut next = Instant::now();
    let mut phase = 0;
    let mut up_since = None;
    let mut cpu = Duration::ZERO;
    loop {
        for _ in 0..2 {
            if load.calls.len() < count {
                load.invite()?;
            }
        }
        load.answers()?;
        load.audio(phase);
        let up = load.calls.iter().filter(|call| call.tag.is_some()).count();
        if up == count && up_since.is_none() {
            // Two seconds for the set-up to be over.
            up_since = Some(Instant::now() + Duration::from_secs(2));
        }
        if let Some(since) = up_since {
            if !load.measuring && Instant::now() >= since {
                load.measuring = true;
                cpu = pid.map(cpu_time).unwrap_or_default();
            }
            if Instant::now() >= since + Duration::from_secs(seconds) {
                break;
            }
        }
        phase = (phase + 1) % 4;
        next += Duration::from_millis(5);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let cpu = pid.map(cpu_time).unwrap_or_default() - cpu;
    load.report(seconds, cpu);
    for index in 0..load.calls.len() {
        load.in_dialog("BYE", index, 2)?;
        if index % 100 == 99 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

impl Load {
    fn invite(&mut self) -> Result<()> {
        let rtp = UdpSocket::bind("127.0.0.1:0")?;
        rtp.set_nonblocking(true)?;
        setsockopt(&rtp, sockopt::ReceiveTimestampns, &true)?;
        let port = rtp.local_addr()?.port();
        let index = self.calls.len();
        self.calls.push(Call { rtp, tag: None, last: None, received: 0, lost: 0, sequence: 0 });
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
        );
        self.request("INVITE", index, 1, "", &sdp)
    }

    fn request(&self, method: &str, index: usize, cseq: u32, tag: &str, body: &str) -> Result<()> {
        let local = self.sip.local_addr()?;
        let run = std::process::id();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:5001@{} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{method}{run}{index};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:load@{local}>;tag=f{index}\r\nTo: <sip:5001@{}>{tag}\r\n\
             Call-ID: load-{index}-{run}\r\nCSeq: {cseq} {method}\r\nContact: <sip:load@{local}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            self.server,
            self.server,
            body.len()
        );
        self.sip.send_to(text.as_bytes(), self.server).map(drop)
    }

    fn in_dialog(&self, method: &str, index: usize, cseq: u32) -> Result<()> {
        let tag = self.calls[index].tag.clone().unwrap_or_default();
        self.request(method, index, cseq, &format!(";tag={tag}"), "")
    }

    fn answers(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.sip.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let after = |name: &str| text.split_once(name).map(|(_, rest)| rest);
            let index =
                after("Call-ID: load-").and_then(|rest| rest.split('-').next()?.parse::<usize>().ok());
            let Some(index) = index.filter(|_| text.contains(" INVITE\r\n")) else { continue };
            if text.starts_with("SIP/2.0 200") {
                let port = after("m=audio ").and_then(|rest| rest.split(' ').next()?.parse::<u16>().ok());
                let to = after("\r\nTo: ").and_then(|rest| rest.lines().next()).unwrap_or_default();
                let tag = to.split_once(";tag=").map(|(_, tag)| tag.to_owned());
                if let (Some(port), None) = (port, &self.calls[index].tag) {
                    self.calls[index].rtp.connect(("127.0.0.1", port))?;
                    self.calls[index].tag = tag;
                }
                self.in_dialog("ACK", index, 1)?;
            } else if !text.starts_with("SIP/2.0 1") {
                panic!("refused: {}", text.lines().next().unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Sends and receives for a quarter of the calls.
    fn audio(&mut self, phase: usize) {
        let mut packet = [0xFF_u8; 172];
        packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
        for call in self.calls.iter_mut().skip(phase).step_by(4).filter(|call| call.tag.is_some()) {
            packet[2..4].copy_from_slice(&call.sequence.to_be_bytes());
            packet[4..8].copy_from_slice(&(u32::from(call.sequence) * 160).to_be_bytes());
            call.sequence = call.sequence.wrapping_add(1);
            let _ = call.rtp.send(&packet);
            while let Some((stamp, sequence)) = receive(&call.rtp) {
                if let Some((before, last)) = call.last.filter(|_| self.measuring) {
                    let gap = stamp.saturating_sub(before).as_micros() as i64 - 20_000;
                    *self.deviations.entry((gap.unsigned_abs() / 100) as u32).or_default() += 1;
                    call.lost += u64::from(sequence.wrapping_sub(last).wrapping_sub(1));
                    call.received += 1;
                }
                call.last = Some((stamp, sequence));
            }
        }
    }

    fn report(&self, seconds: u64, cpu: Duration) {
        let total: u64 = self.deviations.values().sum();
        let at = |share: f64| {
            let mut left = (total as f64 * share) as u64;
            for (step, count) in &self.deviations {
                if left < *count {
                    return f64::from(*step) / 10.0;
                }
                left -= count;
            }
            self.deviations.last_key_value().map_or(0.0, |(step, _)| f64::from(*step) / 10.0)
        };
        let calls = self.calls.len();
        let lost: u64 = self.calls.iter().map(|call| call.lost).sum();
        let share = total as f64 / (calls as u64 * seconds * 50) as f64;
        println!(
            "{calls} calls, {seconds} s: {:.2} % of the packets, {lost} lost; deviation p50 {:.1} p99 {:.1} p99.9 {:.1} \
             max {:.1} ms; CPU {:.3} ms per call-second, {:.1} % of a core",
            share * 100.0,
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            cpu.as_secs_f64() * 1000.0 / (calls as f64 * seconds as f64),
            cpu.as_secs_f64() * 100.0 / seconds as f64,
        );
    }
}

fn receive(socket: &UdpSocket) -> Option<(Duration, u16)> {
    let mut buffer = [0u8; 1500];
    let mut control = [0u8; 64];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )
    .ok()?;
    let stamp = message.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
        _ => None,
    })?;
    (message.bytes >= 12).then_some(())?;
    Some((stamp, u16::from_be_bytes([buffer[2], buffer[3]])))
}

/// User and system time of a process so far.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on Linux.
    Duration::from_millis(ticks * 10)
}
