//! What is kept of a call: times as UTC, numbers masked, nothing in it that moves a terminal.
use crate::{admin::view::MediaFigures, news::sentence};
use passline_connectors::{
    CallDiagnosis, CallMessage, CallQuality, CallRecord, DigitEvidence, KeyPress, RemoteQuality, mask_number,
};
use passline_engine::{Direction, LadderLine};
use passline_rtp::{EventName, Statistics};
use std::time::{Instant, SystemTime};

/// Longest text from outside that is kept, in characters.
const LONGEST: usize = 200;

/// RFC 3339 in UTC.
pub fn utc(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// Text from outside as it can be shown: no control characters, none that turn the direction of writing, not too long.
pub fn printable(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().take(LONGEST).map(|c| if c.is_control() || turns(c) { '\u{fffd}' } else { c }).collect()
}

/// A caller's number as it is kept.
pub fn shown(number: &str) -> String {
    mask_number(&printable(number))
}

/// A message as it is kept.
pub fn message(line: &LadderLine, start: Instant) -> CallMessage {
    let sent = line.direction == passline_engine::sip::Direction::Out;
    let first = printable(&line.first_line);
    CallMessage {
        ms: u64::try_from(line.at.saturating_duration_since(start).as_millis()).unwrap_or(u64::MAX),
        sent,
        line: if sent { mask_uri(&first) } else { first },
        cseq: printable(&line.cseq),
        peer: line.peer.to_string(),
    }
}

/// A request line of ours in the number of whoever called: it stands in the URI.
fn mask_uri(line: &str) -> String {
    match line.split_once("sip:").or_else(|| line.split_once("sips:")) {
        Some((before, after)) if !line.starts_with("SIP/2.0 ") => {
            let scheme = &line[before.len()..line.len() - after.len()];
            match after.split_once('@') {
                Some((user, rest)) => format!("{before}{scheme}{}@{rest}", mask_number(user)),
                None => line.to_owned(),
            }
        }
        _ => line.to_owned(),
    }
}

/// The record as it is stored and shown.
pub fn keep(record: &passline_engine::CallRecord, start: SystemTime, end: SystemTime) -> CallRecord {
    let statistics = record.statistics.unwrap_or_default();
    let MediaFigures { sent, received, lost, duplicated, reordered, jitter_ms, quality } =
        figures(&statistics);
    let direction = match record.direction {
        Direction::Incoming => "incoming",
        Direction::Outgoing => "outgoing",
    };
    let answered = record.answered.map(|at| start + at.saturating_duration_since(record.start));
    CallRecord {
        start: utc(start),
        end: utc(end),
        from: shown(&record.from),
        to: printable(&record.to),
        codec: record.codec.map(str::to_owned),
        encryption: record.encryption.map(str::to_owned),
        unauthentic: record.srtp.map_or(0, |srtp| srtp.unauthentic),
        replayed: record.srtp.map_or(0, |srtp| srtp.replayed),
        too_old: record.srtp.map_or(0, |srtp| srtp.old),
        keyless: record.srtp.map_or(0, |srtp| srtp.keyless),
        unprotected: record.srtp.map_or(0, |srtp| srtp.unsent),
        dtmf: record.dtmf.map(|method| method.as_str().to_owned()),
        digits: record.digits.clone(),
        digit_count: record.digit_count,
        evidence: evidence(&record.ledger),
        presses: record.ledger.presses.iter().map(press).collect(),
        sent,
        received,
        lost,
        duplicated,
        reordered,
        jitter_ms,
        quality,
        other_events: statistics.other_events,
        other_event: statistics.other_event.map(|code| EventName(code).to_string()),
        outcome: record.outcome.clone(),
        steps: record.steps.clone(),
        direction: direction.into(),
        answered: answered.map(utc),
        sip_call_id: printable(&record.sip_call_id),
        peer: record.peer.to_string(),
        user_agent: record.user_agent.as_deref().map(printable),
        trunk: record.trunk.clone(),
        account: record.account.clone(),
        identity: record.identity.source.is_trusted().then(|| shown(record.identity.shown())),
        diversions: record.diversions.iter().map(|number| shown(number)).collect(),
        via_hops: record.via_hops.into(),
        bridged: record.bridged.as_ref().map(|call| call.0.clone()),
        foreign: record.foreign_packets,
        times: record.count,
        diagnosis: record.diagnosis.as_ref().map(|diagnosis| CallDiagnosis {
            code: diagnosis.code().into(),
            sentence: sentence(&diagnosis.sentence()),
        }),
        ladder: record.ladder.iter().map(|line| message(line, record.start)).collect(),
        ..CallRecord::new(&record.call)
    }
}

/// How the audio of a call is so far, or was.
pub fn figures(statistics: &Statistics) -> MediaFigures {
    MediaFigures {
        sent: statistics.sent,
        received: statistics.received,
        lost: statistics.lost,
        duplicated: statistics.duplicated,
        reordered: statistics.reordered,
        jitter_ms: statistics.jitter_ms.into(),
        quality: quality(statistics),
    }
}

fn quality(statistics: &Statistics) -> CallQuality {
    let loss = statistics.loss;
    CallQuality {
        drift_ppm: statistics.drift_ppm.map(f64::from),
        loss_rate: loss.loss_rate.into(),
        discard_rate: loss.discard_rate.into(),
        burst_density: loss.burst_density.into(),
        burst_ms: loss.burst_ms.into(),
        gap_density: loss.gap_density.into(),
        gap_ms: loss.gap_ms.into(),
        r_factor: statistics.opinion.map(|opinion| opinion.r.into()),
        mos: statistics.opinion.map(|opinion| opinion.mos_cq.into()),
        mos_listening: statistics.opinion.map(|opinion| opinion.mos_lq.into()),
        jitter_max_ms: statistics.jitter_max_ms.into(),
        round_trip_ms: statistics.round_trip_ms.map(f64::from),
        dscp: statistics.dscp,
        remote: remote(statistics),
    }
}

fn remote(statistics: &Statistics) -> Option<RemoteQuality> {
    let Statistics { remote_opinion: opinion, remote_voip: told, .. } = *statistics;
    (opinion.is_some() || told.is_some()).then(|| RemoteQuality {
        lost: statistics.remote_lost,
        jitter_ms: statistics.remote_jitter_ms.into(),
        r_factor: opinion.map(|opinion| opinion.r.into()),
        mos: opinion.map(|opinion| opinion.mos_cq.into()),
        told_r_factor: told.and_then(|told| told.r_factor),
        told_mos: told.and_then(|told| told.mos_cq).map(f64::from),
        told_mos_listening: told.and_then(|told| told.mos_lq).map(f64::from),
    })
}

fn evidence(ledger: &passline_engine::DigitLedger) -> DigitEvidence {
    let passline_engine::DigitLedger { count, packets, lost, duplicates, merged, .. } = *ledger;
    DigitEvidence { presses: count, packets, lost, duplicates, merged }
}

fn press(press: &passline_engine::PressEvidence) -> KeyPress {
    let others = press.merged.iter().filter(|method| *method != press.method);
    KeyPress {
        ms: press.at_ms,
        key: press.key,
        duration_ms: press.duration_ms,
        methods: std::iter::once(press.method)
            .chain(others)
            .map(|method| method.as_str().to_owned())
            .collect(),
        packets: press.packets,
        lost: press.lost,
        duplicates: press.duplicates,
        bridged: press.bridged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_our_requests_are_masked() {
        assert_eq!(mask_uri("BYE sip:+4930123@192.0.2.20 SIP/2.0"), "BYE sip:+•••••23@192.0.2.20 SIP/2.0");
        assert_eq!(mask_uri("BYE sips:4930@h SIP/2.0"), "BYE sips:••30@h SIP/2.0");
        assert_eq!(mask_uri("OPTIONS sip:192.0.2.20 SIP/2.0"), "OPTIONS sip:192.0.2.20 SIP/2.0");
        assert_eq!(mask_uri("SIP/2.0 200 OK"), "SIP/2.0 200 OK");
    }

    #[test]
    fn text_from_outside_moves_no_terminal() {
        assert_eq!(
            printable("a\x1b[2Jb\u{9b}\u{202e}c\r\n"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}\u{fffd}"
        );
        assert_eq!(printable(&"x".repeat(1000)).len(), LONGEST);
        assert_eq!(printable("Ärger <b>=1+1</b>"), "Ärger <b>=1+1</b>");
    }
}
