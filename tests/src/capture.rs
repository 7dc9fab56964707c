//! What goes over loopback, as it goes: dumpcap writes, we read along.
use crate::{program::passline, wait_for};
use passline_replay::decap::{Carried, Decapsulator};
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// One UDP datagram or piece of a TCP stream.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When the kernel had it, since the Unix epoch.
    pub at: Duration,
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Differentiated services code point of its IP header.
    pub dscp: u8,
    /// Octets.
    pub payload: Vec<u8>,
}

/// A running capture; ended when dropped.
pub struct Capture {
    child: Child,
    file: PathBuf,
    packets: Arc<Mutex<Vec<Packet>>>,
}

impl Capture {
    /// Captures on loopback what the filter (pcap-filter syntax) lets through, `snap` octets of each packet. Returns
    /// once the capture really runs.
    pub fn start(folder: &Path, filter: &str, snap: u32) -> Self {
        let file = folder.join(format!("capture-{}.pcap", crate::ports::adjacent(2, false)));
        let mut child = Command::new("dumpcap")
            .args(["-q", "-i", "lo", "-P", "-w", "-", "-s", &snap.to_string(), "-B", "32", "-f", filter])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dumpcap (Debian package tshark)");
        let packets = Arc::new(Mutex::new(Vec::new()));
        let pipe = child.stdout.take().expect("piped");
        let (copy, shared) = (File::create(&file).expect("the test's own folder"), packets.clone());
        std::thread::spawn(move || follow(pipe, copy, &shared));
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        // It says "File: -" when the capture runs.
        while !said.contains("File:") {
            let read = stderr.read_line(&mut said).unwrap_or(0);
            assert!(read > 0, "dumpcap does not capture on lo (it needs CAP_NET_RAW): {said}");
        }
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self { child, file, packets }
    }

    /// Packets so far that came after the first `seen` ones.
    pub fn since(&self, seen: usize) -> Vec<Packet> {
        self.packets.lock().expect("no panic in the reader")[seen..].to_vec()
    }

    /// Everything so far.
    pub fn packets(&self) -> Vec<Packet> {
        self.since(0)
    }

    /// Ends the capture and waits until everything is in the file.
    pub fn finish(&mut self) -> &Path {
        // The kernel hands packets over in blocks; the last one needs a moment.
        std::thread::sleep(Duration::from_millis(400));
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let child = &mut self.child;
        wait_for(Duration::from_secs(5), || child.try_wait().ok().flatten());
        let (mut size, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_millis(200) {
            let now = std::fs::metadata(&self.file).map_or(0, |data| data.len());
            if now != size {
                (size, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        &self.file
    }

    /// The file, as far as it is written.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What tshark makes of the finished file: one line of tab-separated fields per packet that the filter lets through.
    pub fn tshark(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file).args(["-Y", filter, "-T", "fields"]);
        for field in fields {
            command.args(["-e", field]);
        }
        let finished = crate::process::run(&mut command, "", Duration::from_secs(60));
        let lines = finished.out.lines();
        lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// What `passline replay` makes of the finished file.
    pub fn replay(&self) -> Vec<Value> {
        let mut command = Command::new(passline());
        command.arg("replay").arg(&self.file).arg("--json");
        let out = crate::process::run(&mut command, "", Duration::from_secs(60)).good();
        out.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(folder) = std::env::var_os("PASSLINE_KEEP").filter(|_| std::thread::panicking()) {
            let _ = std::fs::copy(&self.file, Path::new(&folder).join("failed.pcap"));
        }
    }
}

/// Reads a pcap stream (little-endian, as this machine writes it) until it ends.
fn follow(mut pipe: impl Read, mut copy: File, packets: &Mutex<Vec<Packet>>) {
    let mut undo = Decapsulator::default();
    let mut header = [0; 24];
    if pipe.read_exact(&mut header).is_err() {
        return;
    }
    let _ = copy.write_all(&header);
    let link = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
    let mut record = [0; 16];
    while pipe.read_exact(&mut record).is_ok() {
        let word =
            |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        let mut bytes = vec![0; word(8) as usize];
        if pipe.read_exact(&mut bytes).is_err() {
            return;
        }
        let _ = copy.write_all(&record).and_then(|()| copy.write_all(&bytes));
        let at = Duration::from_secs(word(0).into()) + Duration::from_micros(word(4).into());
        // Loopback has an Ethernet header; the second octet of IPv4 holds the DSCP.
        let dscp = bytes.get(15).map_or(0, |tos| tos >> 2);
        let Some(carried) = undo.frame(link, &bytes) else { continue };
        let (Carried::Udp { from, to, payload } | Carried::Tcp { from, to, payload, .. }) = carried;
        packets.lock().expect("no panic in a reader").push(Packet { at, from, to, dscp, payload });
    }
}
