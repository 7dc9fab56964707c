//! Decoders and encoders of one stream.

use super::{CODECS, Codec, Coding, DYNAMIC};

/// The decoder of a codec with state, for one stream. No allocation after it is made.
pub trait Decode: std::fmt::Debug + Send {
    /// Samples (8000 Hz) of a packet from sample `from` on, as many as fit; returns how many there are.
    ///
    /// Packets come in order, and each from its beginning to its end.
    fn decode(&mut self, payload: &[u8], from: usize, samples: &mut [i16]) -> usize;

    /// Makes up the samples of one lost packet before `next`, from `next` if it tells of them (RFC 6716 §2.1.7).
    /// False if the codec has nothing better to offer than any concealment.
    fn recover(&mut self, _next: &[u8], _samples: &mut [i16]) -> bool {
        false
    }
}

/// The encoder of a codec with state, for one stream. No allocation after it is made.
pub trait Encode: std::fmt::Debug + Send {
    /// Encodes one packet of samples (8000 Hz); returns the octets written, 0 if they do not fit.
    fn encode(&mut self, samples: &[i16], octets: &mut [u8]) -> usize;
}

/// Decodes the packets of one stream in one codec.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    state: Option<Box<dyn Decode>>,
}

impl Codec {
    /// A decoder for one stream.
    pub fn decoder(self) -> Decoder {
        let state = match self.info().coding {
            Coding::Law { .. } => None,
            Coding::State { decoder, .. } => Some(decoder()),
        };
        Decoder { codec: self, state }
    }

    /// An encoder for one stream.
    pub fn encoder(self) -> Encoder {
        let state = match self.info().coding {
            Coding::Law { .. } => None,
            Coding::State { encoder, .. } => Some(encoder()),
        };
        Encoder { codec: self, state }
    }
}

impl Decoder {
    /// Samples (8000 Hz) of the next packet from sample `from` on, as many as fit; returns how many there are.
    pub fn decode(&mut self, payload: &[u8], from: usize, samples: &mut [i16]) -> usize {
        match &mut self.state {
            None => self.codec.decode(payload.get(from..).unwrap_or(&[]), samples),
            Some(state) => state.decode(payload, from, samples),
        }
    }
}

/// Encodes the packets of one stream in one codec.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    state: Option<Box<dyn Encode>>,
}

impl Encoder {
    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Encodes one packet of samples (8000 Hz); returns the octets written, 0 if they do not fit.
    pub fn encode(&mut self, samples: &[i16], octets: &mut [u8]) -> usize {
        match &mut self.state {
            None => self.codec.encode(samples, octets),
            Some(state) => state.encode(samples, octets),
        }
    }
}

/// The decoders of one consumer of a stream: of the codec agreed on, and of all with a static payload type, since a
/// peer may send what it likes of these.
#[derive(Debug)]
pub(crate) struct Decoders {
    states: Vec<(Codec, Box<dyn Decode>)>,
}

impl Decoders {
    pub(crate) fn new(codec: Codec) -> Self {
        let mut decoders = Decoders { states: Vec::new() };
        decoders.admit(codec);
        CODECS.iter().filter(|info| info.payload_type < DYNAMIC).for_each(|info| decoders.admit(info.codec));
        decoders
    }

    /// Makes the decoder of a codec, if it needs one: not in a tick.
    pub(crate) fn admit(&mut self, codec: Codec) {
        if let Coding::State { decoder, .. } = codec.info().coding
            && self.states.iter().all(|(known, _)| *known != codec)
        {
            self.states.push((codec, decoder()));
        }
    }

    /// As [`Decoder::decode`], for packets of any admitted codec; others give nothing.
    pub(crate) fn decode(&mut self, codec: Codec, payload: &[u8], from: usize, samples: &mut [i16]) -> usize {
        if let Coding::Law { decode, .. } = codec.info().coding {
            return decode(payload.get(from..).unwrap_or(&[]), samples);
        }
        self.state(codec).map_or(0, |state| state.decode(payload, from, samples))
    }

    /// As [`Decode::recover`].
    pub(crate) fn recover(&mut self, codec: Codec, next: &[u8], samples: &mut [i16]) -> bool {
        self.state(codec).is_some_and(|state| state.recover(next, samples))
    }

    fn state(&mut self, codec: Codec) -> Option<&mut Box<dyn Decode>> {
        self.states.iter_mut().find(|(known, _)| *known == codec).map(|(_, state)| state)
    }
}
