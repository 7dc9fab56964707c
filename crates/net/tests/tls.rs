//! Calls over TLS, IPv6 and by name; handshakes that stall.
mod common;

use common::{Setup, Side, side, side_with};
use passline_engine::rtp::{Digit, Method};
use passline_engine::{LegCommand, LegEvent, LegId};
use passline_net::{Command, Counters, GuardConfig, NetConfig, OwnCertificate, TlsConfig, TlsPeer};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Settings of a server with a certificate of its own in `folder`.
fn serve_tls(folder: &TempDir) -> impl FnOnce(&mut NetConfig) + use<> {
    let folder = folder.path().to_owned();
    move |config| {
        config.sip_tls = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        config.tls.certificate = OwnCertificate::Folder { folder, names: Vec::new() };
        config.tls.system_roots = false;
    }
}

fn trusting(ca: PathBuf) -> impl FnOnce(&mut NetConfig) {
    move |config| {
        let peer = TlsPeer { host: "127.0.0.1".into(), ca: Some(ca), ..TlsPeer::default() };
        config.tls = TlsConfig { system_roots: false, peers: vec![peer], ..TlsConfig::default() };
    }
}

/// A call is answered, a key is heard, the caller hangs up.
async fn call(server: &mut Side, caller: &mut Side, leg: u64, uri: &str) {
    caller.dial_uri(leg, uri);
    let (_, answered) =
        caller.leg(|e| matches!(e, LegEvent::Answered { .. } | LegEvent::Refused { .. })).await;
    assert!(matches!(answered, LegEvent::Answered { .. }), "{uri}: {answered:?}");
    let digit = Digit::from_char('7').expect("a key");
    let command = LegCommand::Press { digit, duration_ms: 100, method: Method::Info };
    caller.handle.send(Command::Leg { leg: LegId(leg), command });
    tokio::time::sleep(Duration::from_millis(400)).await;
    caller.handle.send(Command::Leg { leg: LegId(leg), command: LegCommand::HangUp });
    assert_eq!(server.record().await.digits.as_deref(), Some("7"), "{uri}");
}

async fn counters(server: &Side) -> Counters {
    let (counters, answer) = tokio::sync::oneshot::channel();
    server.handle.send(Command::Counters(counters));
    answer.await.expect("an answer")
}

async fn refusal(caller: &mut Side, leg: u64, uri: &str) -> String {
    caller.dial_uri(leg, uri);
    match caller.leg(|event| matches!(event, LegEvent::Refused { .. } | LegEvent::Answered { .. })).await.1 {
        LegEvent::Refused { reason, .. } => reason,
        other => panic!("{uri}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_tls_with_a_certificate_made_at_the_first_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server =
        side_with(Setup { ports: 25_600..=25_699, seed: 31, ..Setup::default() }, serve_tls(&folder)).await;
    let ca = folder.path().join("tls-certificate.pem");
    let setup = Setup { ports: 25_700..=25_799, seed: 32, ..Setup::default() };
    let mut caller = side_with(setup, trusting(ca)).await;
    let to = server.handle.local_tls()[0];
    call(&mut server, &mut caller, 1, &format!("sip:5001@{to};transport=tls")).await;
    call(&mut server, &mut caller, 2, &format!("sips:5001@{to}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_tls_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = Setup { ports: 25_800..=25_899, seed: 33, tcp: true, ..Setup::default() };
    let server = side_with(setup, serve_tls(&folder)).await;
    let mut stranger = side_with(Setup { ports: 25_900..=25_999, seed: 34, ..Setup::default() }, |config| {
        config.tls.system_roots = false;
    })
    .await;
    let (tls, tcp) = (server.handle.local_tls()[0], server.handle.local_tcp()[0]);
    let reason = refusal(&mut stranger, 1, &format!("sip:5001@{tls};transport=tls")).await;
    assert!(reason.contains("self-signed"), "{reason}");
    let reason = refusal(&mut stranger, 2, &format!("sip:5001@{tcp};transport=tls")).await;
    assert!(reason.contains("TLS"), "{reason}");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let reason = refusal(&mut stranger, 3, &format!("sip:5001@{unused};transport=tls")).await;
    assert!(reason.contains("nobody listens on TLS"), "{reason}");
    let reason = refusal(&mut stranger, 4, "sip:5001@no-such-host.invalid").await;
    assert!(reason.contains("no-such-host.invalid"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_handshakes_that_stall_hold_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server =
        side_with(Setup { ports: 26_000..=26_099, seed: 35, ..Setup::default() }, serve_tls(&folder)).await;
    let setup = Setup { ports: 26_100..=26_199, seed: 36, ..Setup::default() };
    let mut caller = side_with(setup, trusting(folder.path().join("tls-certificate.pem"))).await;
    let to = server.handle.local_tls()[0];
    let mut stalled = Vec::new();
    for index in 0..500 {
        // From the same address as the caller, and not all of them get as far as a connection.
        if let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_secs(2)) {
            if index % 3 == 0 {
                // The beginning of a ClientHello.
                let _ = stream.write_all(&[22, 3, 1, 2, 0, 1, 0]);
            }
            stalled.push(stream);
        }
    }
    call(&mut server, &mut caller, 1, &format!("sip:5001@{to};transport=tls")).await;
    let begin = Instant::now();
    let closed = tokio::task::spawn_blocking(move || {
        stalled.into_iter().all(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
            match stream.read_to_end(&mut Vec::new()) {
                Ok(_) => true,
                Err(error) => error.kind() == ErrorKind::ConnectionReset,
            }
        })
    });
    assert!(closed.await.expect("no panic"));
    assert!(begin.elapsed() < Duration::from_secs(10));
    let counters = counters(&server).await;
    assert!(counters.failed_handshakes >= 400, "{counters:?}");
    assert_eq!(counters.refused_connections, 0, "{counters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_beyond_what_is_allowed_are_closed_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let setup = Setup { ports: 27_100..=27_109, seed: 46, tcp: true, ..Setup::default() };
    let server = side_with(setup, |config| {
        serve_tls(&folder)(config);
        config.tcp_connections_per_peer = 2;
    })
    .await;
    let (tcp, tls) = (server.handle.local_tcp()[0], server.handle.local_tls()[0]);
    let connect = |to| TcpStream::connect(to).expect("a connection");
    let kept = [connect(tcp), connect(tcp)];
    for beyond in [tcp, tls] {
        let closed = tokio::task::spawn_blocking(move || {
            let mut stream = connect(beyond);
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("an option");
            stream.read(&mut [0])
        });
        assert_eq!(closed.await.expect("no panic").expect("closed, and at once"), 0);
    }
    let told = counters(&server).await;
    assert_eq!((told.refused_connections, told.connections), (2, 2), "{told:?}");
    drop(kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_ipv6_by_udp_and_tcp() {
    let v6 = |config: &mut NetConfig| {
        let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        config.sip_udp = vec![loopback];
        config.sip_tcp = vec![loopback];
        config.media_address = IpAddr::V6(Ipv6Addr::LOCALHOST);
    };
    let mut server = side_with(Setup { ports: 26_200..=26_299, seed: 37, ..Setup::default() }, v6).await;
    let mut caller = side_with(Setup { ports: 26_300..=26_399, seed: 38, ..Setup::default() }, v6).await;
    let (udp, tcp) = (server.handle.local_udp()[0], server.handle.local_tcp()[0]);
    call(&mut server, &mut caller, 1, &format!("sip:5001@{udp}")).await;
    call(&mut server, &mut caller, 2, &format!("sip:5001@{tcp};transport=tcp")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_certificates_count_from_the_next_handshake_on() {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut server =
        side_with(Setup { ports: 26_400..=26_499, seed: 39, ..Setup::default() }, serve_tls(&one)).await;
    let setup = Setup { ports: 26_500..=26_599, seed: 40, ..Setup::default() };
    let mut caller = side_with(setup, trusting(one.path().join("tls-certificate.pem"))).await;
    let to = server.handle.local_tls()[0];
    let reload = async |side: &Side, folder: PathBuf| {
        let certificate = OwnCertificate::Folder { folder, names: Vec::new() };
        let config = Box::new(TlsConfig { certificate, ..TlsConfig::default() });
        let (done, answer) = tokio::sync::oneshot::channel();
        side.handle.send(Command::Tls { config, done });
        answer.await.expect("an answer")
    };
    assert!(reload(&server, PathBuf::from("/nowhere/at/all")).await.is_err());
    call(&mut server, &mut caller, 1, &format!("sip:5001@{to};transport=tls")).await;
    reload(&server, two.path().to_owned()).await.expect("a good folder");
    let mut other = side_with(Setup { ports: 26_600..=26_699, seed: 41, ..Setup::default() }, |config| {
        trusting(two.path().join("tls-certificate.pem"))(config);
    })
    .await;
    call(&mut server, &mut other, 1, &format!("sip:5001@{to};transport=tls")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_the_required_certificate_gets_no_call() {
    let (server_folder, client_folder) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    // A first start makes the client's certificate.
    drop(
        side_with(Setup { ports: 26_700..=26_701, seed: 42, ..Setup::default() }, serve_tls(&client_folder))
            .await,
    );
    let shown = client_folder.path().join("tls-certificate.pem");
    let ca = server_folder.path().join("tls-certificate.pem");
    let base = serve_tls(&server_folder);
    let authority = shown.clone();
    let mut server =
        side_with(Setup { ports: 26_710..=26_799, seed: 43, ..Setup::default() }, move |config| {
            base(config);
            config.tls.client_ca = Some(authority);
            config.tls.require_client_certificate = true;
        })
        .await;
    let to = server.handle.local_tls()[0];
    let uri = format!("sip:5001@{to};transport=tls");
    let mut without =
        side_with(Setup { ports: 26_800..=26_899, seed: 44, ..Setup::default() }, trusting(ca.clone())).await;
    let reason = refusal(&mut without, 1, &uri).await;
    assert!(!reason.is_empty());
    let mut with = side_with(Setup { ports: 26_900..=26_999, seed: 45, ..Setup::default() }, move |config| {
        trusting(ca)(config);
        config.tls.peers[0].client_certificate = Some((shown.clone(), shown.with_file_name("tls-key.pem")));
    })
    .await;
    call(&mut server, &mut with, 1, &uri).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_source_is_not_even_accepted() {
    let mut server = side(Setup { ports: 27_000..=27_099, seed: 46, tcp: true, ..Setup::default() }).await;
    server
        .handle
        .send(Command::Guard(Box::new(GuardConfig { trusted: Vec::new(), ..GuardConfig::default() })));
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    server.handle.send(Command::Ban { source, lasts: None });
    let mut caller = side(Setup { ports: 27_100..=27_199, seed: 47, tcp: true, ..Setup::default() }).await;
    let to = server.handle.local_tcp()[0];
    let uri = format!("sip:5001@{to};transport=tcp");
    refusal(&mut caller, 1, &uri).await;
    let (list, answer) = tokio::sync::oneshot::channel();
    server.handle.send(Command::Bans(list));
    let bans = answer.await.expect("a list");
    assert_eq!((bans.len(), bans[0].source, bans[0].until), (1, source, None));
    let (done, answer) = tokio::sync::oneshot::channel();
    server.handle.send(Command::Unban { source, done });
    assert!(answer.await.expect("an answer"));
    call(&mut server, &mut caller, 2, &uri).await;
}
