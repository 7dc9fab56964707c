//! Challenges and credentials: alone, and on their way through a registrar and a registration.
#![no_main]
use passline_sip::{Account, Command, Config, Flow, Input, Registration, RegistrationId, Transport, UserAgent, auth};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::time::Instant;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let value = String::from_utf8_lossy(bytes);
    auth::exercise(&value);
    if value.contains(['\r', '\n']) {
        return;
    }
    let now = Instant::now();
    let password = passline_identity::Secret::new("password");
    let account = Account { user: "100".into(), password: password.into(), max_contacts: 1 };
    let config = Config { registrar: true, accounts: vec![account.clone()], ..Config::default() };
    let mut agent = UserAgent::new(config, ChaCha20Rng::seed_from_u64(1));
    let end = "192.0.2.1:5060".parse().expect("an address");
    let path = Flow { transport: Transport::Udp, local: end, remote: end, connection: None };
    let request = format!(
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:100@h>;tag=1\r\nTo: <sip:100@h>\r\n\
         Call-ID: c\r\nCSeq: 1 REGISTER\r\nAuthorization: {value}\r\n\r\n"
    );
    agent.handle(now, Input::Datagram { path, bytes: request.as_bytes() });
    let credentials = passline_sip::Credentials { user: "100".into(), password: account.password, realm: None };
    let registration = Registration {
        registrar: "sip:h".into(),
        aor: "sip:100@h".into(),
        contact_user: String::new(),
        paths: vec![path],
        credentials: Some(credentials),
        expires: 60,
    };
    let command = Command::Register { id: RegistrationId(1), registration: Box::new(registration) };
    agent.handle(now, Input::Command(command));
    let mut sent = Vec::new();
    while let Some(output) = agent.poll() {
        if let passline_sip::Output::Send { bytes, .. } = output {
            sent = bytes;
        }
    }
    let sent = String::from_utf8_lossy(&sent);
    let line = |name: &str| sent.lines().find(|l| l.starts_with(name)).unwrap_or_default().to_owned();
    let answer = format!(
        "SIP/2.0 401 X\r\n{}\r\n{}\r\n{};tag=2\r\n{}\r\n{}\r\nWWW-Authenticate: {value}\r\n\r\n",
        line("Via"),
        line("From"),
        line("To"),
        line("Call-ID"),
        line("CSeq")
    );
    agent.handle(now, Input::Datagram { path, bytes: answer.as_bytes() });
    while agent.poll().is_some() {}
});
