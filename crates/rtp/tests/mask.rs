//! A masked capture replays to the same presses with the same evidence, whatever sender and network do.
//! `PASSLINE_SEEDS=10000` runs longer.

mod digits;

use digits::Random;
use digits::events::{FAULTS, Fault, Packet, deliver, send};
use passline_rtp::{
    Codec, DigitConfig, DigitOutput, DigitPath, EventPayload, MediaTime, PacketMask, PayloadTypes,
};

const TYPES: PayloadTypes = PayloadTypes {
    codec: Codec::Pcmu,
    payload_type: 0,
    events: [Some(101), None],
    event_clock: 8000,
    comfort: None,
    redundancy: None,
};

fn seeds() -> u64 {
    std::env::var("PASSLINE_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(300)
}

/// Start, length, packets, duplicates and missing packets of each press.
type Evidence = Vec<(u64, u32, u16, u16, u16)>;

fn evidence(packets: &[Packet]) -> Evidence {
    let mut path = DigitPath::new(DigitConfig::default());
    let mut told = Vec::new();
    let mut drain = |path: &mut DigitPath| {
        while let Some(output) = path.poll() {
            if let DigitOutput::End(end) = output {
                told.push((end.start.0, end.duration, end.packets, end.duplicates, end.lost));
            }
        }
    };
    let mut last = 0;
    for p in packets {
        last = p.at;
        path.event(MediaTime(p.at), p.ssrc, p.sequence, p.timestamp, p.marker, &p.event.write());
        drain(&mut path);
    }
    for tick in 1..400 {
        path.advance(MediaTime(last + 160 * tick));
        drain(&mut path);
    }
    told.sort_unstable();
    told
}

/// Through the octets of an RTP packet, as a capture has them.
fn masked(packets: &[Packet]) -> Vec<Packet> {
    let mut mask = PacketMask::default();
    let one = |p: &Packet| {
        let (marker, sequence, timestamp, ssrc) = (p.marker, p.sequence, p.timestamp, p.ssrc);
        let payload = &p.event.write()[..];
        let packet = passline_rtp::Packet { marker, payload_type: 101, sequence, timestamp, ssrc, payload };
        let mut out = [0; 64];
        let length = packet.write(&mut out);
        assert!(mask.rtp(MediaTime(p.at), &TYPES, &mut out[..length]));
        let packet = passline_rtp::Packet::parse(&out[..length]).expect("still RTP");
        Packet { event: EventPayload::read(packet.payload).expect("still an event"), ..*p }
    };
    packets.iter().map(one).collect()
}

#[test]
fn every_fault_of_senders_gives_the_same_evidence_masked() {
    for fault in FAULTS {
        let mut wrong = Vec::new();
        for seed in 0..seeds() {
            let mut random = Random::new(seed * 17 + 3);
            let (_, sent) = send(&mut random, fault, 12);
            let loss = [0.0, 0.05, 0.1, 0.3][seed as usize % 4];
            let jitter = if fault == Fault::HeldBack { 400 } else { [0, 30, 60, 200][seed as usize % 4] };
            let repeat = if fault == Fault::Doubled { 1.0 } else { random.real(0.0, 1.0) };
            let arrived = deliver(&mut random, &sent, loss, jitter, repeat, seed % 2 == 0);
            let shown = masked(&arrived);
            assert!(shown.iter().all(|p| (12..16).contains(&p.event.code)));
            if evidence(&arrived) != evidence(&shown) {
                wrong.push(seed);
            }
        }
        println!("{fault:?}: {} of {} differ {:?}", wrong.len(), seeds(), &wrong[..wrong.len().min(5)]);
        // Where a tenth of the packets or more is lost and the sender is at fault as well, codes tell some presses apart
        // that nothing else does.
        assert!(wrong.len() as u64 * 100 <= seeds(), "{fault:?}: {} of {} differ", wrong.len(), seeds());
    }
}

#[test]
fn the_codes_tell_only_how_many_presses_there_were() {
    for seed in 0..seeds() {
        let (_, sent) = send(&mut Random::new(seed), Fault::None, 12);
        let changed: Vec<Packet> = sent
            .iter()
            .map(|p| Packet {
                event: EventPayload { code: p.event.code.wrapping_add(seed as u8) % 16, ..p.event },
                ..*p
            })
            .collect();
        let codes = |packets: &[Packet]| masked(packets).iter().map(|p| p.event.code).collect::<Vec<_>>();
        assert_eq!(codes(&sent), codes(&changed));
    }
}
