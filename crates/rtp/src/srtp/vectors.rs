//! The RFCs' own test vectors.
use super::protect::Left;
use super::session::{SessionKeys, Use};
use super::{MasterKey, Protector, SrtpError, Suite, Unprotector};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut octets = hex(text);
    octets.resize(N, 0);
    octets.try_into().expect("as long as it was made")
}

/// RFC 3711 appendix B.2 and RFC 6188 §7.1, §7.2: keystream for source 0 and index 0.
#[test]
fn counter_mode() {
    let rows = [
        (
            Suite::AesCm128Sha1_80,
            "2B7E151628AED2A6ABF7158809CF4F3C",
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB",
        ),
        (
            Suite::AesCm256Sha1_80,
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac",
        ),
    ];
    for (suite, key, keystream) in rows {
        let salt = padded("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
        let keys = SessionKeys::new(suite, Use::Rtp, &padded(key), &[0; 20], salt);
        let mut octets = [0; 32];
        keys.apply(0, 0, &mut octets);
        assert_eq!(octets[..], hex(keystream), "{suite:?}");
    }
}

/// RFC 3711 appendix B.3 and RFC 6188 §7.4: a packet under derived keys is one under the keys that the RFC derives.
#[test]
fn key_derivation() {
    let rows = [
        (
            Suite::AesCm128Sha1_80,
            "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6",
            "C61E7A93744F39EE10734AFE3FF7A087",
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
            "30CBBC08863D8C85D49DB34A9AE1",
        ),
        (
            Suite::AesCm256Sha1_80,
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2",
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
            "fa31791685ca444a9e07c6c64e93",
        ),
    ];
    for (suite, master, key, authentication, salt) in rows {
        let master = MasterKey::new(suite, &hex(master)).expect("a whole key");
        let derived = SessionKeys::derive(&master, Use::Rtp);
        let given = SessionKeys::new(suite, Use::Rtp, &padded(key), &padded(authentication), padded(salt));
        let ([mut one, mut other], [mut tag, mut expected]) = ([[0; 48]; 2], [[0; 10]; 2]);
        derived.apply(7, 9, &mut one);
        given.apply(7, 9, &mut other);
        assert_eq!(one, other, "{suite:?}");
        derived.sign(&one, &[], &mut tag);
        given.sign(&one, &[], &mut expected);
        assert_eq!(tag, expected, "{suite:?}");
    }
}

/// The packet that other implementations check themselves by, under the master key of RFC 3711 appendix B.3.
#[test]
fn a_whole_packet() {
    let master = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";
    let master = MasterKey::new(Suite::AesCm128Sha1_80, &hex(master)).expect("a whole key");
    let plain = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    let wire = hex("800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb");
    let mut buffer = [0; 64];
    buffer[..plain.len()].copy_from_slice(&plain);
    let length = Protector::new(&master).rtp(&mut buffer, plain.len()).expect("room");
    assert_eq!(buffer[..length], wire);
    let mut other = Unprotector::new(&master, None);
    assert_eq!(other.rtp(&mut buffer[..length]), Ok(plain.len()));
    assert_eq!(buffer[..plain.len()], plain);
}

fn gcm(suite: Suite, purpose: Use) -> SessionKeys {
    let key = padded("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    SessionKeys::new(suite, purpose, &key, &[0; 20], padded("51756964 2070726f 2071756f"))
}

/// RFC 7714 §16.1.1 and §16.2.1.
#[test]
fn galois_mode_of_rtp() {
    let plain =
        hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 \
                     61727465 73207472 6573");
    let rows = [
        (
            Suite::AeadAes128Gcm,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b \
             36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f \
             1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ];
    for (suite, wire) in rows {
        let mut buffer = [0; 80];
        buffer[..plain.len()].copy_from_slice(&plain);
        let mut protector = Protector::with_keys(suite, gcm(suite, Use::Rtp), gcm(suite, Use::Rtcp));
        let length = protector.rtp(&mut buffer, plain.len()).expect("room");
        assert_eq!(buffer[..length], hex(wire), "{suite:?}");
        let (rtp, rtcp) = (gcm(suite, Use::Rtp), gcm(suite, Use::Rtcp));
        let mut unprotector = Unprotector::with_keys(suite, None, rtp, rtcp, Left::ALL);
        assert_eq!(unprotector.rtp(&mut buffer[..length]), Ok(plain.len()));
        assert_eq!(buffer[..plain.len()], plain);
    }
}

/// RFC 7714 §17.1.
#[test]
fn galois_mode_of_rtcp() {
    let suite = Suite::AeadAes128Gcm;
    let plain =
        hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef \
                     deadbeef deadbeef deadbeef");
    let wire =
        hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda \
                    4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4");
    let mut buffer = [0; 80];
    buffer[..plain.len()].copy_from_slice(&plain);
    let mut protector = Protector::with_keys(suite, gcm(suite, Use::Rtp), gcm(suite, Use::Rtcp));
    protector.advance_to(1, 1, 0x5d4);
    let length = protector.rtcp(&mut buffer, plain.len()).expect("room");
    assert_eq!(buffer[..length], wire);
    let (rtp, rtcp) = (gcm(suite, Use::Rtp), gcm(suite, Use::Rtcp));
    let mut unprotector = Unprotector::with_keys(suite, None, rtp, rtcp, Left::ALL);
    assert_eq!(unprotector.rtcp(&mut buffer[..length]), Ok(plain.len()));
    assert_eq!(buffer[..plain.len()], plain);
}

/// RFC 3711 §9.2: 2^48 packets of RTP, 2^31 of RTCP, and not one more.
#[test]
fn keys_are_used_up() {
    for suite in Suite::ALL {
        let octets = vec![5; suite.master_length()];
        let mut protector = Protector::new(&MasterKey::new(suite, &octets).expect("a whole key"));
        protector.advance_to(9, (1 << 48) - 2, (1 << 31) - 1);
        let rtp = |sequence: u16| {
            let [high, low] = sequence.to_be_bytes();
            let mut buffer = [0; 64];
            buffer[..12].copy_from_slice(&[0x80, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 9]);
            buffer
        };
        assert!(protector.rtp(&mut rtp(0xFFFF), 32).is_ok(), "{suite:?}");
        assert_eq!(protector.rtp(&mut rtp(0), 32), Err(SrtpError::UsedUp));
        let mut rtcp = [0; 64];
        rtcp[..2].copy_from_slice(&[0x80, 201]);
        assert!(protector.rtcp(&mut rtcp, 8).is_ok());
        assert_eq!(protector.rtcp(&mut rtcp, 8), Err(SrtpError::UsedUp));
    }
}
