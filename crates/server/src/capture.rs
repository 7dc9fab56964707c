//! A capture of SIP messages and, if wanted, of media packets, on demand, as pcapng: what the net hands over, secrets
//! masked already, with an IP and a UDP header around each message, whatever its transport was, so that tshark and sngrep
//! read also what came by TLS. The interface tells the transport.
use crate::pcapng::{PcapFile, Written};
use passline_net::{Captured, MediaFeed};
use pcap_file::PcapResult;
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Messages that may wait for the disk.
const QUEUE: usize = 4096;
/// How long the writer rests when nothing waits: it must look for media packets, which wake nobody up.
const REST: Duration = Duration::from_millis(5);
/// Media packets written between two looks at the messages.
const TURN: usize = 256;

/// When a capture ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// After so many octets.
    pub octets: u64,
    /// After so long.
    pub lasts: Duration,
}

/// The capture that is being written, if any.
#[derive(Default)]
pub struct Capture(Mutex<Option<Writing>>);

struct Writing {
    path: PathBuf,
    until: Instant,
    to: SyncSender<Captured>,
    thread: JoinHandle<Result<Written, String>>,
    /// Media is written, too.
    media: bool,
    missed: u64,
}

impl Capture {
    /// Begins a file, which must not exist yet; with media packets if there is a feed of them. `ended` is called when
    /// nothing is written any more.
    ///
    /// # Errors
    /// If one is being written already, or the file cannot be made: why, and what to do.
    pub fn start(
        &self,
        path: &Path,
        bounds: Bounds,
        feed: Option<MediaFeed>,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<(), String> {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if holds.as_ref().is_some_and(|writing| writing.thread.is_finished())
            && let Some(writing) = holds.take()
        {
            told(writing.finish());
        }
        if let Some(writing) = holds.as_ref() {
            return Err(format!(
                "a capture is being written to {}; end it first: passline capture stop",
                writing.path.display()
            ));
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| {
            format!(
                "{}: {error}; name a file that does not exist yet, in a folder that the server may write to (its data folder)",
                path.display()
            )
        })?;
        let (to, from) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("passline-capture".into());
        let (until, media) = (Instant::now() + bounds.lasts, feed.is_some());
        let thread = thread.spawn(move || {
            let written = write(file, &from, feed, until, bounds.octets).map_err(|e| e.to_string());
            ended();
            written
        });
        let thread = thread.map_err(|error| error.to_string())?;
        *holds = Some(Writing { path: path.into(), until, to, thread, media, missed: 0 });
        Ok(())
    }

    /// One message. False when nobody wants any further ones.
    pub fn take(&self, message: Captured) -> bool {
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writing) = holds.as_mut() else { return false };
        let over = Instant::now() >= writing.until;
        match writing.to.try_send(message) {
            Ok(()) if !over => return true,
            Err(TrySendError::Full(_)) if !over => {
                writing.missed += 1;
                return true;
            }
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
        drop(holds);
        told(self.stop());
        false
    }

    /// Ends it: one sentence about what was written.
    ///
    /// # Errors
    /// If there is none, or the disk failed.
    pub fn stop(&self) -> Result<String, String> {
        let writing = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        writing.map_or_else(|| Err("no capture is being written".into()), Writing::finish)
    }
}

fn told(ended: Result<String, String>) {
    match ended {
        Ok(text) => tracing::info!("capture ended by itself: {text}"),
        Err(text) => tracing::error!("capture ended by itself: {text}"),
    }
}

impl Writing {
    /// Waits for the writer: one sentence about what was written.
    fn finish(self) -> Result<String, String> {
        let Writing { path, to, thread, media, missed, .. } = self;
        drop(to);
        let written = thread.join().map_err(|_| "the writer failed".to_owned())?;
        let written = written.map_err(|error| format!("{}: {error}", path.display()))?;
        let Written { messages, packets, octets, left_out, .. } = written;
        let missed = missed + written.missed;
        let mut text = format!("{}: {messages} messages", path.display());
        if media {
            text += &format!(", {packets} media packets");
        }
        text += &format!(", {octets} octets");
        if missed > 0 {
            text += &format!(", {missed} missed since the disk was slow");
        }
        if left_out > 0 {
            text += &format!(", {left_out} left out that are neither RTP nor RTCP");
        }
        if media {
            text += "; in calls that ask for secrets or speak them all sound is silence, keys pressed as tones included";
        }
        Ok(text)
    }
}

fn write(
    file: File,
    from: &Receiver<Captured>,
    mut feed: Option<MediaFeed>,
    until: Instant,
    most: u64,
) -> PcapResult<Written> {
    let mut file = PcapFile::new(file)?;
    loop {
        let (mut idle, mut over) = (true, false);
        match from.try_recv() {
            Ok(message) => {
                file.take(&message)?;
                idle = false;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => over = true,
        }
        if let Some(feed) = &mut feed {
            for _ in 0..TURN {
                let Some(packet) = feed.poll() else { break };
                file.media(&packet)?;
                idle = false;
            }
            file.written.missed = feed.missed();
            file.written.left_out = feed.left_out();
            over = over && idle || Instant::now() >= until;
        }
        if idle || over || file.octets() >= most {
            // What has been written is on the disk whenever nothing waits.
            file.flush()?;
        }
        if over || file.octets() >= most {
            return Ok(file.written());
        }
        match (idle, &feed) {
            (false, _) => {}
            (true, Some(_)) => std::thread::sleep(REST),
            (true, None) => match from.recv() {
                Ok(message) => file.take(&message)?,
                Err(_) => return Ok(file.written()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use passline_engine::sip::{Flow, Transport};
    use pcap_file::pcapng::{Block, PcapNgReader};
    use std::{net::SocketAddr, time::UNIX_EPOCH};

    const OPTIONS: &str =
        "OPTIONS sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.20\r\nContent-Length: 0\r\n\r\n";

    fn captured(transport: Transport, connection: Option<u64>, received: bool, text: &str) -> Captured {
        let path = Flow {
            transport,
            local: "192.0.2.10:5061".parse().unwrap(),
            remote: "192.0.2.20:40000".parse().unwrap(),
            connection,
        };
        let at = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        Captured { at, received, path, bytes: text.as_bytes().to_vec() }
    }

    fn payloads(path: &Path) -> Vec<(u32, u64, SocketAddr, String)> {
        let mut reader = PcapNgReader::new(File::open(path).unwrap()).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                let sliced = etherparse::SlicedPacket::from_ethernet(&packet.data).unwrap();
                let Some(etherparse::TransportSlice::Udp(udp)) = sliced.transport else { panic!("no UDP") };
                let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else { panic!("no IPv4") };
                let from = SocketAddr::new(ip.header().source_addr().into(), udp.source_port());
                let text = String::from_utf8(udp.payload().to_vec()).unwrap();
                packets.push((packet.interface_id, packet.timestamp.as_nanos() as u64, from, text));
            }
        }
        packets
    }

    #[test]
    fn messages_are_whole_and_go_the_right_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sip.pcapng");
        let capture = Capture::default();
        let bounds = Bounds { octets: 1 << 20, lasts: Duration::from_secs(600) };
        assert!(!capture.take(captured(Transport::Udp, None, true, OPTIONS)), "nobody asked");
        capture.start(&path, bounds, None, || ()).unwrap();
        assert!(capture.start(&path, bounds, None, || ()).unwrap_err().contains("capture stop"));
        assert!(capture.take(captured(Transport::Udp, None, true, OPTIONS)));
        assert!(capture.take(captured(Transport::Tcp, Some(6), true, OPTIONS)));
        assert!(capture.take(captured(Transport::Tls, Some(7), true, OPTIONS)));
        assert!(capture.take(captured(Transport::Tls, Some(7), false, OPTIONS)));
        let text = capture.stop().unwrap();
        assert!(text.contains("4 messages"), "{text}");
        assert!(capture.stop().unwrap_err().contains("no capture"));
        let packets = payloads(&path);
        assert_eq!(packets.iter().map(|packet| packet.0).collect::<Vec<_>>(), [0, 1, 2, 2]);
        assert!(packets.iter().all(|packet| packet.3 == OPTIONS), "{packets:?}");
        assert_eq!(packets[0].1, 1_700_000_000_123_456_789);
        assert_eq!(packets[0].2.to_string(), "192.0.2.20:40000");
        assert_eq!(packets[3].2.to_string(), "192.0.2.10:5061");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            capture.start(&path, bounds, None, || ()).unwrap_err().contains("does not exist yet"),
            "never overwritten"
        );
    }

    #[test]
    fn a_capture_that_was_forgotten_ends() {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture::default();
        let path = folder.path().join("small.pcapng");
        capture.start(&path, Bounds { octets: 1, lasts: Duration::from_secs(600) }, None, || ()).unwrap();
        // The writer leaves after the first message; what follows finds it gone.
        while capture.take(captured(Transport::Udp, None, true, OPTIONS)) {
            std::thread::yield_now();
        }
        assert_eq!(payloads(&path).len(), 1);
        let path = folder.path().join("short.pcapng");
        capture.start(&path, Bounds { octets: 1 << 20, lasts: Duration::ZERO }, None, || ()).unwrap();
        assert!(!capture.take(captured(Transport::Udp, None, true, OPTIONS)));
    }

    #[test]
    fn a_capture_with_media_ends_on_time_without_anybody_saying_anything() {
        let folder = tempfile::tempdir().unwrap();
        let capture = Capture::default();
        let path = folder.path().join("media.pcapng");
        let (_tap, feed) = passline_net::media_capture();
        let (tell, told) = std::sync::mpsc::channel();
        let bounds = Bounds { octets: 1 << 20, lasts: Duration::from_millis(20) };
        capture.start(&path, bounds, Some(feed), move || tell.send(()).unwrap()).unwrap();
        told.recv_timeout(Duration::from_secs(10)).expect("it has ended");
        // The next one need not wait for somebody to stop it, nor does `stop` forget what it was.
        let text = capture.stop().unwrap();
        assert!(text.contains("0 media packets"), "{text}");
    }
}
