//! The house keeps its shape: which crate may know which, what is forbidden where.
use passline_tests::program::root;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

/// Each crate and the ones it may import; the README draws the same.
const ARROWS: [(&str, &[&str]); 11] = [
    ("sip", &["identity"]),
    ("sdp", &[]),
    ("rtp", &[]),
    ("identity", &[]),
    ("prompt", &["rtp", "identity"]),
    ("flow", &["identity", "prompt"]),
    ("engine", &["sip", "sdp", "rtp", "prompt", "flow", "identity"]),
    ("net", &["engine"]),
    ("connectors", &["identity"]),
    ("replay", &["engine", "sip", "sdp", "rtp"]),
    ("server", &["net", "connectors", "replay", "engine", "flow", "prompt", "identity", "rtp", "sip", "sdp"]),
];

/// Crates without sockets, clocks, threads or a runtime.
const PURE: [&str; 7] = ["sip", "sdp", "rtp", "identity", "prompt", "flow", "engine"];

fn cargo(arguments: &[&str]) -> (bool, String) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Normal dependencies by package name, short names for our own.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let (good, text) = cargo(&["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"]);
    assert!(good, "cargo metadata");
    let metadata: Value = serde_json::from_str(&text).expect("JSON of cargo");
    let short = |name: &str| match name.strip_prefix("passline-") {
        Some(short) => short.to_owned(),
        None if name == "passline" => "server".to_owned(),
        // A crate of others may be called as one of ours.
        None => format!("other:{name}"),
    };
    let packages = metadata["packages"].as_array().expect("packages");
    let normal = |package: &Value| -> BTreeSet<String> {
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        dependencies.filter(|d| d["kind"].is_null()).filter_map(|d| d["name"].as_str()).map(short).collect()
    };
    packages
        .iter()
        .map(|package| (short(package["name"].as_str().expect("a name")), normal(package)))
        .collect()
}

#[test]
fn arrows_point_down_only() {
    let imports = imports();
    for (name, allowed) in ARROWS {
        let ours = ARROWS.map(|(name, _)| name);
        for import in imports[name].iter().filter(|import| ours.contains(&import.as_str())) {
            assert!(allowed.contains(&import.as_str()), "{name} must not know {import}");
        }
    }
    for name in PURE {
        for outside in ["tokio", "nix", "socket2", "libc", "rusqlite", "ldap3"] {
            assert!(!imports[name].contains(&format!("other:{outside}")), "{name} must not know {outside}");
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    for (name, _) in ARROWS {
        let file = if name == "server" { "main.rs" } else { "lib.rs" };
        let path = root().join("crates").join(name).join("src").join(file);
        let text = fs::read_to_string(&path).expect("a crate root");
        // Batches of packets and a thread's priority are the kernel's alone to give, and `net` the only one who asks it.
        let said = if name == "net" { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
        assert!(text.contains(said), "{name} does not say {said}");
    }
    let net = root().join("crates/net/src");
    let mut allowed = Vec::new();
    for entry in fs::read_dir(&net).expect("sources") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|kind| kind == "rs")
            && fs::read_to_string(&path).expect("text").contains("unsafe {")
        {
            allowed.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    allowed.sort();
    assert_eq!(allowed, ["media_thread.rs", "packet_io.rs", "prefetch.rs"]);
}

#[test]
fn pure_crates_are_kept_from_clocks_sockets_and_threads() {
    for name in PURE {
        let path = root().join("crates").join(name).join("clippy.toml");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|_| panic!("crates/{name}/clippy.toml is missing"));
        for method in
            ["Instant::now", "SystemTime::now", "UdpSocket::bind", "TcpStream::connect", "thread::spawn"]
        {
            assert!(text.contains(method), "crates/{name}/clippy.toml does not disallow {method}");
        }
    }
}

#[test]
fn there_is_one_provider_of_tls() {
    for name in ["aws-lc-rs", "openssl-sys"] {
        let (there, _) = cargo(&["tree", "--locked", "--offline", "-p", "passline", "-i", name]);
        assert!(!there, "{name} has come into the tree");
    }
}

/// Rows of the tables in tests/README.md name tests as `file::test`; each must exist.
#[test]
fn the_conformance_table_names_tests_that_exist() {
    let readme = fs::read_to_string(root().join("tests/README.md")).expect("tests/README.md");
    let mut named = 0;
    for word in readme.split('`').skip(1).step_by(2) {
        let Some((file, test)) = word.split_once("::") else { continue };
        if !file.ends_with(".rs") {
            continue;
        }
        let path = root().join(file);
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|_| panic!("tests/README.md names {file}, which is not there"));
        assert!(text.contains(&format!("fn {test}(")), "tests/README.md names {word}, which is not there");
        named += 1;
    }
    assert!(named >= 30, "only {named} tests are named in tests/README.md");
}
