//! Offer/answer (RFC 3264): choices, not text.

use crate::agreement::{Agreement, Capabilities, Codec, Direction, Refusal};
use crate::body;
use crate::crypto::{self, Agreed, Encryption};
use crate::describe::{Audio, Description};
use crate::extended::{self, ExtendedReports};
use crate::media::{Format, Section};

/// The first payload type of telephone-event in our offers, unless a codec of ours has it.
const EVENT_PAYLOAD_TYPE: u8 = 101;
/// The clock rate that telephone-event has beside most codecs, in Hz.
const EVENT_CLOCK_RATE: u32 = 8000;

/// Answers an offer: the answer's octets and what was agreed.
///
/// Every media line is answered in order: the first audio line that can be agreed on with our address, all others
/// with port 0 (RFC 3264 §6). The codec is the first of the offerer's that we have.
///
/// # Errors
/// [`Refusal`] with the SIP status (400 or 488) and a plain sentence.
pub fn answer(offer: &[u8], caps: &Capabilities) -> Result<(Vec<u8>, Agreement), Refusal> {
    let session = body::parse(offer)?;
    let mut description = Description::new(caps);
    let mut agreed: Option<Agreement> = None;
    let mut refusal: Option<Refusal> = None;
    for section in Section::all(&session) {
        let result = match agreed {
            Some(_) => None,
            None => {
                let crypto = || crypto::of_offer(section, &caps.crypto);
                agree(section, caps, crypto)
                    .map_err(|reason| refusal = Some(prefer(refusal.take(), reason)))
                    .ok()
            }
        };
        match result {
            Some(agreement) => {
                let is_agreed = |codec: &&Codec| {
                    codec.name == agreement.codec && codec.clock_rate == agreement.clock_rate
                };
                let codec = caps.codecs.iter().find(is_agreed);
                description.audio(Audio {
                    proto: &section.media.proto,
                    codecs: codec.map(|codec| (agreement.payload_type, codec)).into_iter().collect(),
                    events: agreement
                        .event_receive_type
                        .map(|t| (t, agreement.event_clock_rate))
                        .into_iter()
                        .collect(),
                    redundancy: agreement.redundancy.as_ref(),
                    direction: agreement.direction,
                    rtcp_mux: agreement.rtcp_mux,
                    extended: extended::answer(section),
                    crypto: agreement.crypto.iter().map(Agreed::answer).collect(),
                });
                agreed = Some(agreement);
            }
            None => description.refused(section.media),
        }
    }
    match agreed {
        Some(agreement) => Ok((description.finish(), agreement)),
        None => Err(refusal.unwrap_or_else(|| Refusal::new(488, "No audio was offered."))),
    }
}

/// Our own offer: all our codecs, telephone-event, both directions.
pub fn offer(caps: &Capabilities) -> Vec<u8> {
    let mut description = Description::new(caps);
    description.audio(Audio {
        proto: match caps.crypto.offer {
            Encryption::Required => "RTP/SAVP",
            Encryption::Optional | Encryption::Off => "RTP/AVP",
        },
        codecs: caps.codecs.iter().map(|codec| (codec.payload_type, codec)).collect(),
        events: if caps.events { event_payload_types(caps) } else { Vec::new() },
        redundancy: None,
        direction: Direction::SendRecv,
        rtcp_mux: false,
        // Beside keys it would not fit into a datagram with the rest of an INVITE; unsaid, the same is sent.
        extended: (caps.crypto.offer == Encryption::Off).then(extended::offer),
        crypto: match caps.crypto.offer {
            Encryption::Off => Vec::new(),
            Encryption::Optional | Encryption::Required => crypto::offers(&caps.crypto),
        },
    });
    description.finish()
}

/// What the answer to our [`offer`] agreed on.
///
/// # Errors
/// [`Refusal`] with the SIP status (400 or 488) and a plain sentence.
pub fn accept(answer: &[u8], caps: &Capabilities) -> Result<Agreement, Refusal> {
    let session = body::parse(answer)?;
    let section =
        Section::all(&session).next().ok_or_else(|| Refusal::new(400, "The answer has no media line."))?;
    if section.media.port == 0 {
        return Err(Refusal::new(488, "The other side refused our audio."));
    }
    let mut agreement = agree(section, caps, || crypto::of_answer(section, &caps.crypto))?;
    // We listen on the payload type that we offered, whatever the answer calls its own (RFC 3264 §6.1).
    if agreement.event_payload_type.is_some() {
        let offered = event_payload_types(caps);
        let own = offered.iter().find(|(_, rate)| *rate == agreement.event_clock_rate);
        agreement.event_receive_type = own.map(|(payload_type, _)| *payload_type);
    }
    Ok(agreement)
}

/// Telephone-event for each clock rate of our codecs (RFC 4733 §2.1): the free payload types from 101 up.
fn event_payload_types(caps: &Capabilities) -> Vec<(u8, u32)> {
    let mut rates: Vec<u32> = Vec::new();
    for codec in &caps.codecs {
        if !rates.contains(&codec.clock_rate) {
            rates.push(codec.clock_rate);
        }
    }
    let free = (EVENT_PAYLOAD_TYPE..=127)
        .filter(|number| caps.codecs.iter().all(|codec| codec.payload_type != *number));
    free.zip(rates).collect()
}

/// What can be agreed on in one section.
fn agree(
    section: Section<'_>,
    caps: &Capabilities,
    crypto: impl FnOnce() -> Result<Option<Agreed>, Refusal>,
) -> Result<Agreement, Refusal> {
    if !section.is_live_audio() {
        return Err(Refusal::new(488, "No audio was offered."));
    }
    let crypto = crypto()?;
    let formats = section.formats();
    let (format, codec) = formats
        .iter()
        .find_map(|format| Some((format, ours(format, caps)?)))
        .ok_or_else(|| no_common_codec(&formats, caps))?;
    let remote_rtp = section.rtp().ok_or_else(|| {
        Refusal::new(488, "The audio line has no usable address: an IP address of one host is needed.")
    })?;
    let named = |name: &str, rate: u32| {
        formats.iter().find(|format| format.name.eq_ignore_ascii_case(name) && format.clock_rate == rate)
    };
    // Not a few peers have telephone-event at 8000 Hz only, whatever the codec.
    let event = named("telephone-event", codec.clock_rate)
        .or_else(|| named("telephone-event", EVENT_CLOCK_RATE))
        .filter(|_| caps.events);
    let event_clock_rate = event.map_or(EVENT_CLOCK_RATE, |event| event.clock_rate);
    let event = event.map(|event| event.payload_type);
    let rtcp_mux = section.rtcp_mux();
    Ok(Agreement {
        codec: codec.name.clone(),
        payload_type: format.payload_type,
        clock_rate: codec.clock_rate,
        event_payload_type: event,
        event_receive_type: event,
        event_clock_rate,
        comfort: named("CN", codec.clock_rate).map(|comfort| comfort.payload_type),
        redundancy: section.redundancy(codec.clock_rate, format.payload_type, event),
        remote_rtp,
        remote_rtcp: match rtcp_mux {
            true => remote_rtp,
            false => section.rtcp(remote_rtp),
        },
        ptime: section.ptime().unwrap_or(caps.ptime).min(section.maxptime().unwrap_or(u8::MAX)).clamp(10, 60),
        direction: section.direction().mirrored(),
        rtcp_mux,
        extended: ExtendedReports::of(section),
        crypto,
    })
}

fn ours<'a>(format: &Format, caps: &'a Capabilities) -> Option<&'a Codec> {
    caps.codecs.iter().find(|codec| {
        codec.name.eq_ignore_ascii_case(&format.name)
            && codec.clock_rate == format.clock_rate
            && (format.channels <= 1 || format.channels == u32::from(codec.channels))
    })
}

fn no_common_codec(formats: &[Format], caps: &Capabilities) -> Refusal {
    let names = |list: Vec<&str>| match list.len() {
        0 => "none".to_owned(),
        _ => list.join(", "),
    };
    let theirs: Vec<&str> = formats
        .iter()
        .filter(|format| !format.name.eq_ignore_ascii_case("telephone-event"))
        .map(|format| format.name.as_str())
        .take(12)
        .collect();
    let ours = caps.codecs.iter().map(|codec| codec.name.as_str()).collect();
    let sentence = format!("No common codec: offered {}, supported {}.", names(theirs), names(ours));
    Refusal::new(488, sentence)
}

/// The reason worth telling: what hindered audio, before that something was not audio.
fn prefer(before: Option<Refusal>, now: Refusal) -> Refusal {
    match before {
        Some(before) if before.sentence != "No audio was offered." => before,
        _ => now,
    }
}
