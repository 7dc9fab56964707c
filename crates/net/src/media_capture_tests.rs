use super::*;
use passline_engine::rtp::Codec;

fn terms(shown: bool) -> Terms {
    let types = PayloadTypes {
        codec: Codec::Pcma,
        payload_type: 8,
        events: [Some(101); 2],
        ..PayloadTypes::default()
    };
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Terms { rtp: at(4000), rtcp: at(4001), types, rtcp_mux: true, encrypted: false, shown }
}

fn rtp(payload_type: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80, payload_type, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7], payload].concat()
}

fn remote() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 9000))
}

fn through(
    terms: &Terms,
    channel: Channel,
    received: bool,
    packet: &[u8],
) -> (Option<CapturedMedia>, u64, u64) {
    let (tap, mut feed) = media_capture();
    let stream = StreamId { shard: 0, slot: 3, generation: 9 };
    tap.copy(SystemTime::UNIX_EPOCH, stream, terms, received, channel, remote(), packet);
    (feed.poll(), feed.missed(), feed.left_out())
}

#[test]
fn what_nobody_called_public_is_masked_in_both_directions() {
    let (speech, key) = (rtp(8, &[1, 2, 3]), rtp(101, &[7, 10, 0, 160]));
    for received in [true, false] {
        let (audio, ..) = through(&terms(false), Channel::Rtp, received, &speech);
        let audio = audio.expect("captured");
        assert_eq!(audio.bytes, rtp(8, &[0xD5; 3]));
        let ends = if received { (remote(), terms(false).rtp) } else { (terms(false).rtp, remote()) };
        assert_eq!((audio.from, audio.to), ends);
        let (event, ..) = through(&terms(false), Channel::Rtp, received, &key);
        assert!(event.expect("captured").bytes[12] >= 12, "no key of a telephone");
        let (shown, ..) = through(&terms(true), Channel::Rtp, received, &key);
        assert_eq!(shown.expect("captured").bytes, key);
    }
}

#[test]
fn reports_pass_and_what_is_neither_is_left_out() {
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    for channel in [Channel::Rtp, Channel::Rtcp] {
        let (shown, ..) = through(&terms(false), channel, true, &report);
        assert_eq!(shown.expect("captured").bytes, report);
    }
    let unmixed = Terms { rtcp_mux: false, ..terms(false) };
    for (terms, channel, packet) in [
        (unmixed, Channel::Rtp, &report[..]),
        (unmixed, Channel::Rtcp, &rtp(101, &[7, 10, 0, 160])),
        (unmixed, Channel::Rtp, b"4711"),
    ] {
        assert_eq!(through(&terms, channel, true, packet), (None, 0, 1));
    }
}

#[test]
fn a_slow_writer_costs_packets_that_are_counted_and_never_time() {
    let (tap, mut feed) = media_capture();
    let stream = StreamId { shard: 0, slot: 3, generation: 9 };
    for _ in 0..RING + 5 {
        tap.copy(SystemTime::UNIX_EPOCH, stream, &terms(true), true, Channel::Rtp, remote(), &rtp(8, &[1]));
    }
    assert_eq!(feed.missed(), 5);
    assert_eq!(std::iter::from_fn(|| feed.poll()).count(), RING);
    let long = vec![0x80; ROOM + 1];
    assert_eq!(through(&terms(true), Channel::Rtp, true, &long), (None, 1, 0));
}

#[test]
fn a_new_call_in_the_same_slot_begins_its_own_count() {
    let (tap, mut feed) = media_capture();
    let key = |at: u32, code| {
        let mut packet = rtp(101, &[code, 0x8A, 0, 160]);
        packet[3] = 20 * at as u8;
        packet[4..8].copy_from_slice(&(at * 8000).to_be_bytes());
        packet
    };
    for (generation, at) in [(1, 1), (1, 2), (2, 3)] {
        let stream = StreamId { shard: 0, slot: 3, generation };
        tap.copy(SystemTime::UNIX_EPOCH, stream, &terms(false), true, Channel::Rtp, remote(), &key(at, 5));
    }
    let codes: Vec<_> = std::iter::from_fn(|| feed.poll()).map(|packet| packet.bytes[12]).collect();
    assert_eq!(codes, [12, 13, 12]);
}
