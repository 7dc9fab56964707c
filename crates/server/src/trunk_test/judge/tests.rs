//! Answers and the sentences that they give.
use super::super::Verdict;
use super::*;
use passline_engine::sip::Flow;

fn config(text: &str) -> Config {
    Config::parse(text, "f").unwrap()
}

fn trunk(lines: &str) -> Trunk {
    let text = format!("trunks:\n  - name: pbx\n    host: 192.0.2.20\n{lines}");
    config(&text).trunks.remove(0)
}

fn said(trunk: &Trunk, transport: Transport, status: u16, reason: &str) -> Finding {
    let remote = "192.0.2.20:5060".parse().unwrap();
    let message = ProbeAnswer { status, reason: reason.into(), ..ProbeAnswer::default() };
    answer(trunk, trunk.host.as_ref().unwrap(), Some((transport, remote)), &message).unwrap()
}

#[test]
fn each_answer_names_side_and_remedy() {
    use Side::{Network, Passline, Pbx};
    let plain = trunk("");
    let with_user = trunk("    user: me\n    password_file: p\n    realm: other\n");
    let (udp, tcp, tls) = (Transport::Udp, Transport::Tcp, Transport::Tls);
    let table = [
        (&plain, udp, 408, "", Network, "firewall"),
        (&plain, tcp, 408, "", Pbx, "SIP port"),
        (&plain, tcp, 503, "Connection refused", Network, "listens on that port"),
        (&plain, udp, 401, "Unauthorized", Passline, "`user` and `password_file`"),
        (&with_user, udp, 401, "Unauthorized", Passline, "realm"),
        (&with_user, udp, 407, "", Passline, "compare `user`"),
        (&plain, udp, 403, "Forbidden", Pbx, "allow Passline's address"),
        (&plain, udp, 500, "Oops", Pbx, "log of the PBX"),
        (&plain, udp, 302, "Moved", Pbx, "where it sends us"),
        (&plain, udp, 600, "No", Pbx, "log of the PBX"),
        (&plain, tls, 503, "invalid peer certificate: UnknownIssuer", Passline, "set `ca`"),
        (&plain, tls, 503, "invalid peer certificate: NotValidForName", Pbx, "`certificate_name`"),
        (&plain, tls, 503, "invalid peer certificate: Expired", Pbx, "renew"),
        (&plain, tls, 503, "received fatal alert: CertificateRequired", Pbx, "`certificate` and `key`"),
        (&plain, tls, 503, "received fatal alert: ProtocolVersion", Pbx, "5061"),
        (&plain, tls, 503, "Connection refused", Network, "firewall"),
    ];
    for (trunk, transport, status, reason, side, remedy) in table {
        let finding = said(trunk, transport, status, reason);
        assert_eq!((finding.verdict, finding.side), (Verdict::Bad, Some(side)), "{finding:?}");
        assert!(finding.remedy.as_deref().unwrap().contains(remedy), "{finding:?}");
    }
    assert_eq!(said(&plain, udp, 200, "OK").verdict, Verdict::Good);
    assert_eq!(said(&plain, udp, 404, "Not Found").verdict, Verdict::Note);
}

#[test]
fn registrations_that_fail_name_side_and_remedy() {
    let trunk = trunk("    user: me\n    password_file: p\n    register: true\n");
    for (status, side, remedy) in [
        (401, Side::Passline, "compare"),
        (403, Side::Pbx, "enabled"),
        (404, Side::Passline, "correct `user`"),
        (405, Side::Passline, "register: true"),
        (408, Side::Network, "above"),
        (423, Side::Passline, "register_s"),
        (500, Side::Pbx, "log"),
    ] {
        let finding = registration(&trunk, status, "why");
        assert_eq!(finding.side, Some(side), "{finding:?}");
        assert!(finding.remedy.as_deref().unwrap().contains(remedy), "{finding:?}");
    }
}

#[test]
fn addresses_outside_its_networks_are_told() {
    let trunk = trunk("    networks: [198.51.100.0/24]\n");
    let path = Flow {
        transport: Transport::Udp,
        local: "192.0.2.10:5060".parse().unwrap(),
        remote: "192.0.2.20:5060".parse().unwrap(),
        connection: None,
    };
    let mut probe = Probe { paths: vec![path], ..Probe::default() };
    let finding = source(&trunk, &probe).unwrap();
    assert!(finding.says.contains("192.0.2.20") && finding.remedy.unwrap().contains("198.51.100.0/24"));
    probe.paths[0].remote = "198.51.100.7:5060".parse().unwrap();
    assert_eq!(source(&trunk, &probe).unwrap().verdict, Verdict::Good);
    let nowhere = Probe { reason: "no such name".into(), ..Probe::default() };
    assert!(source(&trunk, &nowhere).is_none());
    let finding = lookup(&trunk, trunk.host.as_ref().unwrap(), &nowhere).unwrap();
    assert_eq!((finding.verdict, finding.side), (Verdict::Bad, Some(Side::Network)));
}

#[test]
fn methods_that_are_missing_count_where_they_are_needed() {
    let message =
        |allow: &str| ProbeAnswer { status: 200, allow: Some(allow.into()), ..ProbeAnswer::default() };
    assert!(allow(&trunk(""), &message("INVITE, ACK, REFER")).is_empty());
    assert_eq!(allow(&trunk(""), &message("INVITE, ACK"))[0].verdict, Verdict::Note);
    assert_eq!(allow(&trunk(""), &message("REGISTER, REFER"))[0].verdict, Verdict::Bad);
    let info = allow(&trunk("    dtmf: info\n"), &message("INVITE, REFER"));
    assert!(info[0].remedy.as_deref().unwrap().contains("dtmf: auto"));
}

#[test]
fn loopback_listeners_reach_no_pbx() {
    let text = "trunks:\n  - name: pbx\n    host: 192.0.2.20\n";
    let closed = config(text);
    assert_eq!(ours(&closed, &closed.trunks[0])[0].side, Some(Side::Passline));
    let open = config(&format!("sip: {{ listen: [\"udp:192.0.2.10:5060\"] }}\n{text}"));
    assert!(ours(&open, &open.trunks[0]).is_empty());
}
