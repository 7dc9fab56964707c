use super::*;
use crate::codec::Codec;

const TYPES: PayloadTypes = PayloadTypes {
    codec: Codec::Pcmu,
    payload_type: 0,
    events: [Some(101), Some(96)],
    event_clock: 8000,
    comfort: None,
    redundancy: Some(121),
};

fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let packet = Packet { marker: false, payload_type, sequence, timestamp, ssrc: 7, payload };
    let mut out = [0; 1500];
    let length = packet.write(&mut out);
    out[..length].to_vec()
}

/// The payload after masking; everything before it must be as it was.
fn masked(mask: &mut PacketMask, types: &PayloadTypes, datagram: &[u8]) -> Vec<u8> {
    let mut copy = datagram.to_vec();
    assert!(mask.rtp(MediaTime(0), types, &mut copy));
    assert_eq!(copy.len(), datagram.len());
    assert_eq!(copy[..HEADER_LENGTH], datagram[..HEADER_LENGTH]);
    copy[HEADER_LENGTH..].to_vec()
}

fn event(code: u8, end: bool, duration: u16) -> [u8; 4] {
    EventPayload { code, end, volume: 37, duration }.write()
}

fn shown(code: u8, end: bool, duration: u16) -> [u8; 4] {
    EventPayload { code, end, volume: VOLUME, duration }.write()
}

#[test]
fn audio_of_every_codec_becomes_its_silence() {
    let mut mask = PacketMask::default();
    let speech: Vec<u8> = (0..160).collect();
    for (codec, payload_type) in [(Codec::Pcmu, 0), (Codec::Pcma, 8)] {
        let types = PayloadTypes { codec, payload_type, ..TYPES };
        let silence = masked(&mut mask, &types, &packet(payload_type, 1, 160, &speech));
        assert_eq!(silence, vec![codec.silence(); 160]);
        // The other static type means the same everywhere.
        let other = masked(&mut mask, &types, &packet(8 - payload_type, 2, 320, &speech));
        assert!(other.iter().all(|octet| *octet == other[0]));
    }
    // A codec of a dynamic type, comfort noise, and a type that nobody named.
    let types = PayloadTypes { codec: Codec::Pcma, payload_type: 100, ..TYPES };
    assert_eq!(masked(&mut mask, &types, &packet(100, 3, 0, &speech)), vec![0xD5; 160]);
    assert_eq!(masked(&mut mask, &types, &packet(13, 4, 0, &[60, 1, 2])), [QUIET; 3]);
    assert_eq!(masked(&mut mask, &types, &packet(77, 5, 0, &speech)), vec![0; 160]);
}

#[test]
fn keys_become_their_turn_and_keep_the_rest() {
    let mut mask = PacketMask::default();
    let mut sequence = 0;
    let mut send = |code, timestamp, end, duration| {
        sequence += 1;
        masked(&mut mask, &TYPES, &packet(96, sequence, timestamp, &event(code, end, duration)))
    };
    // 5, 5 again, 9, 9 on the same timestamp after its end, then 0.
    for (turn, (code, timestamp)) in
        [(5, 0), (5, 8000), (9, 16_000), (9, 16_000), (0, 24_000)].into_iter().enumerate()
    {
        let shows = CODES[turn % 4];
        assert_eq!(send(code, timestamp, false, 160), shown(shows, false, 160), "press {turn}");
        assert_eq!(send(code, timestamp, true, 320), shown(shows, true, 320), "press {turn}");
        assert_eq!(send(code, timestamp, true, 320), shown(shows, true, 320), "press {turn}");
    }
    // Flash is no key; what is too short is blank; what follows the first event is, too.
    let flash = masked(&mut mask, &TYPES, &packet(101, 90, 32_000, &event(16, false, 160)));
    assert_eq!(flash, shown(16, false, 160));
    assert_eq!(masked(&mut mask, &TYPES, &packet(101, 91, 32_000, &[5, 10, 3])), [0; 3]);
    let long = masked(&mut mask, &TYPES, &packet(101, 92, 40_000, &[7, 37, 0, 160, 7, 37, 0, 160]));
    assert_eq!((long[0] >= 12, &long[4..]), (true, &[0; 4][..]));
}

#[test]
fn redundant_blocks_are_masked_each_as_what_it_is() {
    let mut mask = PacketMask::default();
    let header = |payload_type: u8, back: u16, length: u8| {
        [0x80 | payload_type, (back >> 6) as u8, (back << 2) as u8, length]
    };
    // RFC 2198: an event that is known, one whose own packets were lost, audio, and the primary event.
    let first = masked(&mut mask, &TYPES, &packet(101, 10, 8000, &event(3, true, 800)));
    let body = [
        &header(101, 2000, 4)[..],
        &header(101, 1000, 4),
        &header(0, 160, 3),
        &[101],
        &event(3, true, 800),
        &event(8, true, 400),
        &[1, 2, 3],
        &event(6, false, 160),
    ]
    .concat();
    let block = masked(&mut mask, &TYPES, &packet(121, 13, 10_000, &body));
    assert_eq!(block[..13], body[..13], "headers stay");
    assert_eq!(block[13..17], shown(first[0], true, 800), "the same press, the same turn");
    assert_eq!(block[17..21], shown(CODES[1], true, 400));
    assert_eq!(block[21..24], [0xFF; 3]);
    assert_eq!(block[24..], shown(CODES[2], false, 160));
    // Lengths that do not fit stay unreadable, and tell nothing.
    let broken = masked(&mut mask, &TYPES, &packet(121, 14, 10_160, &[0x80 | 101, 0, 0, 200, 101, 5, 5]));
    assert!(blocks(&broken).is_none());
    assert_eq!(broken, [0xFF; 7]);
}

#[test]
fn extensions_padding_and_what_is_no_rtp_tell_nothing() {
    let mut mask = PacketMask::default();
    let mut full = packet(0, 1, 0, &[]);
    full[0] |= 0x31; // padding, extension, one CSRC
    full.extend([1, 2, 3, 4]);
    full.extend([0xBE, 0xDE, 0, 1, 0x10, 0x55, 9, 9]);
    full.extend([5, 6, 7, 8, 9]); // audio
    full.extend([4, 4, 4, 4]); // padding of four octets
    assert!(mask.rtp(MediaTime(0), &TYPES, &mut full));
    assert_eq!(
        full[HEADER_LENGTH..],
        [1, 2, 3, 4, 0xBE, 0xDE, 0, 1, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 4]
    );
    let mut text = b"no RTP but a PIN: 4711".to_vec();
    assert!(!mask.rtp(MediaTime(0), &TYPES, &mut text));
    assert_eq!(text, [0; 22]);
}

#[test]
fn any_octets_are_survived() {
    let mut mask = PacketMask::default();
    let mut state = 1u32;
    for round in 0..20_000u32 {
        let mut octets: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(round as usize % 60)
        .collect();
        if let [first, kind, ..] = octets.as_mut_slice() {
            *first = *first & 0x3F | 0x80;
            *kind = [0, 8, 13, 96, 101, 121, 121, 77][round as usize % 8];
        }
        let before = octets.len();
        mask.rtp(MediaTime(u64::from(round) * 160), &TYPES, &mut octets);
        assert_eq!(octets.len(), before);
        is_plain_rtcp(&octets);
    }
}

#[test]
fn only_whole_rtcp_of_known_kinds_is_shown() {
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    let bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
    assert!(is_plain_rtcp(&report) && is_plain_rtcp(&[report, bye].concat()));
    let app = [0x80, 204, 0, 2, 0, 0, 0, 7, b'P', b'I', b'N', b'1'];
    assert!(!is_plain_rtcp(&app) && !is_plain_rtcp(&[&report[..], &app].concat()));
    assert!(!is_plain_rtcp(&[]) && !is_plain_rtcp(&report[..6]));
    assert!(!is_plain_rtcp(&[&report[..], &[5, 0x0A, 0, 160]].concat()), "an event behind a report");
}
