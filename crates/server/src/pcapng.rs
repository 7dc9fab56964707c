//! One pcapng file: messages and packets in frames that tshark and sngrep read.
use passline_engine::sip::Transport;
use passline_net::{Captured, CapturedMedia};
use pcap_file::{
    DataLink, PcapResult,
    pcapng::{
        PcapNgBlock, PcapNgWriter,
        blocks::{
            enhanced_packet::EnhancedPacketBlock,
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
        },
    },
};
use std::{
    borrow::Cow,
    io::{BufWriter, Write},
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Largest message in a UDP datagram over IPv4.
const LARGEST: usize = 65_507;

/// What a capture holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Messages.
    pub messages: u64,
    /// Media packets.
    pub packets: u64,
    /// Media packets that were lost since the disk was slow, or that were too long.
    pub missed: u64,
    /// Media packets of calls with secrets that are neither RTP nor RTCP.
    pub left_out: u64,
    /// Octets of the file.
    pub octets: u64,
}

/// Counts what goes through.
struct Counted<W> {
    to: W,
    octets: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.octets += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// One file.
pub struct PcapFile<W: Write> {
    to: PcapNgWriter<Counted<BufWriter<W>>>,
    /// What was written, but for its octets.
    pub written: Written,
}

impl<W: Write> PcapFile<W> {
    /// Begins the file.
    pub fn new(to: W) -> PcapResult<Self> {
        let mut to = PcapNgWriter::new(Counted { to: BufWriter::new(to), octets: 0 })?;
        for name in ["udp", "tcp", "tls", "other"] {
            let options = vec![
                InterfaceDescriptionOption::IfName(name.into()),
                // Nanoseconds.
                InterfaceDescriptionOption::IfTsResol(9),
            ];
            let interface = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options };
            to.write_block(&interface.into_block())?;
        }
        Ok(Self { to, written: Written::default() })
    }

    /// One whole message.
    pub fn take(&mut self, captured: &Captured) -> PcapResult<()> {
        let path = &captured.path;
        let (from, to) =
            if captured.received { (path.remote, path.local) } else { (path.local, path.remote) };
        let interface = match path.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            Transport::Tls => 2,
            _ => 3,
        };
        let octets = &captured.bytes[..captured.bytes.len().min(LARGEST)];
        self.written.messages += u64::from(self.frame(interface, captured.at, from, to, octets)?);
        Ok(())
    }

    /// One media packet.
    pub fn media(&mut self, packet: &CapturedMedia) -> PcapResult<()> {
        let CapturedMedia { at, from, to, bytes } = packet;
        self.written.packets += u64::from(self.frame(0, *at, *from, *to, bytes)?);
        Ok(())
    }

    /// False if addresses do not go together, which those of packets do.
    fn frame(
        &mut self,
        interface: u32,
        at: SystemTime,
        from: SocketAddr,
        to: SocketAddr,
        octets: &[u8],
    ) -> PcapResult<bool> {
        let Some(data) = packet(from, to, octets) else { return Ok(false) };
        let block = EnhancedPacketBlock {
            interface_id: interface,
            timestamp: since_1970(at),
            original_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
            data: Cow::Owned(data),
            options: Vec::new(),
        };
        self.to.write_block(&block.into_block())?;
        Ok(true)
    }

    /// Brings it to the disk.
    pub fn flush(&mut self) -> PcapResult<()> {
        self.to.get_mut().flush().map_err(pcap_file::PcapError::IoError)
    }

    /// Octets so far.
    pub fn octets(&self) -> u64 {
        self.to.get_ref().octets
    }

    /// What it holds.
    pub fn written(&self) -> Written {
        Written { octets: self.octets(), ..self.written.clone() }
    }
}

fn since_1970(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A frame with this payload; `None` for addresses of two families, which no path has.
fn packet(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Option<Vec<u8>> {
    let ethernet = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let (source, destination) = (from.ip().to_canonical(), to.ip().to_canonical());
    let ip = match (source, destination) {
        (std::net::IpAddr::V4(from), std::net::IpAddr::V4(to)) => {
            ethernet.ipv4(from.octets(), to.octets(), 64)
        }
        (std::net::IpAddr::V6(from), std::net::IpAddr::V6(to)) => {
            ethernet.ipv6(from.octets(), to.octets(), 64)
        }
        _ => return None,
    };
    let udp = ip.udp(from.port(), to.port());
    let mut frame = Vec::with_capacity(udp.size(payload.len()));
    udp.write(&mut frame, payload).ok()?;
    Some(frame)
}
