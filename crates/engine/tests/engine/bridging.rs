//! Calls put through between registered telephones.
use crate::phone::{Manners, Town};
use passline_engine::rtp::Method;
use passline_engine::sip::{Command, Event};
use passline_engine::{Diagnosis, IdentitySource};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn two() -> (Town, usize, usize) {
    let mut town = Town::with(|_| {});
    let a = town.register("11", "198.51.100.11:5060");
    let b = town.register("12", "198.51.100.12:5060");
    (town, a, b)
}

#[test]
fn registered_phones_call_one_another_and_hear_one_another() {
    let (mut town, a, b) = two();
    (town.phones[a].says, town.phones[b].says) = ((0, 0x11), (0, 0x22));
    let call = town.call(a, "12");
    town.run(Duration::from_millis(300));
    assert!(town.phones[a].says_it_was(|e| matches!(e, Event::Ringing { status: 180, .. })));
    let info = town.phones[b].incoming[0].1.clone();
    assert_eq!((info.from_user.as_str(), info.from_display.as_str()), ("11", "Phone 11"));
    town.run(4 * SECOND);
    for (phone, other) in [(a, 0x22), (b, 0x11)] {
        let heard = town.phones[phone].heard_octet(other);
        assert!(heard > 140, "{phone}: {heard} of {}", town.phones[phone].heard.len());
        assert_eq!(town.phones[phone].heard_octet(if other == 0x22 { 0x11 } else { 0x22 }), 0, "an echo");
    }
    town.hang_up(a, call);
    town.run(SECOND);
    assert!(town.phones[b].says_it_was(|e| matches!(e, Event::Bye { .. })));
    town.expect_quiet();
    let records = std::mem::take(&mut town.world.records);
    assert_eq!(records.len(), 2, "{records:?}");
    let (one, other) = (&records[0], &records[1]);
    assert_eq!(one.bridged.as_ref(), Some(&other.call));
    assert_eq!(other.bridged.as_ref(), Some(&one.call));
    let incoming = records.iter().find(|r| r.direction == passline_engine::Direction::Incoming).expect("one");
    assert_eq!(incoming.account.as_deref(), Some("11"));
    assert_eq!(incoming.identity.source, IdentitySource::Account);
    for record in &records {
        assert_eq!(record.diagnosis, None, "{record:?}");
        assert!(record.answered.is_some() && record.statistics.is_some());
        let lines: Vec<&str> = record.ladder.iter().map(|line| line.first_line.as_str()).collect();
        assert!(
            lines[0].starts_with("INVITE ") && lines.iter().any(|line| line.starts_with("BYE ")),
            "{lines:?}"
        );
    }
}

#[test]
fn each_press_arrives_once_by_each_sides_own_method() {
    // RFC 4733 to RFC 4733, to tones, and tones to RFC 4733.
    let (mut town, a, b) = two();
    let call = town.call(a, "12");
    town.run(2 * SECOND);
    town.phones[a].press(&[1, 2, 2, 11]);
    town.run(3 * SECOND);
    assert_eq!(town.phones[b].presses(), [1, 2, 2, 11]);
    town.phones[b].press(&[7]);
    town.run(SECOND);
    assert_eq!(town.phones[a].presses(), [7]);
    town.hang_up(a, call);
    town.expect_quiet();

    let (mut town, a, b) = two();
    town.phones[b].formats = "0";
    let call = town.call(a, "12");
    town.run(2 * SECOND);
    town.phones[a].press(&[4, 5, 5]);
    town.run(3 * SECOND);
    assert_eq!(tones(&town, b), "455");
    for key in "981".chars() {
        let tone = town.phones[b].voice.tone(key);
        town.phones[b].packets.extend(tone);
        town.run(Duration::from_millis(400));
    }
    town.run(SECOND);
    assert_eq!(town.phones[a].presses(), [9, 8, 1]);
    // What went as an event does not go as a tone, too.
    assert_eq!(tones(&town, a), "");
    town.hang_up(a, call);
    town.expect_quiet();
    assert!(town.world.records.iter().any(|record| record.dtmf == Some(Method::Inband)));
}

/// The tones that a phone heard.
fn tones(town: &Town, phone: usize) -> String {
    let mut pcm = Vec::new();
    for (payload_type, packet) in &town.phones[phone].heard {
        let mut frame = [0i16; 160];
        if *payload_type == 0 {
            passline_engine::rtp::Codec::Pcmu.decode(&packet[12..], &mut frame);
            pcm.extend(frame);
        }
    }
    passline_engine::rtp::detect_tones(&pcm).iter().map(|tone| tone.digit.to_char()).collect()
}

#[test]
fn all_contacts_ring_and_the_first_that_answers_has_the_call() {
    let (mut town, a, b) = two();
    let c = town.register("12", "198.51.100.13:5060");
    town.phones[b].manners = Manners::Ring;
    let call = town.call(a, "12");
    town.run(2 * SECOND);
    assert_eq!((town.phones[b].incoming.len(), town.phones[c].incoming.len()), (1, 1));
    assert!(town.phones[b].says_it_was(|e| matches!(e, Event::Cancelled { .. })));
    assert!(town.phones[a].says_it_was(|e| matches!(e, Event::Answered { .. })));
    let rings = town.phones[a].events.iter().filter(|e| matches!(e, Event::Ringing { .. })).count();
    assert_eq!(rings, 1, "one 180, however many phones ring");
    town.hang_up(a, call);
    town.run(SECOND);
    assert!(town.phones[c].says_it_was(|e| matches!(e, Event::Bye { .. })));
    town.expect_quiet();
}

#[test]
fn what_hinders_the_callee_is_told_to_the_caller() {
    let cases = [
        (Manners::Refuse(486), 486, "busy"),
        (Manners::Refuse(603), 603, "declined"),
        (Manners::Refuse(404), 404, "not_found"),
        (Manners::Refuse(488), 488, "peer_no_codec"),
        (Manners::Refuse(401), 403, "peer_forbids"),
        (Manners::Refuse(500), 503, "peer_failed"),
        (Manners::Ring, 480, "not_answered"),
        (Manners::Dead, 480, "no_reply"),
    ];
    for (manners, status, code) in cases {
        let (mut town, a, b) = two();
        town.phones[b].manners = manners;
        town.call(a, "12");
        town.run(70 * SECOND);
        assert_eq!(town.phones[a].was_refused(), Some(status), "{manners:?}");
        town.expect_quiet();
        let codes: Vec<_> =
            town.world.records.iter().map(|r| r.diagnosis.as_ref().map(Diagnosis::code)).collect();
        assert!(codes.contains(&Some(code)), "{manners:?}: {codes:?}");
    }
    let mut town = Town::with(|_| {});
    let a = town.register("11", "198.51.100.11:5060");
    town.call(a, "13");
    town.run(SECOND);
    assert_eq!(town.phones[a].was_refused(), Some(480));
    assert_eq!(town.world.records[0].diagnosis, Some(Diagnosis::NotRegistered { extension: "13".into() }));
    town.expect_quiet();
}

#[test]
fn a_caller_that_gives_up_stops_the_ringing() {
    let (mut town, a, b) = two();
    town.phones[b].manners = Manners::Ring;
    let call = town.call(a, "12");
    town.run(3 * SECOND);
    town.hang_up(a, call);
    town.run(SECOND);
    assert!(town.phones[b].says_it_was(|e| matches!(e, Event::Cancelled { .. })));
    town.expect_quiet();
    let incoming =
        town.world.records.iter().find(|r| r.direction == passline_engine::Direction::Incoming).expect("it");
    assert!(matches!(incoming.diagnosis, Some(Diagnosis::Cancelled { .. })), "{incoming:?}");
}

#[test]
fn hold_is_answered_here_and_the_call_goes_on_after_it() {
    let (mut town, a, b) = two();
    (town.phones[a].says, town.phones[b].says) = ((0, 0x11), (0, 0x22));
    let call = town.call(a, "12");
    town.run(2 * SECOND);
    let sdp = town.phones[a].sdp_of("0 101", "sendonly");
    town.command(a, Command::Reinvite { call, sdp });
    town.run(SECOND);
    assert!(town.phones[a].says_it_was(|e| matches!(e, Event::Reanswered { result: Ok(_), .. })));
    assert!(!town.phones[b].says_it_was(|e| matches!(e, Event::Reoffered { .. })));
    let before = town.phones[a].heard.len();
    town.run(2 * SECOND);
    assert_eq!(town.phones[a].heard.len(), before, "on hold it is sent nothing");
    // A minute of hold is no media time-out.
    town.run(60 * SECOND);
    let sdp = town.phones[a].sdp();
    town.command(a, Command::Reinvite { call, sdp });
    town.run(2 * SECOND);
    let (before_a, before_b) = (town.phones[a].heard_octet(0x22), town.phones[b].heard_octet(0x11));
    town.run(2 * SECOND);
    assert!(town.phones[a].heard_octet(0x22) > before_a + 90);
    assert!(town.phones[b].heard_octet(0x11) > before_b + 90);
    town.hang_up(b, town.phones[b].came());
    town.expect_quiet();
}

#[test]
fn each_side_has_its_own_codec() {
    let (mut town, a, b) = two();
    town.phones[b].formats = "8 101";
    (town.phones[a].says, town.phones[b].says) = ((0, 0x22), (8, 0x22));
    let call = town.call(a, "12");
    town.run(3 * SECOND);
    let to_b: Vec<u8> = town.phones[b].heard.iter().map(|(pt, _)| *pt).collect();
    assert!(to_b.len() > 90 && to_b.iter().all(|pt| *pt == 8), "A-law for B");
    assert!(town.phones[a].heard.iter().all(|(pt, _)| *pt == 0), "u-law for A");
    // The octet is another one in the other law.
    let octet = |of: u8, from: passline_engine::rtp::Codec, to: passline_engine::rtp::Codec| {
        let (mut pcm, mut out) = ([0i16; 1], [0u8; 1]);
        from.decode(&[of], &mut pcm);
        to.encode(&pcm, &mut out);
        out[0]
    };
    use passline_engine::rtp::Codec::{Pcma, Pcmu};
    assert!(town.phones[b].heard_octet(octet(0x22, Pcmu, Pcma)) > 90);
    assert!(town.phones[a].heard_octet(octet(0x22, Pcma, Pcmu)) > 90);
    town.hang_up(a, call);
    town.expect_quiet();
}

#[test]
fn a_lossy_net_costs_no_press_and_leaves_nothing_behind() {
    let (mut town, a, b) = two();
    town.loss = 10;
    let call = town.call(a, "12");
    town.run(8 * SECOND);
    let answered = town.phones[a].says_it_was(|e| matches!(e, Event::Answered { .. }));
    assert!(answered, "{:?} {:?}", town.phones[a].events, town.phones[b].events);
    town.phones[a].press(&[1, 9, 9, 3, 0]);
    town.run(4 * SECOND);
    assert_eq!(town.phones[b].presses(), [1, 9, 9, 3, 0]);
    town.hang_up(a, call);
    town.run(10 * SECOND);
    town.expect_quiet();
}
