//! `passline trunk test` against another Passline that is set up rightly and wrongly.
use passline_tests::{
    needle::Needle,
    ports,
    server::{Server, Setup},
};
use serde_json::Value;

const PASSWORD: &str = "Trunk-Account-Secret-11";

/// A PBX: Passline with an account, and with TLS.
fn pbx() -> Server {
    let more = "devices: [{ extension: \"trunk1\", password_file: account.password }]\n";
    let mut server = Server::prepare(Setup { more: more.into(), ..Setup::default() });
    server.secret("account.password", PASSWORD);
    server.restart();
    server
}

/// A Passline with these trunks, not started.
fn ours(trunks: &str) -> Server {
    let server = Server::prepare(Setup { more: format!("trunks:\n{trunks}"), ..Setup::default() });
    server.secret("right.password", PASSWORD);
    server.secret("wrong.password", "Trunk-Account-Mistake-22");
    server
}

/// Exit code and findings.
fn test(server: &Server, name: &str) -> (i32, Vec<Value>) {
    let finished = server.cli(&["trunk", "test", name, "--json"], "");
    assert!(finished.code <= 1, "{finished:?}");
    for secret in [PASSWORD, "Trunk-Account-Mistake-22"] {
        assert!(
            Needle::new(secret).found_in(format!("{}{}", finished.out, finished.err).as_bytes()).is_none()
        );
    }
    let findings = finished.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (finished.code, findings)
}

#[track_caller]
fn assert_wrong((code, findings): &(i32, Vec<Value>), check: &str, side: &str, remedy: &str) {
    let found = findings.iter().find(|finding| finding["verdict"] == "bad" && finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} is not wrong: {findings:#?}"));
    assert_eq!(found["side"], side, "{found}");
    assert!(found["remedy"].as_str().is_some_and(|text| text.contains(remedy)), "{found}");
    assert_eq!(*code, 1);
}

#[track_caller]
fn assert_good((code, findings): &(i32, Vec<Value>), checks: &[&str]) {
    assert_eq!(*code, 0, "{findings:#?}");
    for check in checks {
        assert!(
            findings.iter().any(|f| f["check"] == *check && f["verdict"] == "good"),
            "{check}: {findings:#?}"
        );
    }
}

#[test]
fn what_is_wrong_is_told_with_side_and_remedy() {
    let pbx = pbx();
    let (sip, tls, closed) = (pbx.sip, pbx.tls, ports::local(ports::one()));
    let certificate = pbx.certificate();
    let certificate = certificate.display();
    let account =
        |password: &str| format!("    user: trunk1\n    password_file: {password}\n    register: true\n");
    let (right, wrong) = (account("right.password"), account("wrong.password"));
    let trunks = format!(
        "  - {{ name: closed, host: \"{closed};transport=tcp\", networks: [192.0.2.1] }}
  - {{ name: nameless, host: no-such-host.invalid, networks: [192.0.2.2] }}
  - {{ name: elsewhere, host: \"{sip}\", networks: [192.0.2.3] }}
  - {{ name: untrusted, host: \"{tls};transport=tls\", networks: [192.0.2.4, 127.0.0.1] }}
"
    );
    let mut server = ours(&trunks);
    let registering = |name: &str, account: &str| {
        format!("  - name: {name}\n    host: \"{sip};transport=tcp\"\n    networks: [127.0.0.1]\n{account}")
    };
    for running in [false, true] {
        if running {
            server.restart();
        }
        assert_wrong(&test(&server, "closed"), "OPTIONS", "network", "listens on that port");
        assert_wrong(&test(&server, "nameless"), "name", "network", "correct `host`");
        assert_wrong(&test(&server, "elsewhere"), "source", "passline", "add it to `networks`");
        assert_wrong(&test(&server, "untrusted"), "TLS", "passline", "set `ca`");
    }
    let unknown = server.cli(&["trunk", "test", "nobody"], "");
    assert!(unknown.code != 0 && unknown.err.contains("no trunk `nobody`"), "{unknown:?}");

    let mistaken = ours(&registering("mistaken", &wrong));
    assert_wrong(&test(&mistaken, "mistaken"), "registration", "passline", "compare `user`");
    let good = ours(&registering("good", &right));
    assert_good(&test(&good, "good"), &["name", "source", "OPTIONS", "registration"]);
    let secure = ours(&format!(
        "  - name: secure\n    host: \"{tls};transport=tls\"\n    networks: [127.0.0.1]\n    ca: {certificate}\n{right}"
    ));
    assert_good(&test(&secure, "secure"), &["name", "source", "OPTIONS", "registration"]);
}

#[test]
fn a_trunk_that_stands_is_listed_and_its_registration_shows_at_the_other_side() {
    let pbx = pbx();
    let certificate = pbx.certificate();
    let mut server = ours(&format!(
        "  - name: pbx\n    host: \"{};transport=tls\"\n    networks: [127.0.0.1]\n    ca: {}\n    user: trunk1\n    \
         password_file: right.password\n    register: true\n",
        pbx.tls,
        certificate.display()
    ));
    server.restart();
    assert_good(&test(&server, "pbx"), &["registration"]);
    let up = passline_tests::wait_for(std::time::Duration::from_secs(60), || {
        server.json(&["trunk", "list", "--json"]).into_iter().find(|trunk| trunk["state"] == "up")
    });
    let up = up.expect("OPTIONS were answered");
    assert!(up["registration"].as_str().is_some_and(|text| text.starts_with("registered")), "{up}");
    let device = pbx.json(&["devices", "--json"]).remove(0);
    assert_eq!(device["contacts"].as_array().map(Vec::len), Some(1), "{device}");
    for log in [server.log(), pbx.log()] {
        assert!(Needle::new(PASSWORD).found_in(log.as_bytes()).is_none());
    }
}
