//! Kamailio as the PBX of others: a proxy that stays in the way, a trunk, a registrar with digest.
use crate::{
    phone::Carrier,
    ports::{self, local},
    process::Process,
    wait_for,
};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    process::Command,
    time::Duration,
};

const KAMAILIO: &str = "/usr/sbin/kamailio";

/// What it is there for.
#[derive(Clone, Debug)]
pub enum Role {
    /// Sends what comes for user parts that begin with 5 to this server, by this carrier, and stays in the way
    /// (Record-Route).
    Proxy {
        /// Where the server listens.
        to: SocketAddr,
        /// How it is reached.
        carrier: Carrier,
    },
    /// A registrar that challenges, and a proxy to whoever is registered; everybody has this password.
    Registrar {
        /// Password of every user.
        password: String,
    },
    /// Its shortest script that answers a call: for the bench.
    Answerer,
}

/// A running Kamailio; ended with all of its processes when dropped.
pub struct Kamailio {
    process: Process,
    /// Where it listens, UDP and TCP.
    pub sip: SocketAddr,
}

impl Kamailio {
    /// Starts it at 127.0.0.1 with its files in a folder of `folder`.
    pub fn start(folder: &Path, role: &Role) -> Self {
        Self::at(IpAddr::V4(Ipv4Addr::LOCALHOST), folder, role)
    }

    /// Starts it at another address of loopback, from which it also sends.
    pub fn at(address: IpAddr, folder: &Path, role: &Role) -> Self {
        let sip = SocketAddr::new(address, ports::one());
        let folder = folder.join(format!("kamailio-{}", sip.port()));
        fs::create_dir(&folder).expect("the test's own folder");
        let file = folder.join("kamailio.cfg");
        fs::write(&file, configuration(sip, role)).expect("our own folder");
        let mut command = Command::new(KAMAILIO);
        // In the foreground, log on standard error, 64 MB shared and 8 MB private memory.
        command.args(["-DD", "-E", "-m", "64", "-M", "8", "-f"]).arg(&file);
        command.arg("-Y").arg(&folder).arg("-w").arg(&folder);
        let mut process = Process::group(&mut command, &folder.join("kamailio.log"));
        let up = wait_for(Duration::from_secs(20), || {
            assert!(process.ended().is_none(), "kamailio has ended: {}", process.output());
            (TcpStream::connect(sip).is_ok() && answers(sip)).then_some(())
        });
        assert!(up.is_some(), "kamailio does not listen: {}", process.output());
        Self { process, sip }
    }

    /// URI of a user there.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Its process, and with `signal` its own alone.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Every script answers OPTIONS to the proxy itself.
fn answers(sip: SocketAddr) -> bool {
    let socket = UdpSocket::bind(local(0)).expect("a socket");
    let me = socket.local_addr().expect("bound");
    let request = format!(
        "OPTIONS sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK-up-{0};rport\r\nFrom: <sip:test@{me}>;tag=1\r\n\
         To: <sip:{sip}>\r\nCall-ID: up-{0}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        me.port()
    );
    let _ = socket.set_read_timeout(Some(Duration::from_millis(200)));
    socket.send_to(request.as_bytes(), sip).is_ok() && socket.recv(&mut [0; 4096]).is_ok()
}

fn configuration(sip: SocketAddr, role: &Role) -> String {
    let modules = |names: &[&str]| -> String {
        names.iter().map(|name| format!("loadmodule \"{name}.so\"\n")).collect()
    };
    let head = format!(
        "#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
listen=udp:{sip}
listen=tcp:{sip}
server_header=\"Server: pbx\"
mpath=\"/usr/lib/x86_64-linux-gnu/kamailio/modules:/usr/lib/kamailio/modules\"
"
    );
    let asked = "  if (is_method(\"OPTIONS\") && uri == myself) { sl_send_reply(\"200\", \"OK\"); exit; }\n";
    match role {
        Role::Answerer => {
            let loaded = modules(&["tm", "sl", "pv", "xlog", "siputils", "textops", "textopsx"]);
            format!(
                "{head}{loaded}request_route {{
  if (is_method(\"ACK\")) exit;
  if (is_method(\"INVITE\")) {{
    append_to_reply(\"Contact: <sip:{sip}>\\r\\nContent-Type: application/sdp\\r\\n\");
    set_reply_body(\"v=0\\r\\no=- 1 1 IN IP4 127.0.0.1\\r\\ns=-\\r\\nc=IN IP4 127.0.0.1\\r\\nt=0 0\\r\\nm=audio 4000 RTP/AVP 0\\r\\n\", \"application/sdp\");
  }}
  sl_send_reply(\"200\", \"OK\");
}}
"
            )
        }
        Role::Proxy { to, carrier } => {
            let loaded = modules(&["tm", "tmx", "sl", "rr", "pv", "maxfwd", "textops", "siputils", "xlog"]);
            format!(
                "{head}{loaded}modparam(\"rr\", \"enable_full_lr\", 1)
request_route {{
{asked}  if (!mf_process_maxfwd_header(\"10\")) {{ sl_send_reply(\"483\", \"Too Many Hops\"); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method(\"ACK\")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply(\"404\", \"Not Here\"); exit;
  }}
  if (is_method(\"CANCEL\")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method(\"INVITE\")) record_route();
  if ($rU =~ \"^5\") {{ $du = \"sip:{to};transport={}\"; t_relay(); exit; }}
  sl_send_reply(\"404\", \"Not Found\");
}}
",
                carrier.name()
            )
        }
        Role::Registrar { password } => {
            let loaded = modules(&[
                "tm",
                "tmx",
                "sl",
                "rr",
                "pv",
                "maxfwd",
                "textops",
                "siputils",
                "xlog",
                "auth",
                "usrloc",
                "registrar",
            ]);
            format!(
                "{head}{loaded}modparam(\"rr\", \"enable_full_lr\", 1)
modparam(\"usrloc\", \"db_mode\", 0)
modparam(\"registrar\", \"min_expires\", 60)
request_route {{
{asked}  if (!mf_process_maxfwd_header(\"10\")) {{ sl_send_reply(\"483\", \"Too Many Hops\"); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{ t_relay(); exit; }}
    if (is_method(\"ACK\")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply(\"404\", \"Not Here\"); exit;
  }}
  if (is_method(\"CANCEL\")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (is_method(\"REGISTER\")) {{
    if (!pv_www_authenticate(\"pbx.example\", \"{password}\", \"0\")) {{ www_challenge(\"pbx.example\", \"1\"); exit; }}
    if (!save(\"location\")) sl_reply_error();
    exit;
  }}
  if (is_method(\"INVITE\")) {{
    if (!pv_proxy_authenticate(\"pbx.example\", \"{password}\", \"0\")) {{ proxy_challenge(\"pbx.example\", \"1\"); exit; }}
    consume_credentials();
    record_route();
  }}
  if (!lookup(\"location\")) {{ sl_send_reply(\"404\", \"Not Found\"); exit; }}
  t_relay();
}}
"
            )
        }
    }
}
