//! What one media section says, with the session's lines behind it.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Session};

use crate::agreement::Direction;

/// A payload type with what it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    pub(crate) name: String,
    pub(crate) clock_rate: u32,
    pub(crate) channels: u32,
}

/// The static payload types of RFC 3551 that a peer may leave without `a=rtpmap`.
const STATIC: [(u8, &str, u32); 10] = [
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (4, "G723", 8000),
    (5, "DVI4", 8000),
    (7, "LPC", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (13, "CN", 8000),
    (15, "G728", 8000),
    (18, "G729", 8000),
];

/// How a media section wants its packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Profile {
    /// RTP/AVP or RTP/AVPF.
    Plain,
    /// RTP/SAVP or RTP/SAVPF, with SDES or DTLS keys.
    Secure,
    /// Not RTP.
    Other,
}

/// One media section of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    session: &'a Session,
    pub(crate) media: &'a Media,
}

fn values<'a>(attributes: &'a [Attribute], name: &'a str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.attribute.trim().eq_ignore_ascii_case(name))
        .map(|attribute| attribute.value.as_deref().unwrap_or("").trim())
}

/// The address of a connection line; `None` for a name.
fn address(connection: &Connection) -> Option<IpAddr> {
    let text = connection.connection_address.split('/').next()?;
    text.trim_matches(['[', ']']).parse().ok()
}

impl<'a> Section<'a> {
    /// All sections of a session in order.
    pub(crate) fn all(session: &'a Session) -> impl Iterator<Item = Section<'a>> {
        session.medias.iter().map(move |media| Section { session, media })
    }

    /// Whether it is audio that was not refused (port 0).
    pub(crate) fn is_live_audio(&self) -> bool {
        self.media.media.eq_ignore_ascii_case("audio") && self.media.port != 0
    }

    pub(crate) fn profile(&self) -> Profile {
        match self.media.proto.to_ascii_uppercase().as_str() {
            "RTP/AVP" | "RTP/AVPF" => Profile::Plain,
            "RTP/SAVP" | "RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" => Profile::Secure,
            _ => Profile::Other,
        }
    }

    /// The first value of an attribute of this section.
    pub(crate) fn value(&self, name: &'a str) -> Option<&'a str> {
        values(&self.media.attributes, name).next()
    }

    /// All values of an attribute of this section.
    pub(crate) fn values(&self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        values(&self.media.attributes, name)
    }

    /// The payload types in the offerer's order; those without a known meaning are left out.
    pub(crate) fn formats(&self) -> Vec<Format> {
        let maps: Vec<Format> = values(&self.media.attributes, "rtpmap").filter_map(rtpmap).collect();
        self.media
            .fmt
            .split_whitespace()
            .filter_map(|word| word.parse::<u8>().ok())
            .filter_map(|payload_type| {
                let mapped = maps.iter().find(|map| map.payload_type == payload_type);
                mapped.cloned().or_else(|| fixed(payload_type))
            })
            .collect()
    }

    /// Redundant packets of this clock rate whose blocks are the agreed codec and events only (RFC 2198 §5).
    pub(crate) fn redundancy(&self, clock_rate: u32, codec: u8, event: Option<u8>) -> Option<(u8, String)> {
        let is_red =
            |format: &Format| format.name.eq_ignore_ascii_case("red") && format.clock_rate == clock_rate;
        let red = self.formats().into_iter().find(is_red)?.payload_type;
        let list = values(&self.media.attributes, "fmtp").find_map(|value| {
            let (number, list) = value.split_once(char::is_whitespace)?;
            (number.parse() == Ok(red)).then(|| list.trim())
        })?;
        let known = |word: &str| word.parse().is_ok_and(|block: u8| block == codec || Some(block) == event);
        (list.len() <= 64 && list.split('/').all(known)).then(|| (red, list.to_owned()))
    }

    /// Where to send RTP; `None` if the address is missing, a name, or multicast.
    pub(crate) fn rtp(&self) -> Option<SocketAddr> {
        let connection = self.media.connections.first();
        let ip = address(connection.or(self.session.connection.as_ref())?)?;
        (!ip.is_multicast()).then(|| SocketAddr::new(ip, self.media.port))
    }

    /// Where to send RTCP: `a=rtcp` (RFC 3605), else the next port.
    pub(crate) fn rtcp(&self, rtp: SocketAddr) -> SocketAddr {
        let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let Some(value) = self.value("rtcp") else {
            return next;
        };
        let mut words = value.split_whitespace();
        let Some(port) = words.next().and_then(|word| word.parse().ok()) else {
            return next;
        };
        let ip = words.nth(2).and_then(|word| word.parse().ok());
        SocketAddr::new(ip.unwrap_or(rtp.ip()), port)
    }

    /// The values of the `a=rtcp-xr` lines (RFC 3611 §5.1): the section's, else the session's; `None` without any.
    pub(crate) fn extended_reports(&self) -> Option<impl Iterator<Item = &'a str>> {
        [&self.media.attributes, &self.session.attributes].into_iter().find_map(|attributes| {
            let mut lines = values(attributes, "rtcp-xr").peekable();
            lines.peek().is_some().then_some(lines)
        })
    }

    /// Whether RTP and RTCP may share a port (RFC 5761).
    pub(crate) fn rtcp_mux(&self) -> bool {
        self.value("rtcp-mux").is_some()
    }

    /// The direction as the other side sees it; the section's own before the session's.
    pub(crate) fn direction(&self) -> Direction {
        let of = |attributes: &[Attribute]| {
            attributes.iter().find_map(|attribute| {
                match attribute.attribute.trim().to_ascii_lowercase().as_str() {
                    "sendrecv" => Some(Direction::SendRecv),
                    "sendonly" => Some(Direction::SendOnly),
                    "recvonly" => Some(Direction::RecvOnly),
                    "inactive" => Some(Direction::Inactive),
                    _ => None,
                }
            })
        };
        of(&self.media.attributes).or_else(|| of(&self.session.attributes)).unwrap_or_default()
    }

    /// The packet time that the other side asks for, in milliseconds.
    pub(crate) fn ptime(&self) -> Option<u8> {
        self.milliseconds("ptime")
    }

    /// The longest packet time that the other side takes, in milliseconds.
    pub(crate) fn maxptime(&self) -> Option<u8> {
        self.milliseconds("maxptime")
    }

    fn milliseconds(&self, name: &'a str) -> Option<u8> {
        let value: f32 = self.value(name)?.parse().ok()?;
        (1.0..=255.0).contains(&value).then_some(value as u8)
    }
}

fn fixed(payload_type: u8) -> Option<Format> {
    STATIC.iter().find(|row| row.0 == payload_type).map(|&(payload_type, name, clock_rate)| Format {
        payload_type,
        name: name.into(),
        clock_rate,
        channels: 1,
    })
}

/// `0 PCMU/8000/1`, with any white space.
fn rtpmap(value: &str) -> Option<Format> {
    let mut words = value.split_whitespace();
    let payload_type = words.next()?.parse().ok().filter(|&number| number < 128)?;
    let mut parts = words.next()?.split('/');
    let name = parts.next()?.to_owned();
    let clock_rate = parts.next().unwrap_or("8000").parse().ok()?;
    let channels = parts.next().unwrap_or("1").parse().ok()?;
    Some(Format { payload_type, name, clock_rate, channels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(body: &str, check: impl FnOnce(Section<'_>)) {
        let session = crate::body::parse(body.as_bytes()).expect("a session");
        check(Section::all(&session).next().expect("a section"));
    }

    #[test]
    fn formats_keep_the_order_and_take_static_names() {
        let body = "m=audio 1 RTP/AVP 96 8 200 x 0 97 18\na=rtpmap:96 opus/48000/2\na=RTPMAP: 0  pcmu/8000";
        section(body, |section| {
            let names: Vec<String> = section.formats().into_iter().map(|f| f.name).collect();
            assert_eq!(names, ["opus", "PCMA", "pcmu", "G729"]);
        });
    }

    #[test]
    fn addresses_come_from_the_section_first() {
        let body =
            "c=IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 0\nc=IN IP6 2001:db8::5\na=rtcp:6001 IN IP4 192.0.2.7";
        section(body, |section| {
            let rtp = section.rtp().expect("an address");
            assert_eq!(rtp.to_string(), "[2001:db8::5]:5000");
            assert_eq!(section.rtcp(rtp).to_string(), "192.0.2.7:6001");
        });
        section("c=IN IP4 224.2.1.1/127\nm=audio 5000 RTP/AVP 0", |s| {
            assert_eq!(s.rtp(), None);
        });
        section("c=IN IP4 phone.invalid\nm=audio 5000 RTP/AVP 0", |s| {
            assert_eq!(s.rtp(), None);
        });
        section("c=IN IP4 192.0.2.1\nm=audio 65535 RTP/AVP 0\na=rtcp:x", |s| {
            let rtp = s.rtp().expect("an address");
            assert_eq!(s.rtcp(rtp).port(), 65535);
        });
    }

    #[test]
    fn direction_is_the_sections_before_the_sessions() {
        let body = "a=inactive\nm=audio 1 RTP/AVP 0";
        section(body, |s| assert_eq!(s.direction(), Direction::Inactive));
        let body = "a=inactive\nm=audio 1 RTP/AVP 0\na=sendonly";
        section(body, |s| assert_eq!(s.direction(), Direction::SendOnly));
        let body = "m=audio 1 RTP/AVP 0\na=maxptime:20.0";
        section(body, |s| {
            assert_eq!(s.direction(), Direction::SendRecv);
            assert_eq!(s.maxptime(), Some(20));
        });
    }
}
