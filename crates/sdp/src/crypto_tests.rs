use super::*;
use crate::{Capabilities, accept, answer, offer};
use std::net::Ipv4Addr;

const SHORT: &str = "AES_CM_128_HMAC_SHA1_80";
const LONG: &str = "AES_256_CM_HMAC_SHA1_80";
/// 30 octets: key and salt of the example in RFC 4568 §9.1.
const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn caps(accept: Encryption, offer: Encryption) -> Capabilities {
    let local = |suite, length, offered| LocalKey { suite, key: Key::new(vec![7; length]), offered };
    let keys = vec![local(LONG, 46, true), local(SHORT, 30, true)];
    let crypto = Crypto { accept, offer, keys, at_least: None };
    Capabilities { crypto, ..Capabilities::new(Ipv4Addr::new(192, 0, 2, 9).into(), 16384, 1) }
}

fn offering(proto: &str, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
    format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 {proto} 0\r\n{lines}").into_bytes()
}

/// Suite, tag and MKI of what is agreed on; the cause of a refusal.
fn agree(accept: Encryption, proto: &str, lines: &[&str]) -> Result<Option<(&'static str, u32)>, Cause> {
    let (sdp, agreement) =
        answer(&offering(proto, lines), &caps(accept, Encryption::Off)).map_err(|refusal| refusal.cause)?;
    let text = String::from_utf8(sdp).expect("text");
    assert!(text.contains(&format!("m=audio 16384 {proto} 0\r\n")), "{text}");
    let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("a=crypto:")).collect();
    let Some(agreed) = agreement.crypto else {
        assert!(told.is_empty(), "{text}");
        return Ok(None);
    };
    assert_eq!(told, [agreed.answer()]);
    assert!(told[0].ends_with(&Base64::encode_string(agreed.local.octets())), "{text}");
    Ok(Some((agreed.suite, agreed.line.0)))
}

#[test]
fn policy_and_profile_decide() {
    use Encryption::{Off, Optional, Required};
    let line = format!("3 {SHORT} inline:{KEY}");
    let keys: &[&str] = &[&line];
    let yes = Ok(Some((SHORT, 3)));
    let rows: [(Encryption, &str, &[&str], _); 12] = [
        (Off, "RTP/AVP", &[], Ok(None)),
        (Off, "RTP/AVP", keys, Ok(None)),
        (Off, "RTP/SAVP", keys, Err(Cause::EncryptionOff)),
        (Optional, "RTP/AVP", &[], Ok(None)),
        (Optional, "RTP/AVP", keys, yes),
        (Optional, "RTP/AVPF", keys, yes),
        (Optional, "RTP/SAVP", keys, yes),
        (Optional, "RTP/SAVPF", keys, yes),
        (Optional, "UDP/TLS/RTP/SAVPF", &[], Err(Cause::EncryptionUnknown)),
        (Required, "RTP/AVP", &[], Err(Cause::EncryptionRequired)),
        (Required, "RTP/AVP", keys, yes),
        (Required, "RTP/SAVP", keys, yes),
    ];
    for (accept, proto, lines, expected) in rows {
        assert_eq!(agree(accept, proto, lines), expected, "{accept:?} {proto} {lines:?}");
    }
}

#[test]
fn the_first_line_that_can_be_used_is_taken() {
    let long = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSojPS1uQCVeeCFCanVmcjkp";
    let good = format!("9 {SHORT} inline:{KEY}");
    let bad = [
        format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
        format!("1 {SHORT} inline:{long}"),
        format!("1 {SHORT} inline:{}!", &KEY[1..]),
        format!("1 {SHORT} mikey:{KEY}"),
        format!("1 {SHORT} inline:{KEY} UNENCRYPTED_SRTP"),
        format!("1 {SHORT} inline:{KEY} UNENCRYPTED_SRTCP"),
        format!("1 {SHORT} inline:{KEY} UNAUTHENTICATED_SRTP"),
        format!("1 {SHORT} inline:{KEY} KDR=1"),
        format!("1 {SHORT} inline:{KEY} SOMETHING_NEW"),
        format!("1 {SHORT} inline:{KEY}|2^49"),
        format!("1 {SHORT} inline:{KEY}|0"),
        format!("1 {SHORT} inline:{KEY}|1:129"),
        format!("1 {SHORT} inline:{KEY}|256:1"),
        format!("1 {SHORT} inline:{KEY}|1:4|2:4"),
        format!("1 {SHORT} inline:{KEY};inline:{KEY}"),
        format!("1 {SHORT} inline:{KEY}|1:4;inline:{KEY}|2:2"),
        format!("1 {SHORT} inline:{KEY}|1:4;inline:{KEY}|2:4"),
        format!("1 {SHORT} inline:{KEY}|1:4;inline:{}|1:4", KEY.replace('P', "Q")),
        format!("1 {SHORT} inline:{KEY}|2^20|2^21"),
        format!("1 {SHORT}"),
        format!("x {SHORT} inline:{KEY}"),
        format!("9999999999 {SHORT} inline:{KEY}"),
        String::new(),
    ];
    for line in &bad {
        assert_eq!(agree(Encryption::Optional, "RTP/SAVP", &[line, &good]), Ok(Some((SHORT, 9))), "{line}");
        assert_eq!(agree(Encryption::Required, "RTP/SAVP", &[line]), Err(Cause::EncryptionUnknown), "{line}");
        assert_eq!(agree(Encryption::Optional, "RTP/AVP", &[line]), Ok(None), "{line}");
    }
    let fine = [
        format!("1 {SHORT} inline:{KEY}|2^20"),
        format!("1 {SHORT} inline:{KEY}|1048576|1:4 WSH=64 KDR=0 -MAYBE=3"),
        format!("1 {} INLINE:{KEY}", SHORT.to_lowercase()),
        format!("1\t{SHORT}  inline:{KEY}|7:128"),
    ];
    for line in &fine {
        assert_eq!(agree(Encryption::Required, "RTP/SAVP", &[line, &good]), Ok(Some((SHORT, 1))), "{line}");
    }
}

#[test]
fn several_keys_come_with_what_tells_them_apart() {
    let line = format!("1 {SHORT} inline:{KEY}|2^31|1:2;inline:{}|7:2", KEY.replace('P', "Q"));
    let (_, agreement) =
        answer(&offering("RTP/SAVP", &[&line]), &caps(Encryption::Optional, Encryption::Off))
            .expect("agreed");
    let remote = agreement.crypto.expect("encrypted").remote;
    assert_eq!(remote.iter().map(|key| key.lifetime).collect::<Vec<_>>(), [Some(1 << 31), None]);
    assert_eq!(remote.iter().map(|key| key.mki).collect::<Vec<_>>(), [Some((1, 2)), Some((7, 2))]);
    assert_ne!(remote[0].key, remote[1].key);
    assert_eq!(remote[0].key.octets(), Base64::decode_vec(KEY).expect("Base64"));
}

#[test]
fn the_name_that_a_telephone_uses_is_repeated() {
    let key = Base64::encode_string(&[3; 46]);
    for key in [key.as_str(), key.trim_end_matches('=')] {
        let line = format!("2 AES_CM_256_HMAC_SHA1_80 inline:{key}");
        let caps = caps(Encryption::Optional, Encryption::Off);
        let (sdp, agreement) = answer(&offering("RTP/SAVP", &[&line]), &caps).expect("agreed");
        assert_eq!(agreement.crypto.map(|agreed| agreed.suite), Some(LONG));
        assert!(String::from_utf8_lossy(&sdp).contains("a=crypto:2 AES_CM_256_HMAC_SHA1_80 inline:"));
    }
}

#[test]
fn our_offer_says_what_policy_wants() {
    for (policy, proto, lines) in [
        (Encryption::Off, "RTP/AVP", 0),
        (Encryption::Optional, "RTP/AVP", 2),
        (Encryption::Required, "RTP/SAVP", 2),
    ] {
        let text = String::from_utf8(offer(&caps(Encryption::Off, policy))).expect("text");
        assert!(text.contains(&format!(" {proto} ")), "{text}");
        assert_eq!(text.matches("a=crypto:").count(), lines, "{text}");
    }
    let text = String::from_utf8(offer(&caps(Encryption::Off, Encryption::Optional))).expect("text");
    assert!(text.contains(&format!("a=crypto:1 {LONG} inline:")), "{text}");
    assert!(text.contains(&format!("a=crypto:2 {SHORT} inline:{}", Base64::encode_string(&[7; 30]))));
}

#[test]
fn answers_are_held_against_the_offer() {
    use Encryption::{Off, Optional, Required};
    let answered = |policy, proto, line: &str| {
        let lines: &[&str] = if line.is_empty() { &[] } else { &[line] };
        let result = accept(&offering(proto, lines), &caps(Off, policy));
        result.map(|agreement| agreement.crypto.map(|a| a.suite)).map_err(|refusal| refusal.cause)
    };
    let right = format!("2 {SHORT} inline:{KEY}");
    let wrong = format!("1 {SHORT} inline:{KEY}");
    let far = format!("3 {SHORT} inline:{KEY}");
    let weak = format!("2 {SHORT} inline:{KEY} UNENCRYPTED_SRTP");
    assert_eq!(answered(Optional, "RTP/AVP", &right), Ok(Some(SHORT)));
    assert_eq!(answered(Optional, "RTP/SAVP", &right), Ok(Some(SHORT)));
    assert_eq!(answered(Optional, "RTP/AVP", ""), Ok(None));
    assert_eq!(answered(Required, "RTP/SAVP", &right), Ok(Some(SHORT)));
    assert_eq!(answered(Required, "RTP/AVP", ""), Err(Cause::EncryptionRequired));
    for line in [&wrong, &far, &weak] {
        assert_eq!(answered(Required, "RTP/SAVP", line), Err(Cause::EncryptionUnknown), "{line}");
        assert_eq!(answered(Required, "RTP/AVP", line), Err(Cause::EncryptionRequired), "{line}");
        assert_eq!(answered(Optional, "RTP/AVP", line), Ok(None), "{line}");
    }
    assert_eq!(answered(Off, "RTP/SAVP", &right), Err(Cause::EncryptionUnknown));
    assert_eq!(answered(Off, "RTP/AVP", &right), Ok(None));
}

#[test]
fn a_call_that_is_encrypted_falls_back_to_nothing_weaker() {
    let mut caps = caps(Encryption::Optional, Encryption::Optional);
    caps.crypto.at_least = Some(LONG);
    let (long, short) = (Base64::encode_string(&[3; 46]), format!("1 {SHORT} inline:{KEY}"));
    let long = format!("2 {LONG} inline:{long}");
    let asked = |proto, lines: &[&str], caps: &Capabilities| {
        let agreed = answer(&offering(proto, lines), caps);
        agreed.map(|(_, agreement)| agreement.crypto.map(|a| a.suite)).map_err(|refusal| refusal.cause)
    };
    assert_eq!(asked("RTP/AVP", &[], &caps), Err(Cause::EncryptionRequired));
    assert_eq!(asked("RTP/AVP", &[&short], &caps), Err(Cause::EncryptionUnknown));
    assert_eq!(asked("RTP/SAVP", &[&short], &caps), Err(Cause::EncryptionUnknown));
    assert_eq!(asked("RTP/SAVP", &[&short, &long], &caps), Ok(Some(LONG)));
    assert_eq!(asked("RTP/AVP", &[&short, &long], &caps), Ok(Some(LONG)));
    // Our own offer, and what may come of it.
    let text = String::from_utf8(offer(&caps)).expect("text");
    assert!(text.contains(&format!("a=crypto:1 {LONG} ")) && !text.contains(SHORT), "{text}");
    let taken = |line: &str, caps: &Capabilities| {
        let lines: &[&str] = if line.is_empty() { &[] } else { &[line] };
        let agreed = accept(&offering("RTP/AVP", lines), caps);
        agreed.map(|agreement| agreement.crypto.map(|a| a.suite)).map_err(|refusal| refusal.cause)
    };
    let first = long.replacen('2', "1", 1);
    assert_eq!(taken(&first, &caps), Ok(Some(LONG)));
    assert_eq!(taken("", &caps), Err(Cause::EncryptionRequired));
    assert_eq!(taken(&format!("2 {SHORT} inline:{KEY}"), &caps), Err(Cause::EncryptionRequired));
    // What is stronger is welcome.
    caps.crypto.at_least = Some(SHORT);
    assert_eq!(asked("RTP/SAVP", &[&long, &short], &caps), Ok(Some(LONG)));
}

#[test]
fn two_ends_agree_and_print_no_key() {
    let ours = caps(Encryption::Off, Encryption::Required);
    let mut theirs = caps(Encryption::Optional, Encryption::Off);
    theirs.crypto.keys.iter_mut().for_each(|key| key.key = Key::new(vec![9; key.key.octets().len()]));
    let (sdp, their) = answer(&offer(&ours), &theirs).expect("agreed");
    let our = accept(&sdp, &ours).expect("agreed");
    let (our, their) = (our.crypto.expect("encrypted"), their.crypto.expect("encrypted"));
    assert_eq!((our.suite, &our.local), (LONG, &their.remote[0].key));
    assert_eq!((their.suite, &their.local), (LONG, &our.remote[0].key));
    let shown = format!("{ours:?} {our:?} {:?}", our.remote[0]);
    assert!(
        !shown.contains("7, 7") && !shown.contains("BwcH") && shown.contains("Key(46 octets)"),
        "{shown}"
    );
}
