//! Registration in both directions: telephones here, and this server at a PBX.
use passline_rtp::Codec;
use passline_tests::{
    baresip::Baresip,
    kamailio::{Kamailio, Role},
    linphone::Linphone,
    phone::{Account, Carrier, Phone, Terms},
    server::{Server, Setup},
    twinkle::Twinkle,
    wait_for,
};
use serde_json::Value;
use std::{thread::sleep, time::Duration};

const PASSWORD: &str = "correct-horse-battery";

/// A server with telephones 201, 202 and 203.
fn with_devices() -> Server {
    let devices: String = (201..=203)
        .map(|user| format!("  - {{ extension: {user}, password_file: phone.password }}\n"))
        .collect();
    let mut server = Server::prepare(Setup { more: format!("devices:\n{devices}"), ..Setup::default() });
    server.secret("phone.password", PASSWORD);
    server.restart();
    server
}

fn account(server: &Server, user: &str) -> Account {
    Account { user: user.into(), password: PASSWORD.into(), registrar: server.sip }
}

/// The first call record that this says yes to.
fn record(server: &Server, is_it: impl Fn(&Value) -> bool) -> Value {
    let read = || server.json(&["calls", "--last", "1000", "--json"]).into_iter().find(|call| is_it(call));
    wait_for(Duration::from_secs(10), read).unwrap_or_else(|| {
        panic!("no such call in {:#?}\n{}", server.json(&["calls", "--last", "1000", "--json"]), server.log())
    })
}

/// A registered phone presses keys in the line test, and is known by its account.
fn registers_and_calls(carrier: Carrier, user: &str, start: impl Fn(&Terms<'_>) -> Box<dyn Phone>) {
    let server = with_devices();
    let account = account(&server, user);
    let (folder, codec) = (server.folder(), Codec::Pcmu);
    let mut phone =
        start(&Terms { folder, name: user, codec, carrier, account: Some(&account), trusted: None });
    phone.is_registered();
    phone.dial(&format!("sip:5001@{};transport={}", server.sip, carrier.name()));
    phone.talks();
    sleep(Duration::from_millis(500));
    phone.press("147*");
    sleep(Duration::from_millis(500));
    phone.hang_up();
    let call = record(&server, |call| call["digits"] == "147*");
    assert_eq!(call["account"], user, "{call}");
}

#[test]
fn baresip_registers_with_digest_and_calls() {
    registers_and_calls(Carrier::Udp, "201", |terms| Box::new(Baresip::with(terms)));
}

#[test]
fn linphone_registers_with_digest_and_calls() {
    registers_and_calls(Carrier::Tcp, "202", |terms| Box::new(Linphone::start(terms)));
}

#[test]
fn twinkle_registers_with_digest_and_calls() {
    registers_and_calls(Carrier::Udp, "203", |terms| Box::new(Twinkle::start(terms)));
}

#[test]
fn registered_phones_call_each_other_by_extension() {
    let server = with_devices();
    let [first, second, third] = ["201", "202", "203"].map(|user| account(&server, user));
    let terms = |account| Terms {
        folder: server.folder(),
        name: "phone",
        codec: Codec::Pcmu,
        carrier: Carrier::Udp,
        account: Some(account),
        trusted: None,
    };
    let mut baresip = Baresip::with(&terms(&first));
    let mut linphone = Linphone::start(&terms(&second));
    let mut twinkle = Twinkle::start(&terms(&third));
    baresip.is_registered();
    linphone.is_registered();
    twinkle.is_registered();
    {
        let caller: &mut dyn Phone = &mut baresip;
        caller.dial(&server.uri("202"));
        linphone.answer();
        caller.talks();
        linphone.talks();
        // baresip says nothing of the end of a call of less than a second.
        sleep(Duration::from_millis(1500));
        caller.hang_up();
        linphone.is_over();
    }
    linphone.dial(&server.uri("203"));
    twinkle.answer();
    linphone.talks();
    sleep(Duration::from_millis(500));
    linphone.hang_up();
    twinkle.is_over();
    for (from, to) in [("201", "202"), ("202", "203")] {
        record(&server, |call| {
            call["account"] == from && call["to"] == to && call["outcome"] == "caller_left"
        });
    }
}

#[test]
fn the_server_registers_at_kamailio_with_digest_and_is_called_through_it() {
    for carrier in [Carrier::Udp, Carrier::Tcp] {
        let folder =
            tempfile::Builder::new().prefix("passline-kamailio-").tempdir().expect("a temporary folder");
        let kamailio = Kamailio::start(folder.path(), &Role::Registrar { password: PASSWORD.into() });
        let trunk = format!(
            "trunks:\n  - name: pbx\n    host: \"{};transport={}\"\n    user: \"5001\"\n    password_file: pbx.password\n    register: true\n",
            kamailio.sip,
            carrier.name()
        );
        let mut server = Server::prepare(Setup { more: trunk, ..Setup::default() });
        server.secret("pbx.password", PASSWORD);
        server.restart();
        // Kamailio knows where 5001 is only once it has registered; baresip answers Kamailio's challenge to its INVITE.
        let account = Account { user: "301".into(), password: PASSWORD.into(), registrar: kamailio.sip };
        let codec = Codec::Pcmu;
        let (name, account) = ("301", Some(&account));
        let mut phone =
            Baresip::with(&Terms { folder: folder.path(), name, codec, carrier, account, trusted: None });
        phone.is_registered();
        let phone: &mut dyn Phone = &mut phone;
        phone.dial(&format!("{};transport={}", kamailio.uri("5001"), carrier.name()));
        phone.talks();
        sleep(Duration::from_millis(500));
        phone.press("369#");
        sleep(Duration::from_millis(500));
        phone.hang_up();
        let call = record(&server, |call| call["digits"] == "369#");
        assert_eq!(call["trunk"], "pbx", "{call}");
    }
}
