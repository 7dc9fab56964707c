//! What the tests want of any softphone: dial, press, hang up. How each is told so is its own file's matter.
use passline_rtp::Codec;
use std::{net::SocketAddr, path::Path, time::Duration};

/// A phone shows what it was told within this time, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How signalling travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Carrier {
    /// As in `;transport=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// An account at a registrar.
#[derive(Clone, Debug)]
pub struct Account {
    /// User part of the address of record, and name for digest.
    pub user: String,
    /// Password for digest.
    pub password: String,
    /// Where the registrar listens.
    pub registrar: SocketAddr,
}

/// What a phone is started with.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// An existing folder that holds the phone's own.
    pub folder: &'a Path,
    /// Name of the phone: the user part of its address, and its folder.
    pub name: &'a str,
    /// Its only codec.
    pub codec: Codec,
    /// How it signals.
    pub carrier: Carrier,
    /// Where it registers, if anywhere.
    pub account: Option<&'a Account>,
    /// Certificates that it trusts (PEM).
    pub trusted: Option<&'a Path>,
}

/// A softphone that is told what to do.
pub trait Phone {
    /// Its product name.
    fn product(&self) -> &'static str;
    /// Calls.
    fn dial(&mut self, uri: &str);
    /// Waits until its call stands.
    fn talks(&mut self);
    /// Presses these keys, and returns when all of them have been sent.
    fn press(&mut self, keys: &str);
    /// Hangs up.
    fn hang_up(&mut self);
    /// Waits until it rings, and answers.
    fn answer(&mut self);
    /// Waits until the other side has hung up.
    fn is_over(&mut self);
    /// Waits until its registrar has accepted it.
    fn is_registered(&mut self);
    /// What it printed.
    fn output(&self) -> String;
}
