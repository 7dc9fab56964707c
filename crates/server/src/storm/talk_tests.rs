//! One caller against a scripted other side, in virtual time.
use super::*;
use passline_sip::message::Message;

struct World {
    common: Common,
    talk: Talk,
    now: Instant,
    out: Outbox,
}

impl World {
    fn new(transport: &'static str) -> Self {
        let common = Common {
            uri: "sip:5001@192.0.2.1".into(),
            user: "storm".into(),
            local: "192.0.2.9:5070".parse().unwrap(),
            transport,
            run: 1,
            credentials: None,
        };
        Self::of(common)
    }

    fn of(common: Common) -> Self {
        let talk = Talk::new(&common, 4);
        let mut world = Self { common, talk, now: Instant::now(), out: Vec::new() };
        world.talk.invite(world.now, &world.common, b"v=0\r\n", &[], &mut world.out);
        world
    }

    /// The last message that was sent, as text; all others before it are forgotten.
    fn sent(&mut self) -> String {
        let last = self.out.pop().unwrap_or_default();
        self.out.clear();
        String::from_utf8(last).unwrap()
    }

    fn hears(&mut self, text: &str) -> Option<Event> {
        let text = text.replace('\n', "\r\n");
        let message = Message::parse(text.as_bytes(), 64).unwrap();
        self.talk.message(self.now, &self.common, &message, &mut self.out)
    }

    fn answer(&mut self, status: &str, cseq: &str) -> Option<Event> {
        self.hears(&format!(
            "SIP/2.0 {status}\nVia: SIP/2.0/UDP 192.0.2.9:5070\nTo: <sip:5001@192.0.2.1>;tag=b\nFrom: <sip:storm@x>;tag=a\n\
             Call-ID: storm-00000001-4\nCSeq: {cseq}\nContact: <sip:5001@192.0.2.5:5090>\n\
             Record-Route: <sip:p2;lr>, <sip:p1;lr>\nContent-Length: 3\n\nsdp"
        ))
    }

    /// Lets time pass, turning to the caller whenever it wants; what was sent, by the ms.
    fn pass(&mut self, time: Duration) -> (Vec<u128>, Option<Event>) {
        let (begin, end) = (self.now, self.now + time);
        let (mut sent, mut event) = (Vec::new(), None);
        self.out.clear();
        while let Some(deadline) = self.talk.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            event = event.or(self.talk.due(self.now, &mut self.out));
            let count = std::mem::take(&mut self.out).len();
            sent.extend(std::iter::repeat_n(self.now.duration_since(begin).as_millis(), count));
        }
        self.now = end;
        (sent, event)
    }
}

const REFUSED: Option<Event> = Some(Event::Refused { status: 0, retry_after: false });

#[test]
fn a_call_is_answered_and_hung_up() {
    let mut world = World::new("UDP");
    assert!(world.sent().starts_with("INVITE sip:5001@192.0.2.1 SIP/2.0\r\n"));
    assert_eq!(world.answer("180 Ringing", "1 INVITE"), None);
    assert_eq!(world.talk.state, State::Proceeding);
    assert_eq!(world.answer("200 OK", "1 INVITE"), Some(Event::Answered(b"sdp".to_vec())));
    let ack = world.sent();
    assert!(ack.starts_with("ACK sip:5001@192.0.2.5:5090 SIP/2.0\r\n"), "{ack}");
    assert!(
        ack.contains("\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n") && ack.contains(";tag=b"),
        "{ack}"
    );
    // Each copy of the answer gets its ACK and is no second answer.
    assert_eq!(world.answer("200 OK", "1 INVITE"), None);
    assert!(world.sent().starts_with("ACK "));
    world.talk.leave(world.now, &world.common, &mut world.out);
    assert!(world.sent().contains("\r\nCSeq: 2 BYE\r\n"));
    assert_eq!(world.answer("200 OK", "2 BYE"), Some(Event::Left(true)));
    assert_eq!((world.talk.state, world.talk.deadline()), (State::Over, None));
}

#[test]
fn an_invite_is_sent_again_by_timer_a_until_somebody_answers_or_timer_b_ends_it() {
    let mut world = World::new("UDP");
    let (sent, event) = world.pass(Duration::from_secs(40));
    assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!((event, world.talk.state), (REFUSED, State::Over));
    let mut world = World::new("UDP");
    world.answer("100 Trying", "1 INVITE");
    assert_eq!(world.pass(Duration::from_secs(170)), (vec![], None));
    assert_eq!(world.pass(Duration::from_secs(20)).1, REFUSED);
    let mut world = World::new("TCP");
    assert_eq!(world.pass(Duration::from_secs(40)), (vec![], REFUSED));
}

#[test]
fn a_bye_is_sent_again_by_timer_e() {
    let mut world = World::new("UDP");
    world.answer("200 OK", "1 INVITE");
    world.talk.leave(world.now, &world.common, &mut world.out);
    let (sent, event) = world.pass(Duration::from_secs(40));
    assert_eq!(sent[..6], [500, 1_500, 3_500, 7_500, 11_500, 15_500]);
    assert_eq!(event, Some(Event::Left(false)));
}

#[test]
fn a_refusal_is_acknowledged_each_time_and_told_once() {
    let mut world = World::new("UDP");
    let refusal = "503 Service Unavailable\nRetry-After: 5";
    assert_eq!(world.answer(refusal, "1 INVITE"), Some(Event::Refused { status: 503, retry_after: true }));
    for _ in 0..2 {
        let ack = world.sent();
        assert!(ack.starts_with("ACK sip:5001@192.0.2.1 SIP/2.0\r\n"), "{ack}");
        assert!(ack.contains("branch=z9hG4bK00000001.4.1;rport") && ack.contains(";tag=b"), "{ack}");
        assert_eq!(world.answer(refusal, "1 INVITE"), None);
    }
    // A challenge may be answered with the same Call-ID, without the tag of the refusal.
    let headers = [("Authorization", "Digest x".to_owned())];
    world.talk.invite(world.now, &world.common, b"", &headers, &mut world.out);
    let invite = world.sent();
    assert!(
        invite.contains("CSeq: 2 INVITE\r\n") && invite.contains("Authorization: Digest x\r\n"),
        "{invite}"
    );
    assert!(invite.contains("To: <sip:5001@192.0.2.1>\r\n"), "{invite}");
    assert_eq!(world.answer("401 Unauthorized", "1 INVITE"), None, "a copy of the old refusal");
    assert!(matches!(world.answer("200 OK", "2 INVITE"), Some(Event::Answered(_))));
}

#[test]
fn who_leaves_before_the_answer_cancels_as_soon_as_that_is_allowed() {
    let mut world = World::new("UDP");
    world.sent();
    world.talk.leave(world.now, &world.common, &mut world.out);
    assert_eq!(world.sent(), "", "no CANCEL before a provisional answer");
    world.answer("100 Trying", "1 INVITE");
    let cancel = world.sent();
    assert!(
        cancel.starts_with("CANCEL sip:5001@192.0.2.1 ") && cancel.contains("CSeq: 1 CANCEL"),
        "{cancel}"
    );
    world.answer("180 Ringing", "1 INVITE");
    assert_eq!(world.sent(), "", "once is enough");
    assert_eq!(world.answer("200 OK", "1 CANCEL"), None);
    let over = Some(Event::Refused { status: 487, retry_after: false });
    assert_eq!(world.answer("487 Request Terminated", "1 INVITE"), over);

    // The answer was faster than the CANCEL: the call is taken and hung up.
    let mut world = World::new("UDP");
    world.talk.leave(world.now, &world.common, &mut world.out);
    assert!(matches!(world.answer("200 OK", "1 INVITE"), Some(Event::Answered(_))));
    assert!(world.sent().starts_with("BYE "));
    assert_eq!(world.talk.state, State::Leaving);
}

#[test]
fn keys_go_one_after_another() {
    let mut world = World::new("UDP");
    assert!(!world.talk.info(world.now, &world.common, '5', 100, &mut world.out), "not answered yet");
    world.answer("200 OK", "1 INVITE");
    assert!(world.talk.info(world.now, &world.common, '5', 100, &mut world.out));
    let info = world.sent();
    assert!(
        info.contains("application/dtmf-relay") && info.ends_with("Signal=5\r\nDuration=100\r\n"),
        "{info}"
    );
    assert!(!world.talk.info(world.now, &world.common, '6', 100, &mut world.out));
    assert_eq!(world.answer("200 OK", "2 INFO"), None);
    assert!(world.talk.info(world.now, &world.common, '6', 100, &mut world.out));
    assert_eq!(world.answer("415 No", "3 INFO"), Some(Event::InfoRefused));
    assert!(world.talk.info(world.now, &world.common, '7', 100, &mut world.out));
    assert_eq!(world.pass(Duration::from_secs(40)).1, Some(Event::InfoRefused));
    assert_eq!(world.talk.state, State::Up, "a lost INFO does not end the call");
}

#[test]
fn requests_of_the_other_side_are_answered() {
    let mut world = World::new("UDP");
    world.answer("200 OK", "1 INVITE");
    let ask = |method: &str| {
        format!(
            "{method} sip:storm@192.0.2.9 SIP/2.0\nVia: SIP/2.0/UDP s;branch=2\nFrom: <sip:x>;tag=b\nTo: <sip:y>;tag=a\n\
             Call-ID: storm-00000001-4\nCSeq: 9 {method}\nContent-Length: 0\n\n"
        )
    };
    for (method, status) in [("OPTIONS", "200"), ("INFO", "200"), ("INVITE", "488"), ("PUBLISH", "501")] {
        assert_eq!(world.hears(&ask(method)), None);
        assert!(world.sent().starts_with(&format!("SIP/2.0 {status} ")), "{method}");
    }
    assert_eq!(world.hears(&ask("BYE")), Some(Event::HungUp));
    assert!(world.sent().starts_with("SIP/2.0 200 "));
    assert_eq!(world.hears(&ask("BYE")), None, "a copy");
    assert!(world.sent().starts_with("SIP/2.0 200 "));
    assert_eq!(world.hears(&ask("OPTIONS")), None);
    assert!(world.sent().starts_with("SIP/2.0 481 "));
}

/// Values of one header field of a message.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn who_is_asked_says_who_it_is_and_only_once() {
    let password = std::sync::Arc::new(passline_identity::Secret::new("zanzibar"));
    let credentials = passline_sip::Credentials { user: "bob".into(), password, realm: None };
    let common = Common { credentials: Some(credentials), ..World::new("UDP").common };
    let ask = |world: &mut World, nonce: &str, cseq: &str| {
        world.hears(&format!(
            "SIP/2.0 401 Who?\nVia: SIP/2.0/UDP 192.0.2.9:5070\nTo: <sip:5001@192.0.2.1>;tag=c\nFrom: <sip:storm@x>;tag=a\n\
             Call-ID: storm-00000001-4\nCSeq: {cseq}\nWWW-Authenticate: Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\"\n\
             Content-Length: 0\n\n"
        ))
    };
    let mut world = World::of(common.clone());
    assert_eq!(field(&world.sent(), "Authorization"), None);
    assert_eq!(ask(&mut world, "n1", "1 INVITE"), None);
    let again = world.sent();
    let proof = field(&again, "Authorization").unwrap();
    assert!(proof.contains("username=\"bob\"") && proof.contains("uri=\"sip:5001@192.0.2.1\""), "{proof}");
    assert!(again.starts_with("INVITE ") && again.contains("CSeq: 2 INVITE") && again.ends_with("v=0\r\n"));
    assert_eq!(field(&again, "To"), Some("<sip:5001@192.0.2.1>"), "no tag of the refusal");
    assert!(matches!(world.answer("200 OK", "2 INVITE"), Some(Event::Answered(_))));
    assert_eq!(field(&world.sent(), "Authorization"), Some(proof), "the ACK repeats it");
    // The hang-up has credentials, and new ones if the nonce has grown old.
    world.talk.leave(world.now, &world.common, &mut world.out);
    assert!(field(&world.sent(), "Authorization").is_some_and(|proof| proof.contains("nc=00000002")));
    assert_eq!(ask(&mut world, "n2", "3 BYE"), None);
    let bye = world.sent();
    assert!(bye.starts_with("BYE ") && field(&bye, "Authorization").unwrap().contains("nonce=\"n2\""));
    assert_eq!(world.answer("200 OK", "4 BYE"), Some(Event::Left(true)));
    // Asked again after the answer: the password is wrong.
    let mut world = World::of(common);
    assert_eq!(ask(&mut world, "n1", "1 INVITE"), None);
    let refused = Event::Refused { status: 401, retry_after: false };
    assert_eq!(ask(&mut world, "n2", "2 INVITE"), Some(refused));
    assert!(world.sent().starts_with("ACK ") && world.talk.state == State::Over);
    // Without credentials a challenge is a refusal.
    let mut world = World::new("UDP");
    assert!(matches!(ask(&mut world, "n1", "1 INVITE"), Some(Event::Refused { status: 401, .. })));
}
