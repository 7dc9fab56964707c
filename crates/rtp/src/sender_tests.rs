use super::*;
use crate::stream::tests::epoch;

fn sender(event_type: Option<u8>) -> Sender {
    Sender::new(&StreamConfig {
        event_payload_type: event_type,
        ssrc: 77,
        first_sequence: 65_535,
        first_timestamp: u32::MAX - 159,
        ..StreamConfig::default()
    })
}

/// Ticks of 20 ms: digits where there are any, audio else. (tick, marker, type, sequence, timestamp, payload)
type Sent = (u32, bool, u8, u16, u32, Vec<u8>);

fn run(sender: &mut Sender, ticks: std::ops::Range<u32>) -> Vec<Sent> {
    let mut sent = Vec::new();
    for tick in ticks {
        let now = epoch() + Duration::from_millis(20) * tick;
        let mut out = [0u8; 600];
        let mut keep = |out: &[u8]| {
            let p = Packet::parse(out).expect("a packet");
            assert_eq!(p.ssrc, 77);
            sent.push((tick, p.marker, p.payload_type, p.sequence, p.timestamp, p.payload.to_vec()));
        };
        if sender.is_sending_digit() {
            while let Some(length) = sender.digit(now, &mut out) {
                keep(&out[..length]);
            }
        } else {
            let length = sender.audio(now, Frame::Law(&[0xFF; 160]), &mut out);
            keep(&out[..length]);
        }
    }
    sent
}

#[test]
fn audio_is_continuous_and_marks_talkspurts() {
    let mut sender = sender(None);
    let mut sent = run(&mut sender, 0..3);
    sent.extend(run(&mut sender, 10..12));
    let head: Vec<_> = sent.iter().map(|s| (s.1, s.3, s.4)).collect();
    let want = [
        (true, 65_535, u32::MAX - 159),
        (false, 0, 0),
        (false, 1, 160),
        (true, 2, 160 * 9),
        (false, 3, 160 * 10),
    ];
    assert_eq!(head, want);
    assert_eq!((sender.packets, sender.octets), (5, 800));
}

#[test]
fn a_small_buffer_costs_no_sequence_number() {
    let mut sender = sender(None);
    assert_eq!(sender.audio(epoch(), Frame::Law(&[0; 160]), &mut [0; 100]), 0);
    assert_eq!(sender.sequence, 65_535);
}

#[test]
fn events_fit_into_the_stream() {
    let mut sender = sender(Some(96));
    run(&mut sender, 0..2);
    let five = Digit::from_char('5').expect("a digit");
    assert!(sender.press(five, 100, true) && sender.press(five, 100, true));
    let sent = run(&mut sender, 2..40);
    for pair in sent.windows(2) {
        assert_eq!(pair[1].3, pair[0].3.wrapping_add(1), "sequence");
    }
    let events: Vec<_> = sent.iter().filter(|s| s.2 == 96).collect();
    assert_eq!(events.iter().filter(|s| s.1).count(), 2, "one marker a press");
    assert_eq!(events[0].4, 160, "starts where the audio ended");
    let ends: Vec<_> = events.iter().filter(|s| s.5[1] & 0x80 != 0).collect();
    assert_eq!(ends.len(), 6, "each end three times");
    assert!(ends.iter().all(|s| s.5[2..] == [3, 32]), "800 samples");
    // Each tick has something, and the audio's clock never stops.
    for tick in 2..40 {
        assert!(sent.iter().any(|s| s.0 == tick), "tick {tick} is empty");
    }
    for audio in sent.iter().filter(|s| s.2 == 0) {
        assert_eq!(audio.4, (160 * audio.0).wrapping_sub(160), "tick {}", audio.0);
    }
}

#[test]
fn tones_are_audio_with_pauses() {
    let mut sender = sender(None);
    run(&mut sender, 0..2);
    let five = Digit::from_char('5').expect("a digit");
    assert!(sender.press(five, 100, true) && sender.press(five, 100, false));
    let sent = run(&mut sender, 2..20);
    let loud: Vec<u32> =
        sent.iter().filter(|s| s.5.iter().any(|&octet| octet & 0x7F < 0x40)).map(|s| s.0).collect();
    assert_eq!(loud, [2, 3, 4, 5, 6, 10, 11, 12, 13, 14]);
    assert!(sent.iter().all(|s| s.2 == 0 && !s.1 && s.5.len() == 160));
    assert_eq!(sent.len(), 18);
}
