//! A real OpenLDAP server with password policy, as a second target.
use crate::{ports, process::Process, wait_for};
use std::{fs, net::TcpStream, path::Path, process::Command, time::Duration};

const SLAPD: &str = "/usr/sbin/slapd";
const SERVICE: &str = "cn=passline,dc=example,dc=org";

/// Password of everybody in it before any reset.
pub const OLD_PASSWORD: &str = "old-password-1";

/// A running slapd; ended, and its folder removed, when dropped.
pub struct Slapd {
    process: Process,
    folder: tempfile::TempDir,
    port: u16,
}

impl Slapd {
    /// Starts it with these people below `ou=people,dc=example,dc=org`.
    pub fn start(people: &[&str]) -> Self {
        let folder =
            tempfile::Builder::new().prefix("passline-slapd-").tempdir().expect("a temporary folder");
        let path = folder.path();
        let put = |name: &str, text: String| fs::write(path.join(name), text).expect("our own folder");
        fs::create_dir(path.join("db")).expect("our own folder");
        put("slapd.conf", configuration(path));
        put("people.ldif", ldif(people));
        put("password", "service-secret\n".into());
        let mut load = Command::new(SLAPD);
        load.args(["-Tadd", "-f"]).arg(path.join("slapd.conf")).arg("-l").arg(path.join("people.ldif"));
        crate::process::run(&mut load, "", Duration::from_secs(30)).good();
        let port = ports::one();
        let process = run(path, port);
        Self { process, folder, port }
    }

    /// The `targets:` of a configuration with this server as target `ldap`.
    pub fn targets(&self) -> String {
        let (port, file) = (self.port, self.folder.path().join("password"));
        format!(
            "targets:
  - kind: ldap
    id: ldap
    url: ldap://127.0.0.1:{port}
    bind_dn: \"{SERVICE}\"
    password_file: {}
    user_dn: \"uid={{account}},ou=people,dc=example,dc=org\"
    timeout_ms: 700
",
            file.display()
        )
    }

    /// Whether somebody can bind, as any LDAP client would try it.
    pub fn binds(&self, uid: &str, password: &str) -> bool {
        let mut who = Command::new("ldapwhoami");
        who.args(["-x", "-H", &format!("ldap://127.0.0.1:{}", self.port)]);
        who.args(["-D", &format!("uid={uid},ou=people,dc=example,dc=org"), "-y", "/dev/stdin"]);
        crate::process::run(&mut who, password, Duration::from_secs(10)).code == 0
    }

    /// It stops answering, with its connections open.
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// It answers again, also what was asked meanwhile.
    pub fn thaw(&self) {
        self.process.signal("CONT");
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // A stopped process cannot be reaped before it goes on.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.process.signal("CONT")));
    }
}

fn run(folder: &Path, port: u16) -> Process {
    let mut command = Command::new(SLAPD);
    command.args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port}"), "-f"]).arg(folder.join("slapd.conf"));
    let process = Process::start(&mut command, &folder.join("slapd.log"));
    let up = wait_for(Duration::from_secs(20), || TcpStream::connect(("127.0.0.1", port)).ok());
    assert!(up.is_some(), "slapd does not listen: {}", process.output());
    process
}

fn configuration(folder: &Path) -> String {
    let schemas = ["core", "cosine", "inetorgperson"];
    let schemas = schemas.map(|schema| format!("include /etc/ldap/schema/{schema}.schema\n")).concat();
    let folder = folder.display();
    format!(
        "{schemas}modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/slapd.pid
database mdb
maxsize 10485760
suffix \"dc=example,dc=org\"
directory {folder}/db
overlay ppolicy
ppolicy_default \"cn=policy,dc=example,dc=org\"
ppolicy_hash_cleartext
access to attrs=userPassword,pwdAccountLockedTime,pwdReset by dn.exact=\"{SERVICE}\" write by anonymous auth
access to * by dn.exact=\"{SERVICE}\" read by * none
"
    )
}

fn ldif(people: &[&str]) -> String {
    let entry = |dn: &str, lines: &str| format!("dn: {dn}\n{lines}\n\n");
    let mut ldif = entry(
        "dc=example,dc=org",
        "objectClass: dcObject\nobjectClass: organization\ndc: example\no: Example",
    );
    ldif += &entry(
        "cn=policy,dc=example,dc=org",
        "objectClass: organizationalRole\nobjectClass: pwdPolicy\ncn: policy\npwdAttribute: userPassword\npwdLockout: TRUE
pwdMaxFailure: 20\npwdMinLength: 8\npwdCheckQuality: 2",
    );
    ldif += &entry(
        SERVICE,
        "objectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: passline\nuserPassword: service-secret",
    );
    ldif += &entry("ou=people,dc=example,dc=org", "objectClass: organizationalUnit\nou: people");
    for uid in people {
        let lines = format!(
            "objectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nuserPassword: {OLD_PASSWORD}"
        );
        ldif += &entry(&format!("uid={uid},ou=people,dc=example,dc=org"), &lines);
    }
    ldif
}
