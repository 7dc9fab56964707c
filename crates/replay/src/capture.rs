//! Reads pcap and pcapng files into timestamped link-layer frames.
use pcap_file::{
    DataLink,
    pcap::PcapReader,
    pcapng::{Block, PcapNgReader, blocks::interface_description::InterfaceDescriptionOption},
};
use std::{io::Read, time::Duration};

/// One captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Time since the Unix epoch as captured.
    pub at: Duration,
    /// LINKTYPE_ value of the capture format.
    pub link: u32,
    /// Octets as captured (a short snap length shortens them).
    pub bytes: Vec<u8>,
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Neither of the two formats.
    #[error("is no pcap and no pcapng file; capture with tcpdump, tshark or Wireshark")]
    NotACapture,
    /// The file's first part is a capture, then something is broken.
    #[error("cannot be opened as a capture: {0}")]
    Broken(String),
}

/// Frames of a capture, in file order. A file that is cut short gives the frames before the cut and `true`.
pub fn read(mut file: impl Read) -> Result<(Vec<Frame>, bool), CaptureError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| CaptureError::Broken(e.to_string()))?;
    match bytes.get(..4) {
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => read_pcapng(&bytes),
        Some([0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d] | [0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1]) => {
            read_pcap(&bytes)
        }
        _ => Err(CaptureError::NotACapture),
    }
}

fn read_pcap(bytes: &[u8]) -> Result<(Vec<Frame>, bool), CaptureError> {
    let mut reader = PcapReader::new(bytes).map_err(|e| CaptureError::Broken(e.to_string()))?;
    let link = u32::from(reader.header().datalink);
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        match packet {
            Ok(packet) => frames.push(Frame { at: packet.timestamp, link, bytes: packet.data.into_owned() }),
            Err(_) => return Ok((frames, true)),
        }
    }
    Ok((frames, false))
}

fn read_pcapng(bytes: &[u8]) -> Result<(Vec<Frame>, bool), CaptureError> {
    let mut reader = PcapNgReader::new(bytes).map_err(|e| CaptureError::Broken(e.to_string()))?;
    let mut interfaces: Vec<(u32, Resolution)> = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    while let Some(block) = reader.next_block() {
        let Ok(block) = block else { return Ok((frames, true)) };
        match block {
            Block::SectionHeader(_) => interfaces.clear(),
            Block::InterfaceDescription(interface) => {
                let mut resolution = Resolution::default();
                for option in &interface.options {
                    match option {
                        InterfaceDescriptionOption::IfTsResol(value) => resolution.tsresol = *value,
                        InterfaceDescriptionOption::IfTsOffset(seconds) => resolution.offset = *seconds,
                        _ => {}
                    }
                }
                interfaces.push((link_type(interface.linktype), resolution));
            }
            Block::EnhancedPacket(packet) => {
                let Some((link, resolution)) = interfaces.get(packet.interface_id as usize) else { continue };
                // The crate takes the raw counter for nanoseconds whatever if_tsresol says.
                let units = packet.timestamp.as_nanos() as u64;
                let bytes = packet.data.into_owned();
                frames.push(Frame { at: resolution.time(units), link: *link, bytes });
            }
            Block::Packet(packet) => {
                let Some((link, resolution)) = interfaces.get(usize::from(packet.interface_id)) else {
                    continue;
                };
                let at = resolution.time(packet.timestamp);
                frames.push(Frame { at, link: *link, bytes: packet.data.into_owned() });
            }
            Block::SimplePacket(packet) => {
                let Some((link, _)) = interfaces.first() else { continue };
                // A simple packet has no time: it takes that of the packet before it.
                let at = frames.last().map_or(Duration::ZERO, |frame| frame.at);
                frames.push(Frame { at, link: *link, bytes: packet.data.into_owned() });
            }
            _ => {}
        }
    }
    Ok((frames, false))
}

fn link_type(link: DataLink) -> u32 {
    u32::from(link)
}

/// Units of an interface's time stamps (pcapng, if_tsresol and if_tsoffset).
struct Resolution {
    tsresol: u8,
    offset: u64,
}

impl Default for Resolution {
    fn default() -> Self {
        Self { tsresol: 6, offset: 0 }
    }
}

impl Resolution {
    fn time(&self, units: u64) -> Duration {
        let exponent = u32::from(self.tsresol & 0x7f);
        let per_second =
            if self.tsresol & 0x80 == 0 { 10u128.checked_pow(exponent) } else { 1u128.checked_shl(exponent) };
        let per_second = per_second.unwrap_or(u128::MAX).max(1);
        let nanos = u128::from(units) * 1_000_000_000 / per_second;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            .saturating_add(Duration::from_secs(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_follow_their_resolution() {
        let time = |tsresol, units| Resolution { tsresol, offset: 0 }.time(units);
        assert_eq!(time(6, 1_500_000), Duration::from_millis(1500));
        assert_eq!(time(9, 1_500_000), Duration::from_micros(1500));
        assert_eq!(time(0x80 | 10, 1536), Duration::from_millis(1500));
        assert_eq!(time(127, 1), Duration::ZERO);
    }

    #[test]
    fn other_files_are_refused_in_words() {
        assert!(matches!(read(&b"RIFF...."[..]), Err(CaptureError::NotACapture)));
        assert!(matches!(read(&b""[..]), Err(CaptureError::NotACapture)));
    }
}
