//! What protection costs: packets of 172 octets (20 ms of G.711), each way, by suite.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use passline_rtp::srtp::{MasterKey, Protector, Suite, Unprotector};

/// Packets in one run.
const PACKETS: usize = 1000;
/// Octets of a packet of 20 ms of G.711.
const LENGTH: usize = 172;
/// The longest packet, protected.
const ROOM: usize = LENGTH + passline_rtp::srtp::OVERHEAD;

fn main() {
    divan::main();
}

fn key(suite: Suite) -> MasterKey {
    let octets: Vec<u8> = (0..suite.master_length() as u8).collect();
    MasterKey::new(suite, &octets).expect("a whole key")
}

fn plain() -> Vec<[u8; ROOM]> {
    let packet = |number: usize| {
        let mut packet = [0x55; ROOM];
        packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        packet
    };
    (0..PACKETS).map(packet).collect()
}

#[divan::bench(args = Suite::ALL)]
fn protect(bencher: Bencher, suite: Suite) {
    bencher
        .counter(ItemsCount::new(PACKETS))
        .with_inputs(|| (Protector::new(&key(suite)), plain()))
        .bench_local_values(|(mut protector, mut packets)| {
            for packet in &mut packets {
                protector.rtp(black_box(packet), LENGTH).expect("room");
            }
            (protector, packets)
        });
}

#[divan::bench(args = Suite::ALL)]
fn unprotect(bencher: Bencher, suite: Suite) {
    let (mut wires, mut length, mut protector) = (plain(), 0, Protector::new(&key(suite)));
    for packet in &mut wires {
        length = protector.rtp(packet, LENGTH).expect("room");
    }
    bencher
        .counter(ItemsCount::new(PACKETS))
        .with_inputs(|| (Unprotector::new(&key(suite), None), wires.clone()))
        .bench_local_values(|(mut unprotector, mut packets)| {
            for packet in &mut packets {
                unprotector.rtp(black_box(&mut packet[..length])).expect("authentic");
            }
            (unprotector, packets)
        });
}

/// Two keys for two sorts of packets, each way: what a call's set-up pays.
#[divan::bench(args = Suite::ALL)]
fn derive(bencher: Bencher, suite: Suite) {
    bencher.bench_local(|| (Protector::new(&key(suite)), Unprotector::new(&key(suite), None)));
}
