//! Random walks through a dialog: a peer that says anything in any order, a layer above that wants anything at any time.
//! Whatever happens, nothing panics or spins, what leaves is well formed, no two offers of ours are open at once, and in
//! the end nothing is left.

use crate::support::*;
use passline_sip::message::{Message, Name, Start};
use passline_sip::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Duration;

struct Walk {
    bench: Bench,
    rng: ChaCha20Rng,
    call: CallHandle,
    /// From and To as the peer writes them, tags included.
    from: String,
    to: String,
    call_id: String,
    cseq: u32,
    /// Requests of ours that the peer may still answer.
    open: Vec<Vec<u8>>,
    steps: Vec<String>,
    ended: usize,
}

impl Walk {
    /// A walk in this call; `peer`: From, To and Call-ID of the peer's requests, `cseq` the last one that it used.
    fn new(bench: Bench, rng: ChaCha20Rng, call: CallHandle, peer: [String; 3], cseq: u32) -> Walk {
        let [from, to, call_id] = peer;
        let (open, steps) = (Vec::new(), Vec::new());
        Walk { bench, rng, call, from, to, call_id, cseq, open, steps, ended: 0 }
    }

    fn draw(&mut self, below: u32) -> u32 {
        self.rng.next_u32() % below
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.draw(of.len() as u32) as usize]
    }

    /// Takes in what was sent, and checks it; calls that the peer begins beside this one are refused.
    fn look(&mut self) {
        for event in self.bench.happened() {
            match event {
                Event::Incoming { call, .. } => {
                    self.bench.command(Command::Reject {
                        call,
                        status: 486,
                        reason: None,
                        retry_after: None,
                        warning: None,
                    });
                }
                Event::Ended { call, .. } if call == self.call => self.ended += 1,
                _ => {}
            }
        }
        for (_, _, bytes) in std::mem::take(&mut self.bench.sent) {
            let message = Message::parse(&bytes, 99).unwrap();
            assert!(message.flaw.is_none(), "{}", String::from_utf8_lossy(&bytes));
            let Start::Request { method, .. } = message.start else {
                if self.to.is_empty() || !self.to.contains("tag=") {
                    let to = message.text(Name::To).unwrap_or_default().into_owned();
                    if to.contains("tag=") && message.text(Name::CSeq).unwrap().ends_with("INVITE") {
                        self.to = to;
                    }
                }
                continue;
            };
            if method != b"ACK" && !self.open.contains(&bytes) {
                let offers = |b: &[u8]| {
                    let m = Message::parse(b, 99).unwrap();
                    matches!(m.start, Start::Request { method: b"INVITE", .. })
                        || (matches!(m.start, Start::Request { method: b"UPDATE", .. }) && !m.body.is_empty())
                };
                // A first INVITE that is sent again, changed, begins anew.
                let begun = field(&String::from_utf8_lossy(&bytes), Name::To).contains("tag=");
                if begun && offers(&bytes) {
                    // Once the first INVITE has its answer reliably, an UPDATE may overtake its 200.
                    let overtakes = verb(&bytes) == "UPDATE";
                    let first =
                        |b: &[u8]| overtakes && field(&String::from_utf8_lossy(b), Name::CSeq) == "1 INVITE";
                    let others = self.open.iter().filter(|b| offers(b) && !first(b)).count();
                    assert_eq!(others, 0, "two offers at once: {:#?}", self.steps);
                }
                self.open.push(bytes);
            }
        }
    }

    fn respond(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let at = self.draw(self.open.len() as u32) as usize;
        let statuses = [
            100, 180, 183, 200, 200, 200, 202, 302, 401, 405, 408, 422, 481, 487, 488, 491, 491, 500, 503,
            603,
        ];
        let status = statuses[self.draw(statuses.len() as u32) as usize];
        let extra = self.pick(&[
            "",
            "Contact: <sip:peer@192.0.2.9:5070>\r\n",
            "Require: 100rel\r\nRSeq: 1\r\n",
            "Require: 100rel\r\nRSeq: 2\r\nc: application/sdp\r\n",
            "x: 90;refresher=uac\r\nAllow: UPDATE\r\n",
            "x: 90;refresher=uas\r\nc: application/sdp\r\n",
            "Min-SE: 100\r\n",
            "Retry-After: 1\r\n",
        ]);
        let body = if extra.contains("sdp") { SDP } else { "" };
        let request = self.open[at].clone();
        let text = response(&request, status, "peer", extra, body);
        if self.to.is_empty() && status > 100 {
            // We placed the call: the peer's own name is our To.
            self.from = format!("{};tag=peer", field(&String::from_utf8_lossy(&request), Name::To));
        }
        self.steps.push(format!("respond {status} {extra:?} to {}", verb(&request)));
        if status >= 200 {
            self.open.remove(at);
        }
        self.bench.receive(&text);
    }

    fn request(&mut self) {
        let method = self.pick(&[
            "INVITE",
            "INVITE",
            "UPDATE",
            "UPDATE",
            "ACK",
            "ACK",
            "PRACK",
            "INFO",
            "REFER",
            "NOTIFY",
            "SUBSCRIBE",
            "OPTIONS",
            "CANCEL",
            "BYE",
        ]);
        if method == "BYE" && self.draw(10) > 0 {
            return;
        }
        let back = self.draw(3);
        let cseq = if method == "ACK" || method == "CANCEL" {
            self.cseq.saturating_sub(back).max(1)
        } else {
            self.cseq += 1;
            self.cseq
        };
        let extra = match method {
            "PRACK" => format!("RAck: {} {} INVITE\r\n", 1 + self.draw(3), self.cseq.saturating_sub(back)),
            "REFER" => "Refer-To: <sip:desk@h?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\n".to_owned(),
            "NOTIFY" => "Event: refer\r\nSubscription-State: active;expires=20\r\nc: message/sipfrag\r\n".to_owned(),
            "SUBSCRIBE" => "Event: refer\r\nExpires: 5\r\n".to_owned(),
            _ => self
                .pick(&[
                    "",
                    "Contact: <sip:peer@192.0.2.9:5071>\r\nc: application/sdp\r\n",
                    "Contact: <sip:peer@192.0.2.9>\r\nk: timer, 100rel\r\nx: 90;refresher=uas\r\nAllow: UPDATE\r\nc: application/sdp\r\n",
                    "k: timer\r\nx: 95;refresher=uac\r\n",
                ])
                .to_owned(),
        };
        let body = match method {
            "NOTIFY" => "SIP/2.0 180 Ringing\r\n",
            _ if extra.contains("sdp") && self.draw(3) > 0 => SDP,
            _ => "",
        };
        let branch = if method == "CANCEL" { cseq } else { self.draw(u32::MAX) };
        let branch = if method == "INVITE" { cseq } else { branch };
        let text = format!(
            "{method} sip:x@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{branch}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.from,
            self.to,
            self.call_id,
            body.len()
        );
        self.steps.push(format!("{method} {cseq} {extra:?} {}", body.len()));
        self.bench.receive(&text);
    }

    fn command(&mut self) {
        let call = self.call;
        let sdp = || SDP.as_bytes().to_vec();
        let command = match self.draw(14) {
            0 => Command::Ring { call, sdp: None },
            1 => Command::Ring { call, sdp: Some(sdp()) },
            2 => Command::Accept { call, sdp: sdp() },
            3 | 4 => Command::Reinvite { call, sdp: sdp() },
            5 => Command::Reinvite { call, sdp: Vec::new() },
            6 => Command::Acknowledge { call, sdp: sdp() },
            7 => Command::AcceptReinvite { call, sdp: sdp() },
            8 => Command::RejectReinvite { call, status: 488, reason: None, warning: None },
            9 => Command::Refer { call, to: "sip:desk@h".into(), replaces: None },
            10 => Command::AcceptRefer { call },
            11 => Command::RejectRefer { call, status: 603 },
            12 => Command::NotifyRefer { call, status: 180, reason: String::new(), done: self.draw(2) == 0 },
            _ => Command::SendInfo { call, content_type: "text/x".into(), body: b"x".to_vec() },
        };
        self.steps.push(format!("{command:?}"));
        self.bench.command(command);
    }

    fn step(&mut self) {
        match self.draw(10) {
            0..=2 => self.respond(),
            3..=5 => self.request(),
            6..=8 => self.command(),
            _ => {
                let time = [10, 600, 3_000, 33_000, 70_000][self.draw(5) as usize];
                self.steps.push(format!("pass {time}"));
                self.bench.pass(Duration::from_millis(time));
            }
        }
        self.look();
    }

    fn end(mut self, seed: u64) {
        let call = self.call;
        self.bench.command(Command::HangUp { call, reason: None });
        // A hang-up may wait for an ACK, a CANCEL for a provisional response.
        self.bench.pass(Duration::from_secs(400));
        self.bench.sent.clear();
        self.look();
        let ended = self.ended;
        let left = (self.bench.ua.calls(), self.bench.ua.transactions(), self.bench.ua.deadline());
        assert_eq!((ended, left), (1, (0, 0, None)), "seed {seed}: {:#?}", self.steps);
    }
}

fn config() -> Config {
    let session = SessionPolicy { expires: 90, offer: true, ..SessionPolicy::default() };
    Config { policy: CallPolicy { rel100: Rel100::Prefer, session }, ..Config::default() }
}

#[test]
fn walks_of_called_calls_end_clean() {
    for seed in 0..1_500 {
        let mut bench = Bench::with(config(), udp("192.0.2.1:5060", "192.0.2.9:5060"));
        let extra = [
            "c: application/sdp\r\n",
            "Require: 100rel\r\nc: application/sdp\r\n",
            "k: 100rel, timer\r\nx: 90\r\nAllow: UPDATE\r\n",
        ][seed as usize % 3];
        let body = if extra.contains("sdp") { SDP } else { "" };
        let text =
            request("INVITE", "z9hG4bK1", 1, "", &format!("Contact: <sip:c@192.0.2.9>\r\n{extra}"), body);
        bench.receive(&text);
        let Some(Event::Incoming { call, .. }) = bench.events.pop() else { panic!() };
        let rng = ChaCha20Rng::seed_from_u64(seed);
        let peer = [field(&text, Name::From), field(&text, Name::To), "cid".into()];
        let mut walk = Walk::new(bench, rng, call, peer, 1);
        for _ in 0..40 {
            walk.step();
        }
        walk.end(seed);
    }
}

#[test]
fn walks_of_placed_calls_end_clean() {
    for seed in 0..1_500 {
        let mut bench = Bench::with(config(), udp("192.0.2.1:5060", "192.0.2.9:5060"));
        let call = bench.ua.next_call_handle();
        let path = bench.path;
        let sdp = if seed % 2 == 0 { SDP } else { "" };
        let (to, from) = ("sip:5000@192.0.2.9".into(), "sip:demo@192.0.2.1".into());
        bench.command(Command::Invite(Box::new(Invite::new(call, to, from, path, sdp.into()))));
        let invite = bench.last();
        let call_id = field(&invite, Name::CallId);
        // The peer's requests carry our From as their To.
        let peer = ["<sip:5000@192.0.2.9>;tag=peer".to_owned(), field(&invite, Name::From), call_id];
        let rng = ChaCha20Rng::seed_from_u64(seed);
        let mut walk = Walk::new(bench, rng, call, peer, 0);
        walk.look();
        for _ in 0..40 {
            walk.step();
        }
        walk.end(seed);
    }
}
