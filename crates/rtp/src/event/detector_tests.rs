use super::*;

/// One packet of a case: arrival ms, sequence, timestamp, marker, code, end, duration.
type Row = (u64, u16, u32, bool, u8, bool, u16);

fn feed(detector: &mut EventDetector, ssrc: u32, rows: &[Row]) -> Vec<u8> {
    let mut presses = Vec::new();
    for &(ms, sequence, timestamp, marker, code, end, duration) in rows {
        let payload = EventPayload { code, end, volume: 10, duration }.write();
        let mut report = |r: EventReport| {
            if r.is_new {
                presses.push(r.code);
            }
        };
        detector.packet(ms * 8, (ssrc, sequence), timestamp, marker, &payload, &mut report);
    }
    presses
}

fn presses(rows: &[Row]) -> Vec<u8> {
    feed(&mut EventDetector::new(), 7, rows)
}

/// A press of `updates` packets and three ends, from packet `sequence` at timestamp `ts`, arriving from `ms`.
fn press(ms: u64, sequence: u16, ts: u32, code: u8, updates: u16) -> Vec<Row> {
    let n = u64::from(updates);
    let mut rows: Vec<Row> = (0..n)
        .map(|i| {
            (ms + 20 * i, sequence.wrapping_add(i as u16), ts, i == 0, code, false, 160 * (i as u16 + 1))
        })
        .collect();
    for copy in 0..3u64 {
        let last = 160 * (updates + 1);
        rows.push((
            ms + 20 * (n + copy),
            sequence.wrapping_add((n + copy) as u16),
            ts,
            false,
            code,
            true,
            last,
        ));
    }
    rows
}

#[test]
fn the_cases_of_the_field() {
    let (m, u, e) = (true, false, true);
    let clean = press(0, 100, 5000, 3, 4);
    let mut restamped = clean.clone();
    restamped[5].2 += 160;
    restamped[6].2 += 320;
    let mut restamped_far = clean.clone();
    restamped_far[5].2 += 960;
    restamped_far[6].2 += 1120;
    let shared = [press(0, 100, 5000, 3, 4), press(300, 115, 5000, 4, 4)].concat();
    let again = [press(0, 100, 5000, 3, 4), press(300, 115, 5000, 3, 4)].concat();
    let alternating =
        [press(0, 100, 5000, 3, 4), press(300, 115, 5000, 4, 4), press(600, 130, 5000, 3, 4)].concat();
    let mut unmarked = clean.clone();
    unmarked[0].3 = false;
    let lost_ends = clean[..4].to_vec();
    let only_ends = clean[4..].to_vec();
    let mut only_restamped_ends = restamped.clone();
    only_restamped_ends.drain(..5);
    let flash = press(0, 100, 5000, 16, 4);
    let quick =
        [press(0, 100, 5000, 9, 3), press(120, 106, 5960, 9, 3), press(240, 112, 6920, 9, 3)].concat();
    let mut own_timestamps: Vec<Row> = press(0, 100, 5000, 6, 6);
    for (i, row) in own_timestamps.iter_mut().enumerate() {
        row.2 += 160 * i as u32;
    }
    let mut own_timestamps_twice = own_timestamps.clone();
    own_timestamps_twice.extend(press(300, 115, 7400, 6, 6).iter().enumerate().map(|(i, r)| {
        let mut row = *r;
        row.2 += 160 * i as u32;
        row
    }));
    let mut own_timestamps_lossy = own_timestamps.clone();
    own_timestamps_lossy.drain(1..3);
    let still_durations: Vec<Row> =
        (0..6).map(|i| (20 * i, 100 + i as u16, 5000 + 160 * i as u32, i == 0, 6, i == 5, 160)).collect();
    let zero_starts: Vec<Row> = [(0, 99, 5000, m, 3, u, 0), (1, 100, 5000, u, 3, u, 0)]
        .into_iter()
        .chain(press(20, 101, 5000, 3, 4))
        .collect();
    let long = [(0, 1, 1000, m, 1, u, 160), (20, 2, 1000, u, 1, u, 320), (900, 46, 1000, u, 1, u, 1696)];
    let segments = [
        (0, 1, 1000, m, 1, u, 160),
        (8180, 410, 1000, u, 1, u, 65_440),
        (8191, 411, 1000, u, 1, u, 0xFFFF),
        (8200, 412, 1000 + 0xFFFF, u, 1, u, 0),
        (8205, 413, 1000, u, 1, u, 0xFFFF),
        (8220, 414, 1000 + 0xFFFF, u, 1, u, 160),
        (8225, 415, 1000, u, 1, u, 0xFFFF),
        (8240, 416, 1000 + 0xFFFF, u, 1, e, 320),
    ];
    let wrap = press(0, 0xFFFD, 0xFFFF_FF00, 8, 4);
    let mut reversed = clean.clone();
    reversed.reverse();
    let twice: Vec<Row> = clean.iter().flat_map(|r| [*r, *r]).collect();
    let replayed =
        [clean.clone(), clean.iter().map(|r| (r.0 + 1000, r.1, r.2, r.3, r.4, r.5, r.6)).collect()].concat();
    let mut held = press(0, 100, 5000, 2, 12);
    for row in &mut held[5..] {
        row.0 += 400;
    }
    let ends_lost_then_next = [clean[..4].to_vec(), press(200, 110, 6600, 3, 4)].concat();

    let cases: &[(&str, Vec<Row>, &[u8])] = &[
        ("one timestamp, three ends", clean, &[3]),
        ("end copies with timestamps of their own", restamped, &[3]),
        ("end copies stamped after the end", restamped_far, &[3]),
        ("different digits on one timestamp", shared, &[3, 4]),
        ("one digit twice on one timestamp", again, &[3, 3]),
        ("three digits on one timestamp", alternating, &[3, 4, 3]),
        ("no marker", unmarked, &[3]),
        ("updates far apart", long.to_vec(), &[1]),
        ("segments, one starting with duration 0", segments.to_vec(), &[1]),
        ("all ends lost", lost_ends, &[3]),
        ("only ends", only_ends, &[3]),
        ("only ends, each with its own timestamp", only_restamped_ends, &[3]),
        ("codes above 15", flash, &[]),
        ("three quick presses of one key", quick, &[9, 9, 9]),
        ("a timestamp per packet", own_timestamps, &[6]),
        ("a timestamp per packet, two presses", own_timestamps_twice, &[6, 6]),
        ("a timestamp per packet, with loss", own_timestamps_lossy, &[6]),
        ("a timestamp per packet, durations of one packet", still_durations, &[6]),
        ("starts of duration 0", zero_starts, &[3]),
        ("wraps of sequence and timestamp", wrap, &[8]),
        ("reversed", reversed, &[3]),
        ("each packet twice", twice, &[3]),
        ("all again a second later", replayed, &[3]),
        ("held back 400 ms", held, &[2]),
        ("ends lost, then the same key", ends_lost_then_next, &[3, 3]),
    ];
    for (name, rows, expected) in cases {
        assert_eq!(&presses(rows), expected, "{name}");
    }
}

#[test]
fn a_change_of_source_in_mid_event_is_one_press() {
    let mut detector = EventDetector::new();
    let rows = press(0, 100, 5000, 3, 10);
    let mut found = feed(&mut detector, 7, &rows[..5]);
    let moved: Vec<Row> = rows[5..]
        .iter()
        .map(|r| (r.0, r.1 + 30_000, r.2.wrapping_add(0x9000_0000), r.3, r.4, r.5, r.6))
        .collect();
    found.extend(feed(&mut detector, 8, &moved));
    assert_eq!(found, [3]);
    // A late copy of the former source, then a new press of the new one.
    assert_eq!(feed(&mut detector, 7, &rows[2..3]), []);
    assert_eq!(feed(&mut detector, 8, &press(600, 40_000, 0xA000_0000, 3, 4)), [3]);
}

#[test]
fn ends_are_reported_by_end_bit_new_event_and_time_out() {
    let mut ends = Vec::new();
    let mut detector = EventDetector::new();
    let mut run = |detector: &mut EventDetector, rows: &[Row]| {
        for &(ms, sequence, timestamp, marker, code, end, duration) in rows {
            let payload = EventPayload { code, end, volume: 10, duration }.write();
            detector.packet(ms * 8, (1, sequence), timestamp, marker, &payload, &mut |r| {
                if r.is_over {
                    ends.push((r.code, r.duration, r.packets, r.duplicates));
                }
            });
        }
        std::mem::take(&mut ends)
    };
    let clean = press(0, 0, 0, 5, 4);
    assert_eq!(run(&mut detector, &clean)[0], (5, 800, 5, 0));
    assert_eq!(run(&mut detector, &clean[..1])[0], (5, 800, 8, 1));
    assert!(run(&mut detector, &press(200, 20, 1600, 6, 4)[..3]).is_empty());
    assert_eq!(run(&mut detector, &press(400, 40, 3200, 7, 4)[..2]), [(6, 480, 3, 0)]);
    let mut timed_out = Vec::new();
    detector.advance(8 * 900, &mut |r| timed_out.push((r.code, r.is_over)));
    assert_eq!(timed_out, [(7, true)]);
}

#[test]
fn audio_between_the_events_is_not_lost_and_what_is_lost_is_counted() {
    let mut detector = EventDetector::new();
    let mut lost = 0;
    // Every second packet is audio, as baresip sends; one event and one packet of audio never come.
    for step in 0..12u16 {
        let sequence = u16::MAX - 4;
        let sequence = sequence.wrapping_add(step);
        match step {
            4 | 7 => {}
            _ if step % 2 == 1 => detector.other_packet(1, sequence),
            _ => {
                let duration = 160 * (step + 1);
                let payload = EventPayload { code: 5, end: step >= 10, volume: 10, duration }.write();
                let at = u64::from(step) * 80;
                detector.packet(at, (1, sequence), 9000, step == 0, &payload, &mut |r| lost = r.lost);
            }
        }
    }
    assert_eq!(lost, 2);
}
