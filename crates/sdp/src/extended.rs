//! Extended reports of RTCP in session descriptions (`a=rtcp-xr`, RFC 3611 §5).

use crate::media::Section;

/// The extended reports that we may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedReports {
    /// VoIP metrics (RFC 3611 §4.7).
    pub metrics: bool,
    /// Receiver reference time and the delay since the other side's (RFC 3611 §4.4, §4.5).
    pub round_trip: bool,
    /// The delay is told only while we send (`rcvr-rtt=sender`, RFC 3611 §5.1).
    pub senders_only: bool,
}

impl ExtendedReports {
    /// All that we have. It also holds where nothing is said: who does not know extended reports passes them over
    /// (RFC 3550 §6.1).
    const ALL: ExtendedReports = ExtendedReports { metrics: true, round_trip: true, senders_only: false };
    const NONE: ExtendedReports = ExtendedReports { metrics: false, round_trip: false, senders_only: false };

    /// What the other side's description allows. A line that names none forbids all of them (RFC 3611 §5.1).
    pub(crate) fn of(section: Section<'_>) -> ExtendedReports {
        ExtendedReports::named(section).unwrap_or(ExtendedReports::ALL)
    }

    /// What is named that we have, whatever else is; `None` where nothing is said.
    fn named(section: Section<'_>) -> Option<ExtendedReports> {
        let lines = section.extended_reports()?;
        let mut named = ExtendedReports::NONE;
        for format in lines.flat_map(str::split_whitespace) {
            // A size may follow (`rcvr-rtt=all:10000`), which bounds blocks of many sub-blocks; ours has one.
            let name = format.split(':').next().unwrap_or(format);
            if name.eq_ignore_ascii_case("voip-metrics") {
                named.metrics = true;
            } else if name.eq_ignore_ascii_case("rcvr-rtt=all") {
                (named.round_trip, named.senders_only) = (true, false);
            } else if name.eq_ignore_ascii_case("rcvr-rtt=sender") && !named.round_trip {
                (named.round_trip, named.senders_only) = (true, true);
            }
        }
        Some(named)
    }

    /// The value of the line that names these.
    fn line(self) -> String {
        let round_trip = match (self.round_trip, self.senders_only) {
            (false, _) => None,
            (true, false) => Some("rcvr-rtt=all"),
            (true, true) => Some("rcvr-rtt=sender"),
        };
        let names: Vec<&str> = self.metrics.then_some("voip-metrics").into_iter().chain(round_trip).collect();
        names.join(" ")
    }
}

/// The value of the line in an offer of ours: all that we have.
pub(crate) fn offer() -> String {
    ExtendedReports::ALL.line()
}

/// The value of the line in our answer: what the offer named and we have (RFC 3611 §5.2); none if the offer has none.
pub(crate) fn answer(section: Section<'_>) -> Option<String> {
    ExtendedReports::named(section).map(ExtendedReports::line)
}

#[cfg(test)]
mod tests {
    use crate::{Capabilities, Encryption, ExtendedReports, accept, answer};
    use std::net::Ipv4Addr;

    fn offering(session: &str, line: &str) -> Vec<u8> {
        format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{session}m=audio 4000 RTP/AVP 0\r\n{line}").into_bytes()
    }

    #[test]
    fn an_answer_names_what_was_offered_and_we_have() {
        let caps = Capabilities::new(Ipv4Addr::new(192, 0, 2, 9).into(), 16384, 1);
        let rows = [
            ("", "", None, (true, true, false)),
            ("", "a=rtcp-xr:voip-metrics\r\n", Some("voip-metrics"), (true, false, false)),
            (
                "",
                "a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n",
                Some("voip-metrics rcvr-rtt=all"),
                (true, true, false),
            ),
            ("", "a=rtcp-xr:rcvr-rtt=sender\r\n", Some("rcvr-rtt=sender"), (false, true, true)),
            ("", "a=rtcp-xr:rcvr-rtt=all rcvr-rtt=sender\r\n", Some("rcvr-rtt=all"), (false, true, false)),
            (
                "",
                "a=rtcp-xr:rcvr-rtt=sender:8  rcvr-rtt=all\r\na=rtcp-xr: voip-metrics \r\n",
                Some("voip-metrics rcvr-rtt=all"),
                (true, true, false),
            ),
            ("", "a=rtcp-xr:rcvr-rtt=never rcvr-rtt = :: =\r\n", Some(""), (false, false, false)),
            ("", "a=rtcp-xr:pkt-loss-rle\r\n", Some(""), (false, false, false)),
            ("", "a=rtcp-xr:\r\n", Some(""), (false, false, false)),
            ("", "a=rtcp-xr\r\n", Some(""), (false, false, false)),
            ("a=rtcp-xr:VOIP-METRICS\r\n", "", Some("voip-metrics"), (true, false, false)),
            ("a=rtcp-xr:voip-metrics\r\n", "a=rtcp-xr:\r\n", Some(""), (false, false, false)),
        ];
        for (session, line, told, allowed) in rows {
            let (sdp, agreement) = answer(&offering(session, line), &caps).expect("agreed");
            let sdp = String::from_utf8(sdp).expect("text");
            let ours: Vec<&str> = sdp.lines().filter(|line| line.starts_with("a=rtcp-xr")).collect();
            assert_eq!(ours, told.map(|told| format!("a=rtcp-xr:{told}")).as_slice(), "{session}{line}");
            let ExtendedReports { metrics, round_trip, senders_only } = agreement.extended;
            assert_eq!((metrics, round_trip, senders_only), allowed, "{session}{line}");
        }
    }

    #[test]
    fn our_offer_names_ours_and_the_answer_limits_them() {
        let caps = Capabilities::new(Ipv4Addr::new(192, 0, 2, 9).into(), 16384, 1);
        let text = String::from_utf8(crate::offer(&caps)).expect("text");
        assert!(text.contains("\r\na=rtcp-xr:voip-metrics rcvr-rtt=all\r\n"), "{text}");
        for (line, allowed) in [
            ("a=rtcp-xr:voip-metrics\r\n", (true, false)),
            ("a=rtcp-xr:rcvr-rtt=all\r\n", (false, true)),
            ("a=rtcp-xr:\r\n", (false, false)),
            // An answer of one who does not know the attribute.
            ("", (true, true)),
        ] {
            let agreed = accept(&offering("", line), &caps).expect("agreed");
            assert_eq!((agreed.extended.metrics, agreed.extended.round_trip), allowed, "{line}");
        }
    }

    #[test]
    fn an_offer_with_keys_leaves_the_line_out() {
        let mut caps = Capabilities::new(Ipv4Addr::new(192, 0, 2, 9).into(), 16384, 1);
        for offer in [Encryption::Optional, Encryption::Required] {
            caps.crypto.offer = offer;
            let text = String::from_utf8(crate::offer(&caps)).expect("text");
            assert!(!text.contains("rtcp-xr"), "{text}");
        }
    }

    #[test]
    fn two_of_us_agree_on_all_of_them() {
        let caps = Capabilities::new(Ipv4Addr::new(192, 0, 2, 9).into(), 16384, 1);
        let (answered, there) = answer(&crate::offer(&caps), &caps).expect("agreed");
        let here = accept(&answered, &caps).expect("agreed");
        assert_eq!((here.extended, there.extended), (ExtendedReports::ALL, ExtendedReports::ALL));
    }
}
