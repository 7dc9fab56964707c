//! What somebody who only watches learns from a description.

use std::net::SocketAddr;

use crate::body;
use crate::media::Section;

/// One audio stream that a description announces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announced {
    /// Where its author receives RTP.
    pub address: SocketAddr,
    /// Payload types and the encoding names that they stand for.
    pub names: Vec<(u8, String)>,
    /// Payload types and their RTP clock rates in Hz.
    pub clock_rates: Vec<(u8, u32)>,
}

/// The live audio streams of a description (those with port 0 and those that are no audio are left out).
///
/// A body that cannot be read announces nothing.
pub fn observe(octets: &[u8]) -> Vec<Announced> {
    let Ok(session) = body::parse(octets) else { return Vec::new() };
    Section::all(&session)
        .filter(Section::is_live_audio)
        .filter_map(|section| {
            let formats = section.formats();
            let clock_rates = formats.iter().map(|format| (format.payload_type, format.clock_rate)).collect();
            let names = formats.into_iter().map(|format| (format.payload_type, format.name)).collect();
            Some(Announced { address: section.rtp()?, names, clock_rates })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_announced_with_its_names() {
        let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 96\r\n\
                     a=rtpmap:96 telephone-event/8000\r\nm=audio 0 RTP/AVP 0\r\nm=video 5000 RTP/AVP 34\r\n";
        let seen = observe(body);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].address, "192.0.2.1:4000".parse().unwrap());
        assert_eq!(seen[0].names, [(8, "PCMA".into()), (96, "telephone-event".into())]);
        assert_eq!(seen[0].clock_rates, [(8, 8000), (96, 8000)]);
        assert_eq!(observe(b"no description"), []);
    }
}
