//! Kamailio between the phones and the server: as a proxy that stays in the way, and as the only one who may call.
use passline_rtp::Codec;
use passline_tests::{
    baresip::Baresip,
    kamailio::{Kamailio, Role},
    phone::{Carrier, Phone, Terms},
    server::{Server, Setup},
    sipp::Scenario,
};
use std::{net::IpAddr, thread::sleep, time::Duration};

const KEYS: &str = "2580*#";

/// baresip calls the line test by way of Kamailio.
fn calls_through(kamailio: &Kamailio, server: &Server, carrier: Carrier) {
    let (folder, codec) = (server.folder(), Codec::Pcmu);
    let name = &format!("by-{}", carrier.name());
    let mut phone = Baresip::with(&Terms { folder, name, codec, carrier, account: None, trusted: None });
    Phone::dial(&mut phone, &format!("{};transport={}", kamailio.uri("5001"), carrier.name()));
    phone.talks();
    sleep(Duration::from_millis(500));
    Phone::press(&mut phone, KEYS);
    sleep(Duration::from_millis(500));
    Phone::hang_up(&mut phone);
}

#[test]
fn a_proxy_that_records_its_route_over_udp_and_tcp() {
    std::thread::scope(|scope| {
        // The transport changes on the way in two of the four.
        for (outside, inside) in [
            (Carrier::Udp, Carrier::Udp),
            (Carrier::Tcp, Carrier::Tcp),
            (Carrier::Udp, Carrier::Tcp),
            (Carrier::Tcp, Carrier::Udp),
        ] {
            scope.spawn(move || {
                let server = Server::start(Setup::default());
                let role = Role::Proxy { to: server.sip, carrier: inside };
                let kamailio = Kamailio::start(server.folder(), &role);
                calls_through(&kamailio, &server, outside);
                let call = server.call();
                let context = format!("{outside:?} to {inside:?}: {call}\n{}", kamailio.log());
                assert_eq!(call["digits"], KEYS, "{context}");
                assert_eq!(call["outcome"], "caller_left", "the BYE has found its way; {context}");
            });
        }
    });
}

#[test]
fn the_servers_own_bye_finds_its_way_through_the_proxy() {
    // SIPp sends no RTP unless it presses a key.
    let server = Server::start(Setup { rtp_timeout_s: 2, ..Setup::default() });
    let role = Role::Proxy { to: server.sip, carrier: Carrier::Tcp };
    let kamailio = Kamailio::start(server.folder(), &role);
    let sipp = Scenario::new(&server, "left-alone.xml").by(kamailio.sip);
    let finished = sipp.run();
    assert_eq!(finished.code, 0, "{}\n{}", finished.out, finished.err);
    assert!(finished.err.contains("\nBYE sip:"), "{}", finished.err);
}

#[test]
fn a_trunk_that_is_known_by_its_address_alone() {
    let trunk: IpAddr = "127.0.0.2".parse().expect("an address");
    let server = Server::start(Setup { sip: "  allow: [\"127.0.0.2/32\"]\n".into(), ..Setup::default() });
    let kamailio =
        Kamailio::at(trunk, server.folder(), &Role::Proxy { to: server.sip, carrier: Carrier::Udp });
    // Whoever comes from elsewhere gets no answer at all.
    let stranger = Scenario::new(&server, "nobody-answers.xml").run();
    assert_eq!(stranger.code, 0, "{}\n{}", stranger.out, stranger.err);
    let sipp = Scenario::new(&server, "three-keys.xml").by(kamailio.sip).run();
    assert_eq!(sipp.code, 0, "{}\n{}\n{}", sipp.out, sipp.err, kamailio.log());
    assert_eq!(server.call()["digits"], "123");
}
