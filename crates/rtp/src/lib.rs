//! RTP, RTCP, jitter buffer, codecs and DTMF digits.
