//! Our registrations at registrars (RFC 3261 §10.2, RFC 3608, RFC 5626 §4.5), and two of our own against each other.

use crate::digest::proves;
use crate::support::*;
use passline_identity::Secret;
use passline_sip::message::Name;
use passline_sip::*;
use std::sync::Arc;
use std::time::Duration;

const ID: RegistrationId = RegistrationId(3);
const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n";

fn terms() -> Registration {
    Registration {
        registrar: "sip:pbx.example".into(),
        aor: "sip:passline@pbx.example".into(),
        contact_user: "passline".into(),
        paths: vec![udp("192.0.2.1:5060", "192.0.2.9:5060"), udp("192.0.2.1:5060", "192.0.2.8:5060")],
        credentials: Some(Credentials {
            user: "passline".into(),
            password: Arc::new(Secret::new("s3cret")),
            realm: Some("pbx".into()),
        }),
        expires: 600,
    }
}

fn begun(terms: Registration) -> (Bench, String) {
    let config = Config { instance: Some("urn:uuid:0-1".into()), ..Config::default() };
    let mut bench = Bench::with(config, udp("192.0.2.1:5060", "192.0.2.9:5060"));
    bench.command(Command::Register { id: ID, registration: Box::new(terms) });
    let first = bench.last();
    bench.said();
    (bench, first)
}

/// Answers a request and gives back what is sent next, if anything.
fn answer(bench: &mut Bench, to: &str, status: u16, extra: &str) -> Option<String> {
    bench.receive(&response(to.as_bytes(), status, "t", extra, ""));
    let next = bench.sent.last().map(|(_, _, bytes)| String::from_utf8_lossy(bytes).into_owned());
    bench.said();
    next
}

fn states(bench: &mut Bench) -> Vec<RegistrationState> {
    let states = |event| match event {
        Event::Registration { id: ID, state } => state,
        other => panic!("{other:?}"),
    };
    bench.happened().into_iter().map(states).collect()
}

fn authorization(message: &str) -> &str {
    message.lines().find_map(|l| l.strip_prefix("Authorization: ")).expect("credentials")
}

#[test]
fn a_registration_is_made_refreshed_and_taken_back() {
    let (mut bench, first) = begun(terms());
    assert!(first.starts_with("REGISTER sip:pbx.example SIP/2.0\r\n"));
    assert_eq!(
        (field(&first, Name::Contact), field(&first, Name::Expires), field(&first, Name::Supported)),
        (
            "<sip:passline@192.0.2.1:5060>;expires=600;+sip.instance=\"<urn:uuid:0-1>\";reg-id=1".into(),
            "600".into(),
            "path, outbound".into()
        )
    );
    assert!(!field(&first, Name::To).contains("tag="));
    let second = answer(&mut bench, &first, 401, CHALLENGE).unwrap();
    assert_eq!(field(&second, Name::CSeq), "2 REGISTER");
    assert!(proves(authorization(&second), "REGISTER", "s3cret", ""));
    let extra = "Contact: <sip:else@192.0.2.77>;expires=9, <sip:passline@192.0.2.1:5060>;expires=120\r\n\
                 Service-Route: <sip:a.example;lr>, <sip:b.example;lr>\r\nExpires: 7\r\n";
    assert_eq!(answer(&mut bench, &second, 200, extra), None);
    let service_route = vec!["<sip:a.example;lr>".to_owned(), "<sip:b.example;lr>".into()];
    assert_eq!(states(&mut bench), [RegistrationState::Registered { expires: 120, service_route }]);
    bench.pass(Duration::from_secs(89));
    assert!(bench.said().is_empty());
    bench.pass(Duration::from_secs(20));
    let refresh = bench.last();
    assert_eq!(field(&refresh, Name::CallId), field(&first, Name::CallId));
    assert_eq!(field(&refresh, Name::CSeq), "3 REGISTER");
    assert!(authorization(&refresh).contains("nc=00000002"), "the nonce is used again");
    bench.said();
    // It has grown old meanwhile, and the registrar does not even say so.
    let again = answer(&mut bench, &refresh, 401, &CHALLENGE.replace("n1", "n2")).unwrap();
    assert!(proves(authorization(&again), "REGISTER", "s3cret", ""));
    answer(&mut bench, &again, 200, "Contact: <sip:passline@192.0.2.1:5060>;expires=120\r\n");
    assert_eq!(states(&mut bench).len(), 1);
    bench.command(Command::Unregister { id: ID });
    let last = bench.last();
    assert_eq!(field(&last, Name::Expires), "0");
    assert!(field(&last, Name::Contact).contains(";expires=0"));
    bench.said();
    answer(&mut bench, &last, 200, "");
    assert_eq!(states(&mut bench), [RegistrationState::Unregistered]);
    bench.pass(Duration::from_secs(60));
    assert_eq!((bench.ua.transactions(), bench.ua.deadline()), (0, None));
}

#[test]
fn too_brief_an_interval_is_lengthened_once() {
    let (mut bench, first) = begun(terms());
    let second = answer(&mut bench, &first, 423, "Min-Expires: 1800\r\n").unwrap();
    assert_eq!(field(&second, Name::Expires), "1800");
    assert_eq!(answer(&mut bench, &second, 423, "Min-Expires: 1800\r\n"), None);
    assert!(matches!(&states(&mut bench)[..], [RegistrationState::Failed { status: 423, .. }]));
    for senseless in ["", "Min-Expires: 5\r\n", "Min-Expires: 999999999\r\n", "Min-Expires: x\r\n"] {
        let (mut bench, first) = begun(terms());
        assert_eq!(answer(&mut bench, &first, 423, senseless), None, "{senseless}");
        assert!(matches!(&states(&mut bench)[..], [RegistrationState::Failed { status: 423, .. }]));
    }
}

#[test]
fn the_next_path_is_tried_and_then_the_wait_grows() {
    let (mut bench, first) = begun(terms());
    let second = answer(&mut bench, &first, 503, "").unwrap();
    assert_eq!(field(&second, Name::CSeq), "2 REGISTER");
    assert!(bench.happened().is_empty());
    bench
        .input(Input::SendFailed { path: udp("192.0.2.1:5060", "192.0.2.8:5060"), reason: "refused".into() });
    let mut waits = Vec::new();
    for _ in 0..10 {
        let states = states(&mut bench);
        let [RegistrationState::Failed { status: 503, retry_in, .. }] = &states[..] else {
            panic!("{states:?}")
        };
        waits.push(*retry_in);
        bench.pass(Duration::from_secs(u64::from(*retry_in) + 1));
        assert!(bench.said().iter().all(|said| said == "REGISTER"));
        bench.input(Input::SendFailed {
            path: udp("192.0.2.1:5060", "192.0.2.9:5060"),
            reason: "refused".into(),
        });
        assert!(bench.said().iter().all(|said| said == "REGISTER"));
        bench.input(Input::SendFailed {
            path: udp("192.0.2.1:5060", "192.0.2.8:5060"),
            reason: "refused".into(),
        });
    }
    for (n, wait) in waits.iter().enumerate() {
        let full = (30 << n.min(16)).min(1800);
        assert!((full / 2..=full).contains(wait), "{waits:?}");
    }
    // Silence: both paths, 32 s each.
    let (mut bench, _) = begun(terms());
    bench.pass(Duration::from_secs(65));
    assert!(matches!(&states(&mut bench)[..], [RegistrationState::Failed { status: 408, .. }]));
    // Retry-After counts, within reason.
    let (mut bench, first) = begun(Registration { paths: vec![bench.path], ..terms() });
    answer(&mut bench, &first, 503, "Retry-After: 900 (maintenance);duration=5\r\n");
    assert!(matches!(&states(&mut bench)[..], [RegistrationState::Failed { retry_in: 900, .. }]));
}

#[test]
fn a_refused_password_is_not_hammered() {
    for (challenge, status) in [(CHALLENGE.replace("n1", "n2"), 401), (String::new(), 403)] {
        let (mut bench, first) = begun(terms());
        let second = answer(&mut bench, &first, 401, CHALLENGE).unwrap();
        assert_eq!(answer(&mut bench, &second, status, &challenge), None);
        let states = states(&mut bench);
        let [RegistrationState::Failed { status: s, retry_in, .. }] = &states[..] else {
            panic!("{states:?}")
        };
        assert!(*s == status && (15..=30).contains(retry_in), "{states:?}");
        bench.pass(Duration::from_secs(u64::from(*retry_in) + 1));
        let next = bench.last();
        assert!(!next.contains("Authorization:"), "asked first again");
    }
    let (mut bench, first) = begun(terms());
    let foreign = CHALLENGE.replace("realm=\"pbx\"", "realm=\"evil\"");
    assert_eq!(answer(&mut bench, &first, 401, &foreign), None);
    let (mut bench, first) = begun(Registration { credentials: None, ..terms() });
    assert_eq!(answer(&mut bench, &first, 401, CHALLENGE), None);
}

#[test]
fn a_lost_connection_is_registered_anew() {
    let path = Flow { connection: None, ..tcp("192.0.2.1:5060", "192.0.2.9:5060", 0) };
    let mut bench = Bench::with(Config::default(), path);
    let registration = Box::new(Registration { paths: vec![path], ..terms() });
    bench.command(Command::Register { id: ID, registration });
    let live = Flow { connection: Some(6), ..path };
    bench.input(Input::Connected { path: live });
    let first = bench.last();
    assert_eq!(field(&first, Name::Contact), "<sip:passline@192.0.2.1:5060;transport=tcp>;expires=600");
    let ok = response(
        first.as_bytes(),
        200,
        "t",
        "Contact: <sip:passline@192.0.2.1:5060;transport=tcp>;expires=600\r\n",
        "",
    );
    bench.input(Input::Stream { path: live, bytes: ok.as_bytes() });
    assert_eq!(states(&mut bench).len(), 1);
    bench.said();
    bench.others.clear();
    bench.input(Input::Closed { connection: 6 });
    assert!(bench.others.is_empty());
    bench.pass(Duration::from_secs(3));
    assert!(matches!(&bench.others[..], [Output::Connect { .. }]));
    bench.input(Input::Connected { path: Flow { connection: Some(7), ..path } });
    assert_eq!(field(&bench.last(), Name::CSeq), "2 REGISTER");
}

#[test]
fn terms_change_and_registrations_end_at_any_moment() {
    let (mut bench, first) = begun(terms());
    // New terms while the first request is open: the number grows, the old answer counts no more.
    bench.command(Command::Register {
        id: ID,
        registration: Box::new(Registration { expires: 300, ..terms() }),
    });
    let second = bench.last();
    assert_eq!(
        (field(&second, Name::CSeq), field(&second, Name::Expires)),
        ("2 REGISTER".into(), "300".into())
    );
    bench.said();
    answer(&mut bench, &first, 200, "Contact: <sip:passline@192.0.2.1:5060>;expires=600\r\n");
    assert!(bench.happened().is_empty());
    bench.command(Command::Unregister { id: ID });
    bench.command(Command::Unregister { id: ID });
    assert_eq!(bench.said(), ["REGISTER"], "the open one may still bind");
    bench.pass(Duration::from_secs(70));
    assert_eq!(states(&mut bench), [RegistrationState::Unregistered], "also without an answer");
    bench.command(Command::Unregister { id: ID });
    let (mut bench, first) = begun(terms());
    answer(&mut bench, &first, 403, "");
    bench.happened();
    bench.command(Command::Unregister { id: ID });
    assert_eq!(states(&mut bench), [RegistrationState::Unregistered]);
    bench.pass(Duration::from_secs(100));
    assert_eq!((bench.said().len(), bench.ua.transactions(), bench.ua.deadline()), (0, 0, None));
    for broken in
        [Registration { paths: vec![], ..terms() }, Registration { registrar: "x".into(), ..terms() }]
    {
        let mut bench = Bench::new();
        bench.command(Command::Register { id: ID, registration: Box::new(broken) });
        assert!(matches!(&states(&mut bench)[..], [RegistrationState::Failed { .. }]));
    }
}
