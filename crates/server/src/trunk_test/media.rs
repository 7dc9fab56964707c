//! What the session description in an answer to OPTIONS means for codecs and keys.
use super::{Finding, Side};
use crate::{
    config::{Trunk, trunk::Dtmf},
    record::printable,
};
use passline_engine::ProbeAnswer;
use passline_rtp::CODECS;
use std::collections::BTreeSet;

/// Codecs and the way of keys.
pub fn judge(trunk: &Trunk, answer: &ProbeAnswer) -> Vec<Finding> {
    if !(200..300).contains(&answer.status) {
        return Vec::new();
    }
    let Some(sdp) = &answer.sdp else {
        return vec![Finding::note(
            "codecs",
            "its answer names no codecs, so they show in a call only: dial 5001 through it, or `passline call` a number there",
        )];
    };
    let theirs = names(&String::from_utf8_lossy(sdp));
    let mut ours: Vec<&str> = match &trunk.codecs {
        Some(codecs) => codecs.iter().map(|codec| codec.0.info().name).collect(),
        None => CODECS.iter().map(|info| info.name).collect(),
    };
    // L16 is there at two rates.
    ours.dedup();
    let has = |name: &str| theirs.iter().any(|other| other.eq_ignore_ascii_case(name));
    let common: Vec<_> = ours.iter().copied().filter(|name| has(name)).collect();
    let listed = theirs.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ");
    let mut findings = Vec::new();
    if common.is_empty() {
        let all: Vec<_> = CODECS.iter().filter(|info| has(info.name)).map(|info| info.label).collect();
        findings.push(match all.as_slice() {
            [] => Finding::bad(
                "codecs",
                Side::Pbx,
                format!("it has {listed}, of which Passline has none"),
                "allow PCMU or PCMA (G.711) for this trunk on the PBX",
            ),
            all => Finding::bad(
                "codecs",
                Side::Passline,
                format!("it has {listed}, of which this trunk's `codecs` allows none"),
                format!("set `codecs: [{}]`", all.join(", ")),
            ),
        });
    } else {
        findings.push(Finding::good("codecs", format!("in common: {}", common.join(", "))));
    }
    let events = has("telephone-event");
    findings.push(match trunk.dtmf {
        Dtmf::Rfc4733 if !events => Finding::bad(
            "keys",
            Side::Pbx,
            "keys are to travel as telephone events (RFC 4733), which it does not have",
            "switch DTMF to RFC 4733 (RFC 2833) for this trunk on the PBX, or set `dtmf: auto` here",
        ),
        Dtmf::Auto if !events => Finding::note(
            "keys",
            "it has no telephone events (RFC 4733), so keys travel as tones; events are surer, if the PBX can be set to them",
        ),
        Dtmf::Inband if events => Finding::note(
            "keys",
            "it has telephone events (RFC 4733), which are surer than the tones that `dtmf: inband` prescribes",
        ),
        _ if events => Finding::good("keys", "it has telephone events (RFC 4733)"),
        _ => Finding::good("keys", "they travel as this trunk's `dtmf` says"),
    });
    findings
}

/// Names of the payload formats of the first audio.
fn names(sdp: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut audio = false;
    let mut formats: Vec<&str> = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            if audio {
                break;
            }
            let mut words = media.split_whitespace();
            audio = words.next() == Some("audio");
            formats = words.skip(2).collect();
            if audio {
                // Static payload types need no mapping (RFC 3551 §6).
                let fixed = [("0", "PCMU"), ("8", "PCMA"), ("9", "G722"), ("18", "G729"), ("3", "GSM")];
                let of = |format: &&str| fixed.iter().find(|(number, _)| number == format);
                names.extend(formats.iter().filter_map(of).map(|(_, name)| (*name).to_owned()));
            }
        } else if audio
            && let Some(map) = line.strip_prefix("a=rtpmap:")
            && let Some((format, encoding)) = map.split_once(' ')
            && formats.contains(&format)
        {
            names.insert(encoding.split('/').next().unwrap_or_default().trim().to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::config::Config;

    fn verdicts(lines: &str, sdp: &str) -> Vec<(Verdict, String)> {
        let text = format!("trunks:\n  - name: pbx\n    host: 192.0.2.20\n{lines}");
        let trunk = Config::parse(&text, "f").unwrap().trunks.remove(0);
        let sdp = Some(sdp.as_bytes().to_vec());
        let answer = ProbeAnswer { status: 200, sdp, ..ProbeAnswer::default() };
        judge(&trunk, &answer)
            .into_iter()
            .map(|finding| (finding.verdict, finding.remedy.unwrap_or_default()))
            .collect()
    }

    const BOTH: &str = "v=0\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

    #[test]
    fn codecs_and_keys_are_compared_with_the_settings() {
        let good = verdicts("", BOTH);
        assert!(good.iter().all(|(verdict, _)| *verdict == Verdict::Good), "{good:?}");
        let only_g729 = verdicts("", "v=0\r\nm=audio 4000 RTP/AVP 18\r\n");
        assert!(only_g729[0].1.contains("PCMU or PCMA"), "{only_g729:?}");
        assert_eq!(only_g729[1].0, Verdict::Note, "tones");
        let ours_too_narrow = verdicts("    codecs: [PCMU]\n", "v=0\r\nm=audio 4000 RTP/AVP 8\r\n");
        assert!(ours_too_narrow[0].1.contains("codecs: [PCMA]"), "{ours_too_narrow:?}");
        let no_events = verdicts("    dtmf: rfc4733\n", "v=0\r\nm=audio 4000 RTP/AVP 0\r\n");
        assert!(no_events[1].1.contains("dtmf: auto"), "{no_events:?}");
        let tones = verdicts("    dtmf: inband\n", BOTH);
        assert_eq!(tones[1].0, Verdict::Note);
    }

    #[test]
    fn names_are_those_of_the_audio() {
        let sdp = "v=0\nm=video 1 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 2 RTP/AVP 0 97\na=rtpmap:97 opus/48000/2\n\
                   a=rtpmap:98 none/8000\nm=audio 3 RTP/AVP 8\n";
        assert_eq!(names(sdp).into_iter().collect::<Vec<_>>(), ["PCMU", "opus"]);
    }
}
