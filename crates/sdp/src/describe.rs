//! Writes our descriptions.

use sdp_types::{Connection, Media, Origin, Session, Time};

use crate::agreement::{Capabilities, Codec, Direction};

/// The events that we understand: the sixteen digits.
const EVENTS: &str = "0-15";
/// Longest packet time that we take, in milliseconds.
const MAXPTIME: &str = "60";

/// The audio line of a description of ours.
#[derive(Debug)]
pub(crate) struct Audio<'a> {
    pub(crate) proto: &'a str,
    /// Payload types and their codecs in order.
    pub(crate) codecs: Vec<(u8, &'a Codec)>,
    /// Telephone-events: payload types and clock rates.
    pub(crate) events: Vec<(u8, u32)>,
    /// Redundant packets: payload type and format list.
    pub(crate) redundancy: Option<&'a (u8, String)>,
    pub(crate) direction: Direction,
    pub(crate) rtcp_mux: bool,
    /// Value of the `a=rtcp-xr` line, if there is one.
    pub(crate) extended: Option<String>,
    /// Values of the `a=crypto` lines.
    pub(crate) crypto: Vec<String>,
}

/// A description in the making.
#[derive(Debug)]
pub(crate) struct Description<'a> {
    caps: &'a Capabilities,
    session: Session,
}

fn media(kind: &str, port: u16, proto: &str, formats: String) -> Media {
    Media {
        media: kind.into(),
        port,
        num_ports: None,
        proto: proto.into(),
        fmt: formats,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

impl<'a> Description<'a> {
    pub(crate) fn new(caps: &'a Capabilities) -> Self {
        let mut origin = Origin::with_ip_addr(caps.session_id, caps.session_version, caps.address);
        origin.set_username("passline");
        let mut session = Session::new(origin, "-");
        session.set_connection(Connection::from_ip_addr(caps.address));
        session.add_time(Time::new(0, 0));
        Description { caps, session }
    }

    /// The line that was agreed on, or that we offer.
    pub(crate) fn audio(&mut self, audio: Audio<'_>) {
        let types = audio.codecs.iter().map(|(payload_type, _)| *payload_type);
        let formats: Vec<String> = types
            .chain(audio.events.iter().map(|(t, _)| *t))
            .chain(audio.redundancy.map(|(t, _)| *t))
            .map(|t| t.to_string())
            .collect();
        let mut line = media("audio", self.caps.rtp_port, audio.proto, formats.join(" "));
        let mut clock_rate = 8000;
        for (payload_type, codec) in audio.codecs {
            clock_rate = codec.clock_rate;
            let channels = if codec.channels > 1 { format!("/{}", codec.channels) } else { String::new() };
            let map = format!("{payload_type} {}/{clock_rate}{channels}", codec.name);
            line.add_attribute_with_value("rtpmap", map);
            if let Some(parameters) = &codec.fmtp {
                line.add_attribute_with_value("fmtp", format!("{payload_type} {parameters}"));
            }
        }
        for (event, rate) in audio.events {
            line.add_attribute_with_value("rtpmap", format!("{event} telephone-event/{rate}"));
            line.add_attribute_with_value("fmtp", format!("{event} {EVENTS}"));
        }
        if let Some((redundancy, list)) = audio.redundancy {
            line.add_attribute_with_value("rtpmap", format!("{redundancy} red/{clock_rate}"));
            line.add_attribute_with_value("fmtp", format!("{redundancy} {list}"));
        }
        line.add_attribute_with_value("ptime", self.caps.ptime);
        line.add_attribute_with_value("maxptime", MAXPTIME);
        line.add_attribute_from_str(audio.direction.as_str());
        if audio.rtcp_mux {
            line.add_attribute_from_str("rtcp-mux");
        }
        if let Some(extended) = &audio.extended {
            line.add_attribute_with_value("rtcp-xr", extended);
        }
        for crypto in &audio.crypto {
            line.add_attribute_with_value("crypto", crypto);
        }
        self.session.add_media(line);
    }

    /// A line of the offer that we do not take: the same with port 0 (RFC 3264 §6).
    pub(crate) fn refused(&mut self, offered: &Media) {
        let line = media(&offered.media, 0, &offered.proto, offered.fmt.clone());
        self.session.add_media(line);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(512);
        // Writing to memory does not fail.
        let _ = self.session.write(&mut octets);
        octets
    }
}
