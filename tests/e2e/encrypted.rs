//! Encrypted audio with real telephones, in both directions, and on the wire.
use passline_rtp::{Codec, Digit, ToneGenerator};
use passline_tests::{
    baresip::Baresip,
    capture::Capture,
    linphone::Linphone,
    needle::Needle,
    phone::{Account, Carrier, Phone, Terms},
    server::{Server, Setup},
    twinkle::Twinkle,
    wait_for,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path, thread::sleep, time::Duration};

const KEYS: &str = "1234567890*#11";
const PASSWORD: &str = "correct-horse-battery";

fn terms<'a>(folder: &'a Path, account: Option<&'a Account>, name: &'a str) -> Terms<'a> {
    Terms { folder, name, codec: Codec::Pcmu, carrier: Carrier::Udp, account, trusted: None }
}

fn silence() -> Vec<i16> {
    vec![0; 120 * 8000]
}

/// What the record of an encrypted call must say of it. baresip opens and ends RTCP in clear (APP, BYE): two packets that are
/// not authentic, the second only where it comes before the end of the call.
#[track_caller]
fn is_encrypted(call: &Value, suite: &str) {
    assert_eq!(call["encryption"], suite, "{call:#}");
    assert!(call["unauthentic"].as_u64() <= Some(2), "{call:#}");
    assert!(call["received"].as_u64() > Some(50) && call["sent"].as_u64() > Some(50), "{call:#}");
}

/// The loudest tenth of a second of a recording, as root mean square.
fn loudness(samples: &[i16]) -> f64 {
    let power = |part: &[i16]| part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64;
    samples.chunks(800).map(power).fold(0.0, f64::max).sqrt()
}

/// The phone presses in the line test; its only record.
fn presses(server: &Server, phone: &mut dyn Phone) -> Value {
    phone.dial(&server.uri("5001"));
    phone.talks();
    sleep(Duration::from_millis(500));
    phone.press(KEYS);
    sleep(Duration::from_millis(1500));
    phone.hang_up();
    let call = server.call();
    assert_eq!((call["digits"].as_str(), call["dtmf"].as_str()), (Some(KEYS), Some("rfc4733")), "{call:#}");
    call
}

#[test]
fn baresip_calls_with_keys_beside_plain_audio_and_with_encrypted_audio_alone() {
    for how in ["srtp", "srtp-mand"] {
        let server = Server::start(Setup::default());
        let mut phone = Baresip::encrypting(&terms(server.folder(), None, "caller"), how, &silence());
        let call = presses(&server, &mut phone);
        is_encrypted(&call, "AES_CM_128_HMAC_SHA1_80");
        // It heard us speak, and not noise: of a prompt that is played there are pauses, too.
        let heard = phone.recording();
        let pauses = heard.chunks(160).filter(|frame| frame.iter().all(|sample| sample.abs() < 64)).count();
        assert!(loudness(&heard) > 1000.0 && pauses > 20, "{} {pauses}", loudness(&heard));
    }
}

#[test]
fn tones_that_baresip_speaks_are_heard_through_encryption() {
    let server = Server::start(Setup::default());
    let mut samples = vec![0i16; 2 * 8000];
    for key in KEYS.chars() {
        let mut tone = vec![0i16; 1600];
        ToneGenerator::new(Digit::from_char(key).expect("a key"), 100).fill(&mut tone);
        samples.extend(tone);
    }
    samples.extend(silence());
    let mut phone = Baresip::encrypting(&terms(server.folder(), None, "caller"), "srtp-mand", &samples);
    phone.dial(&server.uri("5001"));
    Phone::talks(&mut phone);
    sleep(Duration::from_secs(7));
    Phone::hang_up(&mut phone);
    let call = server.call();
    assert_eq!((call["digits"].as_str(), call["dtmf"].as_str()), (Some(KEYS), Some("inband")), "{call:#}");
    is_encrypted(&call, "AES_CM_128_HMAC_SHA1_80");
}

#[test]
fn linphone_calls_with_encrypted_audio_alone() {
    let server = Server::start(Setup::default());
    let mut phone = Linphone::encrypting(&terms(server.folder(), None, "caller"));
    let call = presses(&server, &mut phone);
    assert!(call["encryption"].as_str().is_some_and(|suite| suite.contains("AES")), "{call:#}");
    assert_eq!(call["unauthentic"], 0, "{call:#}");
}

/// The keys that each INVITE of a capture offered, without those that are sent again.
fn offered_keys(capture: &Capture) -> Vec<BTreeSet<String>> {
    let packets = capture.packets();
    let invites = packets.iter().filter(|packet| packet.payload.starts_with(b"INVITE "));
    let mut offers: Vec<BTreeSet<String>> = invites
        .map(|packet| {
            let text = String::from_utf8_lossy(&packet.payload);
            let keys = text.split("inline:").skip(1).filter_map(|rest| rest.split_whitespace().next());
            keys.map(str::to_owned).collect()
        })
        .collect();
    offers.dedup();
    offers
}

/// Half the keys, hold and back, the other half: each once, in one encrypted call.
fn presses_around<P: Phone>(server: &Server, phone: &mut P, holds: impl FnOnce(&mut P)) -> Value {
    let (before, after) = KEYS.split_at(KEYS.len() / 2);
    phone.dial(&server.uri("5001"));
    phone.talks();
    sleep(Duration::from_millis(500));
    phone.press(before);
    sleep(Duration::from_millis(1000));
    holds(phone);
    sleep(Duration::from_millis(1000));
    phone.press(after);
    sleep(Duration::from_millis(1500));
    phone.hang_up();
    let call = server.call();
    assert_eq!(call["digits"], KEYS, "{call:#}\n{}", phone.output());
    assert!(call["encryption"].as_str().is_some_and(|suite| suite.contains("AES")), "{call:#}");
    call
}
#[test]
fn baresip_holds_and_goes_on_in_an_encrypted_call() {
    let server = Server::start(Setup::default());
    let mut phone = Baresip::encrypting(&terms(server.folder(), None, "caller"), "srtp-mand", &silence());
    let call = presses_around(&server, &mut phone, |phone| {
        phone.hold();
        sleep(Duration::from_millis(1500));
        phone.resume();
    });
    is_encrypted(&call, "AES_CM_128_HMAC_SHA1_80");
}

/// linphone, told to, offers new keys whenever it offers.
#[test]
fn linphone_changes_its_keys_in_mid_call() {
    let server = Server::start(Setup::default());
    let mut capture = Capture::start(server.folder(), &server.filter(), 0);
    let mut phone = Linphone::changing_keys(&terms(server.folder(), None, "caller"));
    let call = presses_around(&server, &mut phone, |phone| {
        phone.hold();
        sleep(Duration::from_millis(1500));
        phone.resume();
    });
    assert_eq!(call["unauthentic"], 0, "{call:#}");
    capture.finish();
    let offers = offered_keys(&capture);
    assert!(offers.len() >= 3, "{offers:?}");
    let anew = |pair: &[BTreeSet<String>]| pair[0].is_disjoint(&pair[1]);
    assert!(offers.windows(2).all(anew), "each offer has new keys");
}

/// A server with the devices 201 to 203, which encrypt as is said of each, and their accounts.
fn three_devices(srtp: [&str; 3]) -> (Server, [Account; 3]) {
    let users = ["201", "202", "203"];
    let mut more = "devices:\n".to_owned();
    for (user, srtp) in users.iter().zip(srtp) {
        more += &format!("  - {{ extension: {user}, password_file: phone.password, srtp: {srtp} }}\n");
    }
    let mut server = Server::prepare(Setup { more, ..Setup::default() });
    server.secret("phone.password", PASSWORD);
    server.restart();
    let accounts =
        users.map(|user| Account { user: user.into(), password: PASSWORD.into(), registrar: server.sip });
    (server, accounts)
}

/// At least so many call records, of both halves of each call.
#[track_caller]
fn records(server: &Server, count: usize) -> Vec<Value> {
    let read = || {
        let calls = server.json(&["calls", "--last", "100", "--json"]);
        (calls.len() >= count).then_some(calls)
    };
    wait_for(Duration::from_secs(10), read).expect("as many records")
}

/// Our half of the call to a device.
#[track_caller]
fn our_call_to(calls: &[Value], number: &str) -> Value {
    let ours = calls.iter().find(|call| call["direction"] == "outgoing" && call["to"] == number);
    ours.expect("our half").clone()
}

/// What we offer where encryption is optional: keys beside plain audio, and each telephone answers as it can.
#[test]
fn telephones_with_and_without_encryption_answer_an_optional_offer() {
    let (server, [first, second, third]) = three_devices(["optional", "optional", "off"]);
    let folder = server.folder();
    let mut secret = Baresip::encrypting(&terms(folder, Some(&first), "201"), "srtp", &silence());
    let mut plain = Baresip::with(&terms(folder, Some(&second), "202"));
    let mut caller = Twinkle::start(&terms(folder, Some(&third), "203"));
    let phones: [&mut dyn Phone; 3] = [&mut secret, &mut plain, &mut caller];
    phones.into_iter().for_each(|phone| phone.is_registered());
    for (count, number, phone) in [(2, "201", &mut secret), (4, "202", &mut plain)] {
        caller.dial(&server.uri(number));
        Phone::answer(phone);
        caller.talks();
        sleep(Duration::from_millis(2500));
        caller.hang_up();
        Phone::is_over(phone);
        let ours = our_call_to(&records(&server, count), number);
        assert!(ours["received"].as_u64() > Some(50) && ours["sent"].as_u64() > Some(50), "{ours:#}");
        match number {
            "201" => is_encrypted(&ours, "AEAD_AES_256_GCM"),
            _ => assert!(ours["encryption"].is_null(), "{ours:#}"),
        }
    }
}

/// Our own offers to telephones, each of which takes encrypted audio alone, and to one that knows none.
#[test]
fn registered_phones_talk_each_over_a_leg_with_its_own_encryption() {
    let (server, [first, second, third]) = three_devices(["required", "required", "off"]);
    let folder = server.folder();
    let mut baresip = Baresip::encrypting(&terms(folder, Some(&first), "201"), "srtp-mand", &silence());
    let mut linphone = Linphone::encrypting(&terms(folder, Some(&second), "202"));
    let mut twinkle = Twinkle::start(&terms(folder, Some(&third), "203"));
    let phones: [&mut dyn Phone; 3] = [&mut baresip, &mut linphone, &mut twinkle];
    phones.into_iter().for_each(|phone| phone.is_registered());
    // Both encrypted, each with keys of its own.
    Phone::dial(&mut baresip, &server.uri("202"));
    linphone.answer();
    Phone::talks(&mut baresip);
    linphone.talks();
    sleep(Duration::from_millis(2500));
    Phone::hang_up(&mut baresip);
    linphone.is_over();
    let calls = records(&server, 2);
    for call in &calls {
        assert!(call["encryption"].as_str().is_some_and(|suite| suite.contains("AES")), "{call:#}");
        assert!(call["unauthentic"].as_u64() <= Some(2), "{call:#}");
        // linphone has nothing to say without a sound card.
        let said = call["received"].as_u64() > Some(50) || call["account"] == "202";
        assert!(said && call["sent"].as_u64() > Some(50), "{call:#}");
    }
    // And one who insists with one who knows nothing of it.
    linphone.dial(&server.uri("203"));
    twinkle.answer();
    linphone.talks();
    sleep(Duration::from_millis(2500));
    linphone.hang_up();
    twinkle.is_over();
    let calls = records(&server, 4);
    let [plain, secret] = [true, false]
        .map(|is_plain| calls.iter().filter(|call| call["encryption"].is_null() == is_plain).count());
    assert_eq!((plain, secret), (1, 3), "{calls:#?}");
    // We call the one that insists.
    twinkle.dial(&server.uri("201"));
    Phone::answer(&mut baresip);
    twinkle.talks();
    sleep(Duration::from_millis(2500));
    twinkle.hang_up();
    Phone::is_over(&mut baresip);
    is_encrypted(&our_call_to(&records(&server, 6), "201"), "AEAD_AES_256_GCM");
}

/// `passline call --srtp`, our capture of it, and what others see on the wire.
#[test]
fn our_own_caller_encrypts_and_a_capture_of_the_call_replays() {
    let server = Server::start(Setup { log: "trace", ..Setup::default() });
    let file = server.file("calls.pcapng");
    let path = file.to_str().expect("a path").to_owned();
    server.cli(&["capture", "start", &path, "--media"], "").good();
    let script = format!("p1000 {KEYS} p2500 hangup");
    let told = server.cli(&["call", &server.uri("5001"), "--srtp", "--keys", &script], "").good();
    assert!(told.contains("answered with PCMU"), "{told}");
    let call = server.call();
    assert_eq!(call["digits"], KEYS, "{call:#}");
    is_encrypted(&call, "AEAD_AES_256_GCM");
    let shown = server.cli(&["call-info", "last"], "").good();
    assert!(shown.contains("SRTP AEAD_AES_256_GCM; dropped: 0 packets not authentic"), "{shown}");
    server.cli(&["capture", "stop"], "").good();
    // The line test keeps no secret: what was said and keyed is in the capture in clear, and the keys of SRTP are not.
    let replayed = server.json(&["replay", &path, "--json"]);
    let digits: Vec<String> = replayed
        .iter()
        .filter_map(|stream| stream["digits"].as_array())
        .map(|digits| digits.iter().filter_map(|digit| digit["digit"].as_str()).collect())
        .collect();
    assert!(digits.iter().any(|digits| digits == KEYS), "{digits:?} {replayed:#?}");
    let kept = fs::read(&file).expect("the capture");
    assert!(Needle::new("a=crypto:1 AEAD_AES_256_GCM inline:xxxxxxxx").found_in(&kept).is_some());
}

#[test]
fn who_refuses_encryption_or_insists_on_it_is_told() {
    let with = |srtp: &str| {
        let mut server = Server::prepare(Setup::default());
        let file = server.file("passline.yaml");
        let text = fs::read_to_string(&file).expect("our own file");
        fs::write(&file, text.replace("rtp:\n", &format!("rtp:\n  srtp: {srtp}\n"))).expect("our own file");
        server.restart();
        server
    };
    for (srtp, argument, code) in
        [("off", "--srtp=required", "only_encrypted"), ("required", "--srtp=off", "only_plain")]
    {
        let server = with(srtp);
        let told = server.cli(&["call", &server.uri("5001"), argument, "--keys", "p500 hangup"], "");
        assert!(told.code != 0 && told.out.contains("refused: 488"), "{told:?}");
        let call = server.call();
        assert_eq!(call["diagnosis"]["code"], code, "{call:#}");
        let checked = server.cli(&["check"], "");
        assert_eq!(checked.code, 0, "{checked:?}");
    }
}
