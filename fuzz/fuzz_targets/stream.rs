//! Framing of streams: a message is found whatever the pieces, and no piece makes two readers of the same octets differ.
#![no_main]
use passline_sip::message::{Frame, Framer};

fn frames(bytes: &[u8], step: usize) -> Vec<Option<Vec<u8>>> {
    let mut framer = Framer::new(65_535, 256);
    let mut found = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        framer.push(piece);
        while let Some(frame) = framer.next_frame() {
            match frame {
                Frame::Message(message) => found.push(Some(message)),
                Frame::Ping => {}
                Frame::Lost { .. } => {
                    found.push(None);
                    return found;
                }
            }
        }
    }
    found
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [step, rest @ ..] = bytes else { return };
    assert_eq!(frames(rest, usize::from(*step)), frames(rest, rest.len()));
});
