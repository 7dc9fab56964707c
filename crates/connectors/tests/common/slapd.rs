//! A real OpenLDAP server with password policy on a loopback port.
use passline_connectors::{LdapConfig, LdapDialect, LdapTls};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const SLAPD: &str = "/usr/sbin/slapd";
const SERVICE: &str = "cn=passline,dc=example,dc=org";

pub struct Slapd {
    folder: tempfile::TempDir,
    scheme: &'static str,
    port: u16,
    process: Child,
}

impl Slapd {
    /// `None`, with a notice, if it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_as("ldap")
    }

    /// With a certificate for 127.0.0.1, of an authority of its own: `ldap` (which offers StartTLS) or `ldaps`.
    pub fn start_as(scheme: &'static str) -> Option<Self> {
        if !Path::new(SLAPD).exists() {
            eprintln!("SKIPPED: {SLAPD} is not installed (apt-get install slapd)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("db")).unwrap();
        certificates(folder.path());
        fs::write(folder.path().join("slapd.conf"), configuration(folder.path())).unwrap();
        fs::write(folder.path().join("people.ldif"), people()).unwrap();
        fs::write(folder.path().join("password"), "service-secret\n").unwrap();
        let loaded = Command::new(SLAPD)
            .args(["-Tadd", "-f"])
            .arg(folder.path().join("slapd.conf"))
            .arg("-l")
            .arg(folder.path().join("people.ldif"))
            .output()
            .unwrap();
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = run(folder.path(), scheme, port);
        Some(Self { folder, scheme, port, process })
    }

    pub fn config(&self) -> LdapConfig {
        LdapConfig {
            id: "ldap".into(),
            url: format!("{}://127.0.0.1:{}", self.scheme, self.port),
            tls: LdapTls::Url,
            ca_file: None,
            bind_dn: SERVICE.into(),
            password_file: self.file("password"),
            user_dn: Some("uid={account},ou=people,dc=example,dc=org".into()),
            search_base: None,
            search_filter: None,
            dialect: LdapDialect::Standard,
            timeout_ms: 700,
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.process.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.process = run(self.folder.path(), self.scheme, self.port);
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(folder: &Path, scheme: &str, port: u16) -> Child {
    let process = Command::new(SLAPD)
        .args(["-d", "0", "-h", &format!("{scheme}://127.0.0.1:{port}"), "-f"])
        .arg(folder.join("slapd.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(20), "slapd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

/// An authority and a server's certificate by it.
fn certificates(folder: &Path) {
    fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let openssl = |first: &[&str], rest: &[&str]| {
        let made = Command::new("openssl").args(first).args(rest).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let ca = ["-x509", "-days", "2", "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&["req"], &[&curve[..], &ca].concat());
    let request = ["-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr"];
    openssl(&["req"], &[&curve[..], &request].concat());
    let sign =
        ["-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
    openssl(&["x509"], &[&sign[..], &["-extfile", "san", "-out", "server.pem"]].concat());
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let schemas = ["core", "cosine", "inetorgperson"];
    let schemas = schemas.map(|schema| format!("include /etc/ldap/schema/{schema}.schema\n")).concat();
    format!(
        "{schemas}modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
maxsize 10485760
suffix \"dc=example,dc=org\"
rootdn \"cn=root,dc=example,dc=org\"
directory {folder}/db
overlay ppolicy
ppolicy_default \"cn=policy,dc=example,dc=org\"
ppolicy_hash_cleartext
access to attrs=userPassword,pwdAccountLockedTime,pwdReset
  by dn.exact=\"{SERVICE}\" write
  by anonymous auth
access to * by dn.exact=\"{SERVICE}\" read by * none
"
    )
}

fn people() -> String {
    let mut ldif = format!(
        "dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=policy,dc=example,dc=org
objectClass: organizationalRole
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 5
pwdMinLength: 8
pwdCheckQuality: 2

dn: {SERVICE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: passline
userPassword: service-secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people
"
    );
    for uid in ["ada", "ben", "eva", "o'hare, (jr)*"] {
        let dn = uid.replace(',', "\\,");
        ldif.push_str(&format!(
            "
dn: uid={dn},ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: {uid}
cn: {uid}
sn: {uid}
userPassword: old-password-1
"
        ));
    }
    ldif
}
