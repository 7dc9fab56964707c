//! twinkle-console with ALSA's null device, told by its standard input.
use crate::{
    phone::{PATIENCE, Phone, Terms},
    ports,
    process::Process,
};
use std::{fs, process::Command, thread::sleep, time::Duration};

/// A press as its profile sets it (`dtmf_duration` and `dtmf_pause`), and some room.
const PER_KEY: Duration = Duration::from_millis(180);

/// A running twinkle.
pub struct Twinkle {
    process: Process,
    seen: usize,
    /// Its first RTP port.
    pub media: u16,
}

impl Twinkle {
    /// Starts it and waits until it takes commands. It knows no TLS.
    pub fn start(terms: &Terms<'_>) -> Self {
        let home = terms.folder.join(format!("twinkle-{}", terms.name));
        let folder = home.join(".twinkle");
        fs::create_dir_all(&folder).expect("the test's own folder");
        let (sip, media) = (ports::one(), ports::adjacent(8, false));
        let put = |name: &str, text: String| fs::write(folder.join(name), text).expect("our own folder");
        put("phone.cfg", profile(terms));
        put("twinkle.sys", system(sip, media));
        fs::write(home.join(".asoundrc"), "pcm.!default { type null }\nctl.!default { type null }\n")
            .expect("our own folder");
        let mut command = Command::new("twinkle-console");
        command.env("HOME", &home).current_dir(&home).arg("phone.cfg");
        let process = Process::listening(&mut command, &home.join("twinkle-console.log"));
        let seen = process.prints(0, "Twinkle>", PATIENCE);
        Self { process, seen, media }
    }

    fn sees(&mut self, sign: &str) {
        self.seen = self.process.prints(self.seen, sign, PATIENCE);
    }
}

impl Phone for Twinkle {
    fn product(&self) -> &'static str {
        "twinkle"
    }

    fn dial(&mut self, uri: &str) {
        self.process.say(&format!("call {uri}"));
    }

    fn talks(&mut self) {
        self.sees("far end answered call");
    }

    fn press(&mut self, keys: &str) {
        self.process.say(&format!("dtmf {keys}"));
        sleep(PER_KEY * keys.len() as u32);
    }

    fn hang_up(&mut self) {
        self.process.say("bye");
        self.sees("call ended");
    }

    fn answer(&mut self) {
        self.sees("incoming call");
        self.process.say("answer");
    }

    fn is_over(&mut self) {
        self.sees("far end ended call");
    }

    fn is_registered(&mut self) {
        self.process.say("register");
        self.sees("registration succeeded");
    }

    fn output(&self) -> String {
        self.process.output()
    }
}

fn profile(terms: &Terms<'_>) -> String {
    let codec = match terms.codec {
        passline_rtp::Codec::Pcma => "g711a",
        _ => "g711u",
    };
    let account = terms.account.map_or_else(
        || format!("user_name={}\nuser_domain=127.0.0.1\n", terms.name),
        |account| {
            let (user, password, registrar) = (&account.user, &account.password, account.registrar);
            let host = registrar.ip();
            format!(
                "user_name={user}\nuser_domain={host}\nauth_name={user}\nauth_pass={password}\nregistrar={registrar}\n\
                 outbound_proxy={registrar}\nregistration_time=120\n"
            )
        },
    );
    format!(
        "{account}register_at_startup=no
sip_transport={}
codecs={codec}
ptime=20
dtmf_transport=rfc2833
dtmf_payload_type=101
dtmf_duration=100
dtmf_pause=60
nat_enable_sip_keepalive=no
",
        terms.carrier.name()
    )
}

fn system(sip: u16, media: u16) -> String {
    format!(
        "dev_ringtone=alsa:null
dev_speaker=alsa:null
dev_mic=alsa:null
validate_audio_dev=no
sip_port={sip}
rtp_port={media}
log_show_sip=yes
"
    )
}
