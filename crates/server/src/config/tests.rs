//! What the configuration accepts, and what it says to what it does not.
use super::*;

const TRUNK: &str = "trunks:\n  - name: pbx\n    host: 192.0.2.20\n";

fn fault(text: &str) -> String {
    Config::parse(text, "f.yaml").expect_err(text).join("\n")
}

#[test]
fn faults_name_place_and_remedy() {
    let table = [
        ("sip:\n  listn: []\n", "f.yaml:2:3", "listn"),
        ("sip:\n  listen: [\"127.0.0.1:5060\"]\n", "f.yaml:2:", "udp:ADDRESS:PORT"),
        ("rtp:\n  ports: 9-5\n", "f.yaml:2:", "16384-32767"),
        ("sip: { listen: [] }\n", "f.yaml", "at least one"),
        ("sip: { dscp: 64 }\n", "f.yaml", "0 to 63"),
        ("targets:\n  - kind: telepathy\n", "f.yaml:2:", "telepathy"),
        ("sip:\n  allow: [everybody]\n", "f.yaml:2:", "192.0.2.0/24"),
        ("sip: { realm: 'a\"b' }\n", "f.yaml", "sip.realm"),
        ("sip: { digest: [] }\n", "f.yaml", "at least MD5"),
        ("sip: { digest: [SHA-1] }\n", "f.yaml:1:", "SHA-256"),
        ("sip: { tls: { certificate: c.pem } }\n", "f.yaml", "go together"),
        ("sip: { tls: { client_ca: c.pem } }\n", "f.yaml", "tls:ADDRESS:5061"),
        ("sip: { limits: { connections: 0 } }\n", "f.yaml", "at least 1"),
        ("sip: { limits: { calls: { at_once: 0, per_minute: 5 } } }\n", "f.yaml", "at least 1"),
    ];
    for (text, place, remedy) in table {
        let fault = fault(text);
        assert!(fault.contains(place) && fault.contains(remedy), "{text:?} → {fault}");
    }
}

#[test]
fn faults_of_trunks_name_place_and_remedy() {
    let table = [
        ("trunks: [{ host: 192.0.2.20 }]\n", "f.yaml:1:", "name"),
        ("trunks:\n  - name: a b\n    host: 192.0.2.20\n", "f.yaml:2:", "name: pbx"),
        ("trunks:\n  - name: pbx\n", "f.yaml:2:", "set `host`"),
        ("trunks:\n  - name: pbx\n    host: pbx.example.org\n", "f.yaml:2:", "`networks`"),
        ("trunks:\n  - name: pbx\n    host: http://pbx\n", "f.yaml:3:", "write e.g."),
        (
            "trunks:\n  - name: pbx\n    host: 192.0.2.20\n    codecs: [PCMU, G729]\n",
            "f.yaml:4:",
            "it has PCMU",
        ),
        ("trunks:\n  - name: pbx\n    host: 192.0.2.20\n    dtmf: smoke\n", "f.yaml:4:", "smoke"),
        ("trunks:\n  - name: pbx\n    host: 192.0.2.20\n    register: true\n", "f.yaml:2:", "password_file"),
        ("trunks:\n  - name: pbx\n    host: 192.0.2.20\n    user: me\n", "f.yaml:2:", "go together"),
        ("trunks:\n  - name: pbx\n    host: 192.0.2.20\n    ca: a.pem\n", "f.yaml:2:", ";transport=tls"),
        ("trunks:\n  - name: pbx\n    host: 192.0.2.20\n    password: x\n", "f.yaml:4:", "password"),
        (
            "trunks:\n  - name: pbx\n    host: 192.0.2.20\n  - name: pbx\n    host: 192.0.2.21\n",
            "f.yaml:4:",
            "line 2 has a trunk `pbx` already",
        ),
        (
            "trunks:\n  - name: a\n    host: 192.0.2.20\n  - name: b\n    networks: [192.0.2.0/24]\n",
            "f.yaml:5:",
            "make them apart",
        ),
        ("routes:\n  - prefix: \"0\"\n    trunk: pbx\n", "f.yaml:3:", "the trunks are: none"),
        (
            "trunks:\n  - name: pbx\n    networks: [192.0.2.0/24]\nroutes:\n  - trunk: pbx\n",
            "f.yaml:5:",
            "has no `host`",
        ),
        ("devices:\n  - extension: 2001\n", "f.yaml:2:", "password_file"),
        (
            "devices:\n  - extension: 2001\n    password_file: p\n  - extension: 2001\n    password_file: q\n",
            "f.yaml:4:",
            "line 2 has a device `2001` already",
        ),
    ];
    for (text, place, remedy) in table {
        let fault = fault(text);
        assert!(fault.contains(place) && fault.contains(remedy), "{text:?} → {fault}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let faults = Config::parse("trunks:\n  - name: a\n  - name: b\n", "f.yaml").unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn an_ordinary_trunk_takes_few_lines() {
    let config = Config::parse(TRUNK, "f").unwrap();
    assert!(TRUNK.lines().count() <= 5);
    assert_eq!(networks_of(&config.trunks[0]), ["192.0.2.20/32".parse().unwrap()]);
    assert_eq!(config.trunks[0].host.as_ref().unwrap().uri, "sip:192.0.2.20");
    let registered = "trunks:
  - name: provider
    host: sip.example.org;transport=tls
    networks: [203.0.113.0/24]
    user: \"4930555010\"
    password_file: provider.password
    register: true
";
    let config = Config::parse(registered, "f").unwrap();
    assert!(config.trunks[0].register && config.trunks[0].host.as_ref().unwrap().tls);
}

#[test]
fn extensions_keep_their_zeros() {
    for (text, extension) in [("2001", "2001"), ("\"0012\"", "0012"), ("0012", "0012")] {
        let text = format!("devices:\n  - extension: {text}\n    password_file: p\n");
        assert_eq!(Config::parse(&text, "f").unwrap().devices[0].extension.value.0, extension);
    }
}

#[test]
fn files_that_are_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.yaml");
    std::fs::write(&path, "devices:\n  - extension: 2001\n    password_file: none\n").unwrap();
    let (config, file) = Config::load(Some(&path)).unwrap();
    let Err(Failure::Input(faults)) = config.check_files(file.as_deref()) else { panic!("no fault") };
    assert!(faults[0].contains("f.yaml:3:") && faults[0].contains("none: cannot be read"), "{faults:?}");
    std::fs::write(folder.path().join("none"), "\n").unwrap();
    let Err(Failure::Input(faults)) = config.check_files(file.as_deref()) else { panic!("no fault") };
    assert!(faults[0].contains("first line"), "{faults:?}");
    std::fs::write(folder.path().join("none"), "s3cret\n").unwrap();
    assert!(config.check_files(file.as_deref()).is_ok());
}

#[test]
fn nothing_written_is_the_default() {
    for text in ["", "# only a remark\n"] {
        assert_eq!(Config::parse(text, "f").unwrap().sip, Sip::default());
    }
}

#[test]
fn only_public_listeners_without_a_list_are_warned_of() {
    let warned = |listen: &str, allow: &str| {
        !Config::parse(&format!("sip: {{ listen: [\"{listen}\"], allow: [{allow}] }}"), "f")
            .unwrap()
            .warnings()
            .is_empty()
    };
    assert!(warned("udp:0.0.0.0:5060", ""));
    assert!(warned("udp:203.0.113.9:5060", ""));
    assert!(warned("tcp:[::]:5060", ""));
    assert!(!warned("udp:0.0.0.0:5060", "10.0.0.0/8"));
    assert!(!warned("udp:10.1.1.1:5060", ""));
    assert!(!warned("udp:[fd00::1]:5060", ""));
    assert!(!warned("udp:127.0.0.1:5060", ""));
}

#[test]
fn trunks_are_served_beside_the_allow_list() {
    let config = Config::parse(&format!("sip: {{ allow: [10.0.0.0/8] }}\n{TRUNK}"), "f").unwrap();
    assert_eq!(config.allow().len(), 2);
    assert!(Config::parse(TRUNK, "f").unwrap().allow().is_empty(), "everybody");
}

/// Settings in one string, which tells two configurations apart.
fn shown(config: &Config) -> String {
    format!("{config:?}")
}

#[test]
fn the_file_with_all_settings_has_the_defaults() {
    let text = include_str!("../../../../config/passline.yaml");
    let config = Config::parse(text, "config/passline.yaml").unwrap();
    assert_eq!(shown(&config), shown(&Config::default()));
}

#[test]
fn what_is_commented_out_in_it_is_good_too() {
    let text = include_str!("../../../../config/passline.yaml");
    // The examples of lists stand behind their empty defaults; within them, further settings are commented out once more.
    let mut open = String::new();
    for line in text.lines() {
        let bare = line.trim_start();
        let is_default =
            ["trunks: []", "devices: []", "routes: []", "targets: []", "http: {}"].contains(&line);
        // `#setting: …` and `#    setting: …` are settings, `# Text` is a remark.
        let setting = bare.strip_prefix('#').filter(|rest| {
            let inner = rest.trim_start().strip_prefix('#').unwrap_or(rest.trim_start());
            let is_remark = inner.starts_with(' ') || (rest.starts_with(' ') && !rest.starts_with("  "));
            !is_remark && inner.contains(':')
        });
        match setting {
            _ if is_default => {}
            Some(rest) => {
                let indent = &line[..line.len() - bare.len()];
                // `#    #realm: x` → `    realm: x`
                open.push_str(&format!(
                    "{indent}{}\n",
                    rest.replacen('#', "", usize::from(rest.trim_start().starts_with('#')))
                ));
            }
            None => open.push_str(&format!("{line}\n")),
        }
    }
    // What needs TLS is shown beside a trunk and listeners without it.
    let open = open.replace("host: 192.0.2.20 ", "host: 192.0.2.20;transport=tls ");
    let open = open.replace("\"tcp:127.0.0.1:5060\"]", "\"tls:127.0.0.1:5061\"]");
    let config = Config::parse(&open, "open.yaml").unwrap_or_else(|faults| panic!("{faults:?}\n{open}"));
    assert_eq!(
        (config.trunks.len(), config.devices.len(), config.routes.len(), config.targets.len()),
        (1, 1, 1, 1)
    );
    assert!(config.trunks[0].user.is_some() && config.trunks[0].realm.is_some() && config.sip.host.is_some());
}
