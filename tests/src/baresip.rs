//! baresip without a sound card: it speaks silence, records what it hears, and presses what it is told over its
//! control socket.
use crate::{
    live::Presser,
    phone::{Carrier, PATIENCE, Phone, Terms},
    ports,
    process::Process,
    server::Server,
    wait_for,
};
use passline_rtp::Codec;
use serde_json::json;
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    thread::sleep,
    time::Duration,
};

/// From one key to the next; baresip sends a row of keys as one only.
const PER_KEY: Duration = Duration::from_millis(220);
/// The silence that it speaks is as long as the longest call of a test.
const SILENCE_S: usize = 240;

/// A running baresip.
pub struct Baresip {
    process: Process,
    seen: usize,
    control: TcpStream,
    folder: PathBuf,
    /// Its RTP ports.
    pub media: (u16, u16),
}

impl Baresip {
    /// Starts it with one codec over UDP; it keeps its files in the server's folder, and speaks silence.
    pub fn start(server: &Server, codec: Codec) -> Self {
        Self::speaking(server, codec, "caller", &vec![0; SILENCE_S * 8000])
    }

    /// Starts one of several, which speaks these samples (8 kHz).
    pub fn speaking(server: &Server, codec: Codec, name: &str, samples: &[i16]) -> Self {
        Self::speaking_at(server, codec, name, samples, 8000)
    }

    /// The same with samples of another rate.
    pub fn speaking_at(server: &Server, codec: Codec, name: &str, samples: &[i16], rate: u32) -> Self {
        let (folder, carrier) = (server.folder(), Carrier::Udp);
        let terms = Terms { folder, name, codec, carrier, account: None, trusted: None };
        Self::with_voice(&terms, None, samples, rate)
    }

    /// Starts it; it registers at once if it has an account. It speaks silence.
    pub fn with(terms: &Terms<'_>) -> Self {
        Self::with_voice(terms, None, &vec![0; SILENCE_S * 8000], 8000)
    }

    /// Starts one that encrypts its audio: `srtp` offers keys beside plain audio, `srtp-mand` insists. It speaks these
    /// samples (8 kHz).
    pub fn encrypting(terms: &Terms<'_>, how: &str, samples: &[i16]) -> Self {
        Self::with_voice(terms, Some(how), samples, 8000)
    }

    fn with_voice(terms: &Terms<'_>, encryption: Option<&str>, samples: &[i16], rate: u32) -> Self {
        let folder = terms.folder.join(format!("baresip-{}", terms.name));
        fs::create_dir(&folder).expect("the test's own folder");
        let put = |name: &str, text: String| fs::write(folder.join(name), text).expect("our own folder");
        let (sip, control) = (ports::one(), ports::one());
        let first = ports::adjacent(16, false);
        let media = (first, first + 15);
        let text = configuration(&folder.display().to_string(), sip, control, media, rate);
        let trusted =
            terms.trusted.map_or_else(String::new, |file| format!("sip_cafile {}\n", file.display()));
        put("config", text + &trusted);
        put("accounts", account(terms, encryption));
        put("contacts", String::new());
        write_wav(&folder.join("spoken.wav"), samples, rate);
        let mut command = Command::new("baresip");
        command.current_dir(&folder).args(["-4", "-v", "-f", "."]);
        let process = Process::start(&mut command, &folder.join("baresip.log"));
        let connected = wait_for(PATIENCE, || TcpStream::connect(ports::local(control)).ok());
        let control = connected.unwrap_or_else(|| panic!("baresip: {}", process.output()));
        control.set_nonblocking(true).expect("a socket");
        Self { process, seen: 0, control, folder, media }
    }

    /// Calls.
    pub fn dial(&mut self, uri: &str) {
        self.command("dial", uri);
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts its call on hold.
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Takes its call up again.
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    /// What it printed.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Ends it; what it received, as 8 kHz PCM.
    pub fn recording(&mut self) -> Vec<i16> {
        let (samples, rate) = self.recorded();
        assert_eq!(rate, 8000);
        samples
    }

    /// Ends it; what it received, as its decoder gave it (the first channel), and the rate of that.
    pub fn recorded(&mut self) -> (Vec<i16>, u32) {
        self.command("quit", "");
        if self.process.wait(Duration::from_secs(5)).is_none() {
            self.process.kill();
        }
        let entries = fs::read_dir(&self.folder).expect("our own folder").flatten().map(|entry| entry.path());
        let is_recording = |path: &PathBuf| path.to_string_lossy().ends_with("-dec.wav");
        let path = entries.into_iter().find(is_recording).expect("baresip records what it receives");
        let mut reader = hound::WavReader::open(path).expect("a WAV file");
        let (rate, channels) = (reader.spec().sample_rate, usize::from(reader.spec().channels));
        (reader.samples::<i16>().map_while(Result::ok).step_by(channels).collect(), rate)
    }

    /// A command as netstring with JSON in it (module ctrl_tcp).
    fn command(&mut self, command: &str, parameters: &str) {
        let text = json!({ "command": command, "params": parameters, "token": "e2e" }).to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).expect("baresip listens");
        // Its answers and events are of no interest here, but must not fill the socket.
        let mut sink = [0; 4096];
        while self.control.read(&mut sink).is_ok_and(|read| read > 0) {}
    }
}

impl Phone for Baresip {
    fn product(&self) -> &'static str {
        "baresip"
    }

    fn dial(&mut self, uri: &str) {
        Self::dial(self, uri);
    }

    fn talks(&mut self) {
        self.seen = self.process.prints(self.seen, "Call established", PATIENCE);
    }

    fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.command("sndcode", &key.to_string());
            sleep(PER_KEY);
        }
    }

    fn hang_up(&mut self) {
        Self::hang_up(self);
        self.seen = self.process.prints(self.seen, "terminated (duration", PATIENCE);
    }

    fn answer(&mut self) {
        self.seen = self.process.prints(self.seen, "Incoming call from", PATIENCE);
        self.command("accept", "");
    }

    fn is_over(&mut self) {
        self.seen = self.process.prints(self.seen, "session closed", PATIENCE);
    }

    fn is_registered(&mut self) {
        self.seen = self.process.prints(self.seen, "200 OK", PATIENCE);
    }

    fn output(&self) -> String {
        Self::output(self)
    }
}

impl Presser for Baresip {
    fn press(&mut self, keys: &str) -> Duration {
        Phone::press(self, keys);
        Duration::ZERO
    }

    fn is_over(&mut self) -> bool {
        self.process.ended().is_some() || self.process.output().contains("terminated (duration")
    }
}

fn account(terms: &Terms<'_>, encryption: Option<&str>) -> String {
    let (carrier, codec) = (terms.carrier.name(), terms.codec.info());
    let encryption = encryption.map_or_else(String::new, |how| format!(";mediaenc={how}"));
    // It names codecs by the rate of their audio, but Opus by its clock.
    let rate = if codec.channels > 1 { codec.clock_rate } else { codec.sample_rate };
    let codecs = format!("audio_codecs={}/{rate}/{}{encryption}", codec.name, codec.channels);
    match terms.account {
        None => format!("<sip:{}@127.0.0.1;transport={carrier}>;regint=0;{codecs}\n", terms.name),
        Some(account) => {
            let (user, password, registrar) = (&account.user, &account.password, account.registrar);
            let (host, transport) = (registrar.ip(), format!(";transport={carrier}"));
            format!(
                "<sip:{user}@{host}{transport}>;auth_user={user};auth_pass={password};regint=120;{codecs};\
                 outbound=\"sip:{registrar}{transport}\"\n"
            )
        }
    }
}

fn configuration(folder: &str, sip: u16, control: u16, media: (u16, u16), rate: u32) -> String {
    let modules = ["g711", "g722", "l16", "opus", "aufile", "aubridge", "sndfile", "srtp"]
        .map(|name| format!("module {name}.so\n"))
        .concat();
    let applications = ["account", "menu", "ctrl_tcp"].map(|name| format!("module_app {name}.so\n")).concat();
    format!(
        "sip_listen 127.0.0.1:{sip}
audio_source aufile,{folder}/spoken.wav
audio_player aubridge,nobody
ausrc_srate {rate}
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
jitter_buffer_delay 3-10
rtp_ports {}-{}
rtcp_mux no
module_path /usr/lib/baresip/modules
{modules}{applications}ctrl_tcp_listen 127.0.0.1:{control}
snd_path {folder}
",
        media.0, media.1
    )
}

fn write_wav(path: &std::path::Path, samples: &[i16], rate: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("our own folder");
    samples.iter().for_each(|sample| writer.write_sample(*sample).expect("our own file"));
    writer.finalize().expect("our own file");
}
