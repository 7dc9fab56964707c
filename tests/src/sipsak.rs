//! sipsak: one message at a time, as an administrator's monitoring sends it.
use crate::{
    phone::Carrier,
    ports,
    process::{Finished, run},
};
use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

/// sipsak against one server.
pub struct Sipsak<'a> {
    /// An existing folder for the messages.
    pub folder: &'a Path,
    /// Where the server listens.
    pub server: SocketAddr,
    /// How it sends.
    pub carrier: Carrier,
    port: u16,
}

impl<'a> Sipsak<'a> {
    /// With a local port of its own.
    pub fn new(folder: &'a Path, server: SocketAddr, carrier: Carrier) -> Self {
        Self { folder, server, carrier, port: ports::one() }
    }

    /// Its own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn command(&self, number: &str) -> Command {
        let mut command = Command::new("sipsak");
        command.current_dir(self.folder).args(["-vvv", "-s", &format!("sip:{number}@{}", self.server)]);
        // Names need no resolver here.
        command.args(["-H", "127.0.0.1", "--transport", self.carrier.name()]);
        // The port of a TCP connection that has just been closed cannot be used again at once.
        if self.carrier == Carrier::Udp {
            command.args(["-S", "-l", &self.port.to_string()]);
        }
        // It compares the name in a certificate with host and port, which no certificate fits.
        if self.carrier == Carrier::Tls {
            command.arg("--tls-ignore-cert-failure");
        }
        command
    }

    /// Asks a number by OPTIONS.
    pub fn options(&self, number: &str) -> Finished {
        run(&mut self.command(number), "", Duration::from_secs(40))
    }

    /// Sends a request as it is written and shows the answer.
    pub fn send(&self, number: &str, name: &str, request: &str) -> Finished {
        fs::write(self.folder.join(name), request).expect("the test's own folder");
        let mut command = self.command(number);
        command.args(["-f", name]);
        run(&mut command, "", Duration::from_secs(40))
    }
}
