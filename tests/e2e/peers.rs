//! Real phones complete the reset call against the running program, and tshark agrees with what it says of them.
use crate::agree;
use passline_rtp::Codec;
use passline_tests::{
    baresip::Baresip,
    capture::Capture,
    live::{WireEar, live},
    person::{Patience, Person},
    server::{Server, Setup},
    sipp::{self, Sipp},
    voice::Voice,
};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(170);

fn serve(voice: Voice) -> Server {
    Server::start(Setup { voice, ..Setup::default() })
}

fn proof(server: &Server, person: &Person, password: &str) {
    for target in ["directory", "crm"] {
        assert!(server.binds(&person.login, target, password), "the new password binds on {target}");
    }
    assert!(!server.binds("ada", "directory", "Old-Ada-Directory-1"), "the old one does not");
    assert!(!server.binds("ada", "crm", "Old-Ada-Crm-1"), "the old one does not");
}

/// What came of the call; printed only where a test fails.
fn show(server: &Server, wire: &WireEar, pressed: &str) {
    for prompt in &wire.ear.prompts {
        println!("{:>8} ms {}{}", prompt.at_ms, prompt.name, if prompt.complete { "" } else { " (cut off)" });
    }
    println!(
        "{} packets lost, pressed {pressed}, wrote down {:?}\n{}",
        wire.lost,
        wire.ear.password(),
        server.call()
    );
}

fn sipp_resets(voice: Voice, codec: Codec) {
    let server = serve(voice);
    let ports = Sipp::ports();
    let mut capture = sipp::capture(&server, ports);
    let mut sipp = Sipp::call(&server, "5000", codec, ports);
    let mut wire = WireEar::new(&voice.library(), codec, (ports.1, ports.1));
    let pressed = live(&capture, &mut wire, &mut sipp, Patience::hurried(Person::ada()), LIMIT);
    show(&server, &wire, &pressed);
    assert!(sipp.completes(), "{}", sipp.output());
    let password = wire.ear.password().expect("a password was spelled");
    proof(&server, &Person::ada(), &password);
    capture.finish();
    agree::on_the_call(
        &server,
        &capture,
        &agree::Expected { codec, pressed: &pressed, media: (ports.1, ports.1) },
    );
    assert_eq!(server.call()["outcome"], "completed");
}

#[test]
fn sipp_completes_the_reset_in_pcmu() {
    sipp_resets(Voice::Shipped, Codec::Pcmu);
}

#[test]
fn sipp_completes_the_reset_in_pcma() {
    sipp_resets(Voice::Quick, Codec::Pcma);
}

#[test]
fn baresip_completes_the_reset_and_recorded_what_was_spoken() {
    let voice = Voice::Shipped;
    let server = serve(voice);
    let mut baresip = Baresip::start(&server, Codec::Pcmu);
    let (first, last) = baresip.media;
    let filter = format!("{} or udp portrange {first}-{last}", server.filter());
    let mut capture = Capture::start(server.folder(), &filter, 0);
    baresip.dial(&server.uri("5000"));
    let mut wire = WireEar::new(&voice.library(), Codec::Pcmu, baresip.media);
    let pressed = live(&capture, &mut wire, &mut baresip, Patience::patient(Person::ada()), LIMIT);
    show(&server, &wire, &pressed);
    let password = wire.ear.password().expect("a password was spelled");
    proof(&server, &Person::ada(), &password);

    // What baresip wrote down of what it heard, not what went over the wire.
    let ear = crate::recording::hear(&baresip.recording(), voice);
    assert_eq!(ear.password().as_ref(), Some(&password), "the recording spells the password that binds");
    agree::recording_has_what_was_spoken(&server, &ear);

    capture.finish();
    let expected = agree::Expected { codec: Codec::Pcmu, pressed: &pressed, media: baresip.media };
    agree::on_the_call(&server, &capture, &expected);
    assert_eq!(server.call()["outcome"], "completed");
}
