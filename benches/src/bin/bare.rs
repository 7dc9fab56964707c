//! The least that a server of calls could do: receive a packet and send a packet each 20 ms, without looking at them.
//! What it bears is as far as any server on this machine could come by the same way of sending.
//!
//! `bare FIRST-PORT CALLS`: a connected socket for each call; `bare FIRST-PORT CALLS uring`: the same by io_uring.
//! `bare FIRST-PORT CALLS shared`: a socket for each 20 calls, packets by the batch. Whoever sends a packet gets one each 20 ms from then on. Ends when it is killed.
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};
use std::{
    io::{IoSlice, IoSliceMut},
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

/// Milliseconds, and so turns, of a packet time.
const TURNS: usize = 20;
/// Octets of a G.711 packet.
const PACKET: usize = 172;
/// Calls of a socket, packets with one system call.
const BATCH: usize = 20;

/// An RTP packet of silence whose numbers go on by themselves.
#[derive(Clone, Copy)]
struct Packet([u8; PACKET]);

impl Packet {
    fn new(ssrc: u32) -> Self {
        let mut octets = [0xFF; PACKET];
        octets[..8].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0]);
        octets[8..12].copy_from_slice(&ssrc.to_be_bytes());
        Self(octets)
    }

    fn advance(&mut self) {
        let sequence = u16::from_be_bytes([self.0[2], self.0[3]]).wrapping_add(1);
        self.0[2..4].copy_from_slice(&sequence.to_be_bytes());
        self.0[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    }
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u16>().ok());
    let (Some(port), Some(calls)) = (number(0), number(1)) else {
        eprintln!("bare FIRST-PORT CALLS [shared|uring]");
        std::process::exit(2);
    };
    if let Ok((_, hard)) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE) {
        let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard);
    }
    match arguments.get(2).map(String::as_str) {
        Some("shared") => shared(port, calls),
        Some("uring") => uring(port, calls),
        _ => own(port, calls),
    }
}

/// Calls `turn` once each millisecond, with its number within the packet time.
fn each_ms(mut turn: impl FnMut(usize)) -> ! {
    let mut next = Instant::now();
    let mut number = 0;
    loop {
        turn(number % TURNS);
        number += 1;
        next += Duration::from_millis(1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// A socket for each call.
fn own(first: u16, calls: u16) -> std::io::Result<()> {
    let sockets: std::io::Result<Vec<_>> = (0..calls)
        .map(|call| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, first + call))?;
            socket.set_nonblocking(true)?;
            passline_net::send_whole(&socket);
            Ok((socket, Packet::new(call.into()), false))
        })
        .collect();
    let mut sockets = sockets?;
    println!("ready");
    let mut buffer = [0; 2048];
    let mut round = 0;
    each_ms(|turn| {
        round += 1;
        for (socket, packet, connected) in sockets.iter_mut().skip(turn).step_by(TURNS) {
            if !*connected {
                let Ok((_, from)) = socket.recv_from(&mut buffer) else { continue };
                *connected = socket.connect(from).is_ok();
            }
            // One packet a turn is the rule; now and then what has heaped up is taken.
            while socket.recv(&mut buffer).is_ok() && (round / TURNS).is_multiple_of(16) {}
            packet.advance();
            let _ = socket.send(&packet.0);
        }
    })
}

/// A socket for each call, all packets of a turn by one system call (io_uring), sockets registered.
#[allow(unsafe_code)]
fn uring(first: u16, calls: u16) -> std::io::Result<()> {
    use io_uring::{IoUring, opcode, types::Fixed};
    use nix::libc::MSG_DONTWAIT;
    let sockets: std::io::Result<Vec<_>> =
        (0..calls).map(|call| UdpSocket::bind((Ipv4Addr::LOCALHOST, first + call))).collect();
    let sockets = sockets?;
    sockets.iter().for_each(passline_net::send_whole);
    let files: Vec<_> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
    let mut packets: Vec<_> = (0..calls).map(|call| (Packet::new(call.into()), false)).collect();
    let mut ring: IoUring =
        IoUring::builder().setup_single_issuer().setup_coop_taskrun().setup_defer_taskrun().build(2048)?;
    ring.submitter().register_files(&files)?;
    let mut buffers = vec![[0u8; 256]; calls.div_ceil(TURNS as u16).into()];
    println!("ready");
    each_ms(|turn| {
        let mut waiting = 0;
        let own = packets.iter_mut().zip(&sockets).enumerate().skip(turn).step_by(TURNS);
        for ((index, ((packet, connected), socket)), buffer) in own.zip(&mut buffers) {
            if !*connected {
                let _ = socket.set_nonblocking(true);
                let Ok((_, from)) = socket.recv_from(buffer) else { continue };
                *connected = socket.connect(from).is_ok();
            }
            packet.advance();
            let file = Fixed(index as u32);
            let read = opcode::Recv::new(file, buffer.as_mut_ptr(), 256).flags(MSG_DONTWAIT).build();
            let write = opcode::Send::new(file, packet.0.as_ptr(), PACKET as u32).flags(MSG_DONTWAIT).build();
            for entry in [read, write] {
                // SAFETY: what it points at lives on, and is not touched until its completion was seen below.
                waiting += usize::from(unsafe { ring.submission().push(&entry) }.is_ok());
            }
        }
        let _ = ring.submit_and_wait(waiting);
        ring.completion().for_each(drop);
    })
}

/// A socket for each 20 calls.
fn shared(first: u16, calls: u16) -> std::io::Result<()> {
    let sockets: std::io::Result<Vec<_>> = (0..calls.div_ceil(BATCH as u16))
        .map(|number| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, first + number))?;
            socket.set_nonblocking(true)?;
            passline_net::send_whole(&socket);
            Ok((socket, Vec::<(Option<SockaddrIn>, Packet)>::new()))
        })
        .collect();
    let mut sockets = sockets?;
    println!("ready");
    let mut buffers = vec![[0u8; 256]; BATCH];
    let mut headers_in = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut headers_out = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut round = 0;
    each_ms(|turn| {
        round += 1;
        for (socket, calls) in sockets.iter_mut().skip(turn).step_by(TURNS) {
            loop {
                let mut iter = buffers.iter_mut();
                let mut slices: [_; BATCH] = std::array::from_fn(|_| {
                    [IoSliceMut::new(iter.next().map_or(&mut [][..], |b| &mut b[..]))]
                });
                let flags = MsgFlags::MSG_DONTWAIT;
                let got = recvmmsg(socket.as_raw_fd(), &mut headers_in, slices.iter_mut(), flags, None);
                let Ok(got) = got else { break };
                let mut count = 0;
                for from in got.filter_map(|message| message.address) {
                    count += 1;
                    if calls.len() < BATCH && calls.iter().all(|(known, _)| *known != Some(from)) {
                        calls.push((Some(from), Packet::new(from.port().into())));
                    }
                }
                // One packet of each is the rule; now and then what has heaped up is taken.
                let is_rule = calls.len() == BATCH && !(round / TURNS).is_multiple_of(16);
                if count < BATCH || is_rule {
                    break;
                }
            }
            if calls.is_empty() {
                continue;
            }
            calls.iter_mut().for_each(|(_, packet)| packet.advance());
            let mut iter = calls.iter();
            let slices: [_; BATCH] =
                std::array::from_fn(|_| [IoSlice::new(iter.next().map_or(&[][..], |(_, packet)| &packet.0))]);
            let mut to = calls.iter();
            let addresses: [_; BATCH] = std::array::from_fn(|_| to.next().and_then(|(to, _)| *to));
            let (count, flags) = (calls.len(), MsgFlags::MSG_DONTWAIT);
            let _ = sendmmsg(
                socket.as_raw_fd(),
                &mut headers_out,
                &slices[..count],
                &addresses[..count],
                [],
                flags,
            );
        }
    })
}
