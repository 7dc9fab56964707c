//! linphonec without a sound card (it plays and records files), told by its standard input.
use crate::{
    phone::{PATIENCE, Phone, Terms},
    ports,
    process::Process,
};
use std::{fs, process::Command, thread::sleep, time::Duration};

/// From one key to the next: longer than the tone that it sends.
const PER_KEY: Duration = Duration::from_millis(250);

/// A running linphonec.
pub struct Linphone {
    process: Process,
    seen: usize,
    account: Option<String>,
    /// Its RTP port.
    pub media: u16,
}

impl Linphone {
    /// Starts it and waits until it takes commands.
    pub fn start(terms: &Terms<'_>) -> Self {
        Self::with(terms, "")
    }

    /// Starts one that takes and offers encrypted audio alone.
    pub fn encrypting(terms: &Terms<'_>) -> Self {
        Self::with(terms, "media_encryption=srtp\nmedia_encryption_mandatory=1\n")
    }

    /// The same with new keys in each offer of a call.
    pub fn changing_keys(terms: &Terms<'_>) -> Self {
        Self::with(terms, "media_encryption=srtp\nmedia_encryption_mandatory=1\nkeep_srtp_keys=0\n")
    }

    /// Puts its call on hold.
    pub fn hold(&mut self) {
        self.tell("pause");
        self.sees("Call 1 with");
    }

    /// Takes its call up again.
    pub fn resume(&mut self) {
        self.tell("resume");
        self.sees("Media streams established");
    }

    fn with(terms: &Terms<'_>, encryption: &str) -> Self {
        let folder = terms.folder.join(format!("linphone-{}", terms.name));
        // Without this folder it stops to set its transports up.
        fs::create_dir_all(folder.join(".local/share/linphone")).expect("the test's own folder");
        let (sip, media) = (ports::one(), ports::adjacent(2, false));
        let file = folder.join("linphonerc");
        fs::write(&file, configuration(terms, encryption, sip, media)).expect("the test's own folder");
        let mut command = Command::new("linphonec");
        command.env("HOME", &folder).env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
        command.current_dir(&folder).arg("-c").arg(&file).args(["-d", "3", "-l", "linphone.log"]);
        let mut process = Process::listening(&mut command, &folder.join("linphonec.log"));
        let mut seen = 0;
        for (line, sign) in [
            ("ipv6 disable", "ipv6 use disabled"),
            ("soundcard use files", "instead of soundcard"),
            ("codec disable all", "L16 (44100) disabled"),
        ] {
            process.say(line);
            seen = process.prints(seen, sign, PATIENCE);
        }
        let name = terms.codec.info().name;
        let listed = format!("{name} (8000)");
        let index = process.output().lines().find_map(|line| {
            let (index, codec) = line.split_once(':')?;
            codec.trim_start().starts_with(&listed).then(|| index.trim().to_owned())
        });
        process.say(&format!("codec enable {}", index.expect("linphone has G.711")));
        let seen = process.prints(seen, &format!("{listed} enabled"), PATIENCE);
        let account = terms.account.map(|account| {
            let (user, registrar, carrier) = (&account.user, account.registrar, terms.carrier.name());
            let (host, password) = (registrar.ip(), &account.password);
            format!("register sip:{user}@{host} sip:{registrar};transport={carrier} {password}")
        });
        Self { process, seen, account, media }
    }

    fn tell(&mut self, line: &str) {
        self.process.say(line);
    }

    fn sees(&mut self, sign: &str) {
        self.seen = self.process.prints(self.seen, sign, PATIENCE);
    }
}

impl Phone for Linphone {
    fn product(&self) -> &'static str {
        "linphone"
    }

    fn dial(&mut self, uri: &str) {
        self.tell(&format!("call {uri}"));
    }

    fn talks(&mut self) {
        self.sees("Media streams established");
    }

    fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.tell(&key.to_string());
            sleep(PER_KEY);
        }
    }

    fn hang_up(&mut self) {
        self.tell("terminate");
        self.sees(" ended (");
    }

    fn answer(&mut self) {
        self.sees("Receiving new incoming call");
        self.tell("answer");
    }

    fn is_over(&mut self) {
        self.sees(" ended (");
    }

    fn is_registered(&mut self) {
        let line = self.account.clone().expect("an account");
        self.tell(&line);
        let registered = crate::wait_for(PATIENCE, || {
            self.tell("status register");
            sleep(Duration::from_millis(300));
            self.process.output().get(self.seen..)?.contains("registered, identity=").then_some(())
        });
        assert!(registered.is_some(), "{}", self.process.output());
    }

    fn output(&self) -> String {
        self.process.output()
    }
}

fn configuration(terms: &Terms<'_>, encryption: &str, sip: u16, media: u16) -> String {
    let trusted = terms.trusted.map_or_else(String::new, |file| format!("root_ca={}\n", file.display()));
    // A TLS port of -1 is one of the system's choice, 0 is none.
    let tls = if terms.carrier == crate::phone::Carrier::Tls { -1 } else { 0 };
    let name = terms.name;
    format!(
        "[sip]
sip_port={sip}
sip_tcp_port={sip}
sip_tls_port={tls}
{trusted}{encryption}use_ipv6=0
guess_hostname=0
contact=\"{name}\" <sip:{name}@127.0.0.1>
use_info=0
use_rfc2833=1

[rtp]
audio_rtp_port={media}

[net]
mtu=1400
"
    )
}
