//! Encrypted packets: what a peer sends, late, twice, changed, under new keys, and garbage between. Each packet is opened once
//! and as it was, and nothing else is opened. Each step is four octets: what to do, and three numbers for it.
#![no_main]
use passline_rtp::srtp::{MasterKey, MediaKeys, Mki, SecureMedia, SrtpError, Suite};

/// Keys of our side in the first place, of the peer in the second.
fn keys(suite: Suite, local: u8, remote: u8, mki: Option<Mki>) -> MediaKeys {
    let key = |seed: u8| {
        let octets: Vec<u8> = (0..suite.master_length()).map(|at| seed ^ at as u8).collect();
        MasterKey::new(suite, &octets).expect("a whole key")
    };
    MediaKeys { local: key(local), remote: vec![(key(remote), mki)] }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let suite = Suite::ALL[usize::from(*first) % Suite::ALL.len()];
    let mki = Mki::new(u64::from(*first), 2).filter(|_| first & 0x80 != 0);
    let mut ours = SecureMedia::new(keys(suite, 1, 2, mki));
    let mut peer = SecureMedia::new(keys(suite, 2, 1, None));
    let (mut sequence, mut key) = (65_500u16, 2u8);
    let mut sent: Vec<(Vec<u8>, Vec<u8>, bool)> = Vec::new();
    for step in rest.chunks_exact(4).take(400) {
        let [what, a, b, c] = *step else { unreachable!() };
        match what % 8 {
            // The peer sends, and it comes or is late.
            0..=2 => {
                sequence = sequence.wrapping_add(1 + u16::from(a % 4));
                let mut packet = vec![0x80 | b & 0x10, b & 0x7f];
                packet.extend(sequence.to_be_bytes());
                packet.extend([0, 0, 0, a, 0, 0, 0, 9, 0xBE, 0xDE, 0, 1, c, c, c, c]);
                packet.extend(vec![a; usize::from(c)]);
                let mut wire = packet.clone();
                wire.resize(packet.len() + 20, 0);
                let Ok(length) = peer.protect_rtp(&mut wire, packet.len()) else { continue };
                wire.truncate(length);
                if mki.is_some() {
                    let tag = if suite.rtp_tag() == 16 { 0 } else { suite.rtp_tag() };
                    let at = wire.len() - tag;
                    wire.splice(at..at, [0, *first]);
                }
                if what & 0x80 == 0 {
                    let mut copy = wire.clone();
                    let length = ours.unprotect_rtp(&mut copy).expect("it is authentic, and new");
                    assert_eq!(copy[..length], packet);
                }
                sent.push((wire, packet, what & 0x80 == 0));
            }
            // One of the last packets comes, perhaps for the second time.
            3 => {
                let at = usize::from(a) % (sent.len() + 1);
                let Some((wire, packet, heard)) = sent.get_mut(at) else { continue };
                let mut copy = wire.clone();
                if let Ok(length) = ours.unprotect_rtp(&mut copy) {
                    assert!(!*heard && copy[..length] == packet[..], "once, and as it was");
                    *heard = true;
                }
            }
            // Changed on the way. A tag of 32 bits is one that luck could guess, once in four billions.
            4 => {
                let at = usize::from(a) % (sent.len() + 1);
                let Some((wire, ..)) = sent.get(at) else { continue };
                let mut copy = wire.clone();
                let place = usize::from(b) % copy.len();
                copy[place] ^= c | 1;
                assert!(ours.unprotect_rtp(&mut copy).is_err());
            }
            5 => {
                let mut garbage = vec![what ^ 0x80; usize::from(a)];
                garbage.iter_mut().zip([b, c, a, b, c]).for_each(|(to, from)| *to = from);
                assert!(ours.unprotect_rtp(&mut garbage.clone()).is_err());
                assert!(ours.unprotect_rtcp(&mut garbage).is_err());
            }
            6 => {
                let mut report = vec![0x80, 200, 0, 1, 0, 0, 0, 9];
                report.extend(vec![a; usize::from(b)]);
                let length = report.len();
                report.resize(length + 20, 0);
                let length = peer.protect_rtcp(&mut report, length).expect("room");
                report.truncate(length);
                if mki.is_none() {
                    assert!(ours.unprotect_rtcp(&mut report.clone()).is_ok());
                    assert_eq!(ours.unprotect_rtcp(&mut report), Err(SrtpError::Replayed));
                }
            }
            _ => {
                key = key.wrapping_add(1).max(2);
                ours.rekey(keys(suite, 1, key, mki));
                peer.rekey(keys(suite, key, 1, None));
                // What was on its way under older keys than the last may be lost.
                sent.clear();
            }
        }
    }
});
