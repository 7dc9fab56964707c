//! What is kept of a call: times as UTC, numbers masked, nothing in it that moves a terminal.
use passline_connectors::{CallRecord, DigitEvidence, KeyPress, mask_number};
use std::time::SystemTime;

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

/// The record as it is stored and shown.
pub fn keep(record: &passline_engine::CallRecord, start: SystemTime, end: SystemTime) -> CallRecord {
    let statistics = record.statistics.unwrap_or_default();
    let direction = match record.direction {
        passline_engine::Direction::Incoming => "incoming",
        passline_engine::Direction::Outgoing => "outgoing",
    };
    let answered = record.answered.map(|at| start + at.saturating_duration_since(record.start));
    CallRecord {
        start: utc(start),
        end: utc(end),
        from: mask_number(&printable(&record.from)),
        to: printable(&record.to),
        codec: record.codec.map(str::to_owned),
        dtmf: record.dtmf.map(|method| method.as_str().to_owned()),
        digits: record.digits.clone(),
        digit_count: record.digit_count,
        evidence: evidence(&record.ledger),
        presses: record.ledger.presses.iter().map(press).collect(),
        sent: statistics.sent,
        received: statistics.received,
        lost: statistics.lost,
        duplicated: statistics.duplicated,
        reordered: statistics.reordered,
        jitter_ms: f64::from(statistics.jitter_ms),
        outcome: record.outcome.clone(),
        steps: record.steps.clone(),
        direction: direction.into(),
        answered: answered.map(utc),
        sip_call_id: printable(&record.sip_call_id),
        peer: record.peer.to_string(),
        user_agent: record.user_agent.as_deref().map(printable),
        foreign: record.foreign_packets,
        ..CallRecord::new(&record.call)
    }
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
    fn text_from_outside_moves_no_terminal() {
        assert_eq!(
            printable("a\x1b[2Jb\u{9b}\u{202e}c\r\n"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}\u{fffd}"
        );
        assert_eq!(printable(&"x".repeat(1000)).len(), LONGEST);
        assert_eq!(printable("Ärger <b>=1+1</b>"), "Ärger <b>=1+1</b>");
    }
}
