//! What a stream carries, told by SDP or guessed from its packets.
use passline_rtp::{Codec, StreamConfig};
use std::collections::BTreeMap;

/// A payload type that no packet has, for what a stream does not carry.
const NONE: u8 = 255;

/// Name of a static payload type (RFC 3551 §6).
pub fn static_name(payload_type: u8) -> Option<&'static str> {
    Some(match payload_type {
        0 => "PCMU",
        3 => "GSM",
        4 => "G723",
        5 | 6 | 16 | 17 => "DVI4",
        7 => "LPC",
        8 => "PCMA",
        9 => "G722",
        10 | 11 => "L16",
        12 => "QCELP",
        13 => "CN",
        14 => "MPA",
        15 => "G728",
        18 => "G729",
        25 => "CelB",
        26 => "JPEG",
        28 => "nv",
        31 => "H261",
        32 => "MPV",
        33 => "MP2T",
        34 => "H263",
        _ => return None,
    })
}

/// What the payload types of a stream mean.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// Encoding names by payload type, as SDP maps them.
    pub names: BTreeMap<u8, String>,
    /// RTP clock rates in Hz, where they are told.
    pub clock_rates: BTreeMap<u8, u32>,
}

impl Mapping {
    /// Encoding name of a payload type.
    pub fn name(&self, payload_type: u8) -> Option<&str> {
        self.names.get(&payload_type).map(String::as_str).or_else(|| static_name(payload_type))
    }

    /// RTP clock rate of a payload type, 8000 if nothing tells it.
    fn clock_rate(&self, payload_type: u8) -> u32 {
        self.clock_rates.get(&payload_type).copied().unwrap_or(8000)
    }

    /// The codec of ours that a payload type is.
    fn codec(&self, payload_type: u8) -> Option<Codec> {
        let name = self.names.get(&payload_type);
        name.map_or(Codec::from_static(payload_type), |name| {
            Codec::from_map(name, self.clock_rate(payload_type))
        })
    }

    /// The dynamic payload type of comfort noise.
    fn comfort_type(&self) -> Option<u8> {
        self.names.iter().find(|(_, name)| name.eq_ignore_ascii_case("CN")).map(|(pt, _)| *pt)
    }

    fn event_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.names.iter().filter(|(_, name)| name.eq_ignore_ascii_case("telephone-event")).map(|(pt, _)| *pt)
    }
}

/// Whether packets of this encoding repeat what others carried (RFC 2198).
fn is_redundancy(name: &str) -> bool {
    name.eq_ignore_ascii_case("red")
}

/// What was seen of a stream before it is run.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Packets per payload type.
    pub packets: BTreeMap<u8, u64>,
    /// Payload types of which some packet is no telephone-event.
    not_event: BTreeMap<u8, bool>,
}

impl Census {
    /// Counts one packet.
    pub fn count(&mut self, payload_type: u8, payload: &[u8]) {
        *self.packets.entry(payload_type).or_default() += 1;
        // Event, E R volume, duration (RFC 4733 §2.3): four octets, of which the reserved bit is 0.
        let event = payload.len() == 4 && payload[1] & 0x40 == 0 && payload[0] <= 16;
        *self.not_event.entry(payload_type).or_default() |= !event;
    }

    /// The dynamic payload type whose every packet looks like a telephone-event.
    fn guessed_event_type(&self) -> Option<u8> {
        let dynamic = self.packets.iter().filter(|(pt, _)| (96..=127).contains(*pt));
        dynamic.filter(|(pt, _)| !self.not_event[*pt]).max_by_key(|(_, packets)| **packets).map(|(pt, _)| *pt)
    }

    /// The payload type of the audio: the most frequent that is neither event nor comfort noise.
    fn audio_type(&self, event_type: Option<u8>, mapping: &Mapping) -> Option<u8> {
        let is_audio = |name: &str| name != "CN" && !is_redundancy(name);
        let audio = self
            .packets
            .iter()
            .filter(|(pt, _)| Some(**pt) != event_type && mapping.name(**pt).is_none_or(is_audio));
        audio.max_by_key(|(pt, packets)| (**packets, mapping.name(**pt).is_some())).map(|(pt, _)| *pt)
    }

    /// Settings for the engine's stream, and the codec's name for the report.
    pub fn settle(
        &self,
        mapping: &Mapping,
        event_pt: Option<u8>,
        codec: Option<Codec>,
    ) -> (StreamConfig, Option<String>) {
        let told = mapping.event_types().max_by_key(|pt| self.packets.get(pt).copied().unwrap_or(0));
        let redundancy =
            self.packets.keys().find(|pt| mapping.name(**pt).is_some_and(is_redundancy)).copied();
        let event_type = told.or(event_pt).or_else(|| self.guessed_event_type());
        // Where all audio comes in redundant packets, only the description says what it is.
        let told = || mapping.names.keys().copied().find(|pt| mapping.codec(*pt).is_some());
        let audio_type = self.audio_type(event_type, mapping).or_else(|| redundancy.and_then(|_| told()));
        let told = audio_type.and_then(|pt| mapping.name(pt)).map(str::to_owned);
        let by_name = audio_type.and_then(|pt| mapping.codec(pt));
        // The user's word counts where nothing in the capture says otherwise.
        let settled = by_name.or(if told.is_none() { codec } else { None });
        let name = match (settled, told) {
            (Some(codec), _) => Some(codec.label().to_owned()),
            (None, told) => told.or_else(|| audio_type.map(|pt| format!("PT{pt}"))),
        };
        let mut config = StreamConfig {
            codec: settled.unwrap_or(Codec::Pcmu),
            // Of a codec that we lack the packets are counted, and nobody listens.
            payload_type: audio_type.unwrap_or(NONE),
            event_payload_type: event_type,
            event_receive_type: event_type,
            // RFC 4733 §2.1: the same as that of the audio, unless the description says otherwise.
            event_clock: event_type
                .and_then(|pt| mapping.clock_rates.get(&pt).copied())
                .unwrap_or(settled.map_or(8000, |codec| codec.info().clock_rate)),
            comfort_type: mapping.comfort_type(),
            redundancy_type: redundancy,
            ..StreamConfig::default()
        };
        config.digits.events = event_type.is_some();
        config.digits.inband = settled.is_some();
        (config, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_from_audio_of_the_same_kind_of_payload_type() {
        let mut census = Census::default();
        for _ in 0..10 {
            census.count(0, &[0xff; 160]);
            census.count(97, &[5, 10, 0, 160]);
            census.count(98, &[1, 2, 3, 4, 5]);
        }
        let (config, name) = census.settle(&Mapping::default(), None, None);
        assert_eq!((config.event_payload_type, name.as_deref()), (Some(97), Some("PCMU")));
    }

    #[test]
    fn what_sdp_says_comes_before_a_guess_and_a_guess_before_nothing() {
        let mut census = Census::default();
        census.count(100, &[0xd5; 160]);
        census.count(101, &[5, 10, 0, 160]);
        let mapping = |text: &[(u8, &str)]| Mapping {
            names: text.iter().map(|(pt, n)| (*pt, (*n).to_owned())).collect(),
            ..Mapping::default()
        };
        let (config, name) = census.settle(&mapping(&[(100, "pcma"), (101, "telephone-event")]), None, None);
        assert_eq!((config.codec, config.payload_type, name.as_deref()), (Codec::Pcma, 100, Some("PCMA")));
        let (config, name) = census.settle(&Mapping::default(), None, Some(Codec::Pcma));
        assert_eq!((config.codec, config.payload_type, name.as_deref()), (Codec::Pcma, 100, Some("PCMA")));
        let (config, name) = census.settle(&mapping(&[(100, "iLBC")]), None, Some(Codec::Pcma));
        assert_eq!((config.digits.inband, name.as_deref()), (false, Some("iLBC")));
    }
}
