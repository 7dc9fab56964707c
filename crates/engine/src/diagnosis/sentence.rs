//! The sentences.
use super::Diagnosis;
use std::fmt;

impl Diagnosis {
    /// What happened, on which side, and what to change: one sentence.
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Diagnosis as D;
        match self {
            D::UnknownNumber { number } => write!(
                f,
                "Number {number} leads nowhere in Passline for this caller: dial the number of a flow, or give the \
                 caller's trunk or device the right to dial extensions or routes, or correct the number that the PBX \
                 sends (`rewrite_in`)."
            ),
            D::NotAllowed { number, who } => write!(
                f,
                "{who} may not dial {number}: if it should, widen what that trunk or device may reach in Passline's \
                 configuration."
            ),
            D::NoCommonCodec { detail } => write!(
                f,
                "The PBX or telephone and Passline have no codec in common ({detail}): enable PCMU or PCMA (G.711) \
                 there, or correct `codecs` of the trunk here."
            ),
            D::OnlyEncrypted => f.write_str(
                "The PBX or telephone offers encrypted audio (SRTP) only, which is off here: set `srtp: optional` for \
                 this trunk or telephone, or allow plain RTP there.",
            ),
            D::OnlyPlain => f.write_str(
                "The PBX or telephone has plain audio only, and `srtp: required` is set here: switch SRTP (SDES) on \
                 there, or set `srtp: optional` for this trunk or telephone.",
            ),
            D::UnknownEncryption { detail } => write!(
                f,
                "The PBX or telephone encrypts audio in a way that Passline does not have ({detail}): choose SRTP with \
                 keys by SDES there, and AES_CM_128_HMAC_SHA1_80."
            ),
            D::PeerNoEncryption { callee, status } => write!(
                f,
                "{callee} does not take encrypted audio ({status}), and `srtp: required` is set here: switch SRTP \
                 (SDES) on there, or set `srtp: optional` for this trunk or telephone."
            ),
            D::BadDescription { detail } => write!(
                f,
                "The session description (SDP) that the PBX or telephone sent cannot be read ({detail}): look for a \
                 device in between that rewrites SDP, such as the SIP ALG of a router, and switch that off."
            ),
            D::UnsupportedExtension => f.write_str(
                "The PBX requires a SIP extension that Passline does not have (see Require in its INVITE): set it from \
                 required to supported there.",
            ),
            D::SessionTooShort => f.write_str(
                "The PBX or telephone asked for a session timer shorter than Passline allows and did not come back with a \
                 longer one: raise Session-Expires there to the Min-SE of the 422 in the ladder.",
            ),
            D::BadRequest { status, reason } => write!(
                f,
                "The INVITE of the PBX or telephone was at fault ({status} {reason}): correct or update that device, or \
                 switch off the SIP ALG of a router in between."
            ),
            D::Full { limit } => write!(
                f,
                "All {limit} calls that Passline may hold at once were in use: raise `max_calls` here, or let fewer \
                 callers through."
            ),
            D::TrunkFull { trunk, limit } => write!(
                f,
                "All {limit} calls that trunk {trunk} may hold at once were in use: raise its `max_calls` here, or let \
                 the PBX send fewer."
            ),
            D::Overloaded { busy, limit } => write!(
                f,
                "Passline's media threads were busy for {busy} % of the time, and from {limit} % on calls in progress go before \
                 new ones: give it more cores and `rtp.shards`, set `shared_ports` for a PBX without NAT, or let fewer \
                 callers through."
            ),
            D::NoPort => f.write_str(
                "Passline found no free RTP port: widen its range of RTP ports, or end the program that uses them on \
                 this host.",
            ),
            D::Draining => f.write_str(
                "Passline was being shut down and took no new calls: call again when it runs, or let the PBX use its \
                 second trunk meanwhile.",
            ),
            D::NoCredentials { source } => write!(
                f,
                "The PBX or telephone at {source} was asked for user and password and sent none: enter them there, or \
                 add its address to the networks of a trunk here."
            ),
            D::WrongCredentials { source, account } => write!(
                f,
                "The PBX or telephone at {source} did not prove to be {account}: correct user and password there, or \
                 the password of that account here."
            ),
            D::NotRegistered { extension } => write!(
                f,
                "Extension {extension} is known but no telephone is registered for it: look at that telephone's \
                 registration (user, password, this server's address)."
            ),
            D::Loop { number } => write!(
                f,
                "The call to {number} came round in a circle between the PBX and Passline: correct the route of that \
                 number on one of the two sides."
            ),
            D::NoAck { peer } => write!(
                f,
                "Passline answered, but no ACK came from {peer}: the answer does not reach the PBX or its ACK does not \
                 come back, so check NAT, firewall and the addresses in its Contact and Record-Route."
            ),
            D::NoAnswer { detail } => write!(
                f,
                "The call was taken, but the other side's ACK or 200 brought no usable session description \
                 ({detail}): let the PBX send its offer in the INVITE (early offer), and enable PCMU or PCMA there."
            ),
            D::NoMedia { peer: Some(peer) } => write!(
                f,
                "No audio packet went either way although {peer} had been agreed on: check that the PBX or telephone \
                 sends, and that the firewall lets UDP of Passline's RTP range through."
            ),
            D::NoMedia { peer: None } => f.write_str(
                "No audio packet went either way, because the other side named no usable address for it: correct its \
                 media address (NAT setting) in the PBX or telephone.",
            ),
            D::OneWayAudio { port, peer } => write!(
                f,
                "Passline sent audio to {peer} and got none on its UDP port {port}: let the firewall pass UDP to \
                 Passline's RTP range, and check the media address that Passline announces."
            ),
            D::WrongSource { announced, heard } => write!(
                f,
                "Audio came from {heard} but {announced} had been announced, so it was dropped: the PBX or telephone \
                 is behind NAT, so let it announce its outside address or send media and signalling from one address."
            ),
            D::WrongKeys { packets } => write!(
                f,
                "{packets} packets of encrypted audio came and not one was under the key that had been agreed on: a \
                 device in between rewrites the keys of SRTP in SDP, or somebody else sends."
            ),
            D::MediaStopped { after } => write!(
                f,
                "The audio of the caller ended in mid-call and nothing came for {} s: the telephone lost its network, \
                 or the PBX suppresses silence without comfort noise (switch that off, or raise `media_timeout`).",
                after.as_secs()
            ),
            D::NoDigits { events: true } => f.write_str(
                "Audio came but no key in the whole call: telephone-event had been agreed on, so if the caller did \
                 press keys, the PBX does not pass them on (set its DTMF mode to RFC 4733/2833).",
            ),
            D::NoDigits { events: false } => f.write_str(
                "Audio came but no key in the whole call, and telephone-event was not offered: if the caller did press \
                 keys, set the DTMF mode of the PBX to RFC 4733/2833.",
            ),
            D::DialogLost => f.write_str(
                "The PBX or telephone no longer knew the call or did not answer in it (481 or 408): it was restarted, \
                 or a device in between has forgotten the connection.",
            ),
            D::SessionExpired => f.write_str(
                "The session timer ran out because the other side did not refresh the call: correct session timers in \
                 the PBX (RFC 4028), or set the refresher to Passline.",
            ),
            D::TransportFailed { transport, peer } => write!(
                f,
                "The {transport} path to {peer} broke or could not be made: check that the PBX listens there, and the \
                 firewall in between."
            ),
            D::TlsFailed { peer, detail } => write!(
                f,
                "TLS with {peer} could not be agreed on ({detail}): check its certificate (name, expiry, authority) against what \
                 the trunk trusts here."
            ),
            D::DnsFailed { uri, detail } => write!(
                f,
                "No address was found for {uri} ({detail}): correct the host name in the trunk here, or the DNS \
                 records (NAPTR, SRV, A, AAAA) of that name."
            ),
            D::NoReply { peer } => write!(
                f,
                "Nothing at {peer} answered our INVITE: check address, port and transport of the trunk here, and that \
                 the PBX and the firewall let SIP from Passline in."
            ),
            D::Busy { callee } => write!(f, "{callee} was busy: nothing is to be changed."),
            D::NotFound { callee, status } => write!(
                f,
                "The PBX has no number {callee} ({status}): correct the number, or how it is written for that trunk \
                 (`rewrite_out`)."
            ),
            D::Declined { callee } => write!(f, "{callee} declined the call: nothing is to be changed."),
            D::NotAnswered { callee } => write!(
                f,
                "{callee} did not answer in time: nobody was there, or the telephone is not reachable from the PBX."
            ),
            D::PeerForbids { callee, status, credentials: true } => write!(
                f,
                "The PBX refused our user and password for the call to {callee} ({status}): correct the credentials of \
                 the trunk here."
            ),
            D::PeerForbids { callee, status, credentials: false } => write!(
                f,
                "The PBX does not take calls to {callee} from Passline without more ado ({status}): give the trunk \
                 credentials here, or allow Passline's address there."
            ),
            D::RegistrationRefused { registrar, status: 404, .. } => write!(
                f,
                "{registrar} does not know the address of record that Passline registers (404): correct it in the \
                 trunk here, or create that user there."
            ),
            D::RegistrationRefused { registrar, status, credentials: true } => write!(
                f,
                "{registrar} refused Passline's registration ({status}): correct user and password of the trunk here."
            ),
            D::RegistrationRefused { registrar, status, credentials: false } => write!(
                f,
                "{registrar} wants user and password for Passline's registration ({status}) and the trunk has none: \
                 add them here."
            ),
            D::PeerNoCodec { callee, status } => write!(
                f,
                "{callee} takes none of the codecs that Passline offers ({status}): enable PCMU or PCMA (G.711) there, \
                 or correct `codecs` of the trunk here."
            ),
            D::PeerFailed { callee, status, reason } => write!(
                f,
                "The PBX failed on the call to {callee} ({status} {reason}): look into its log, as the fault is on its \
                 side."
            ),
            D::PeerRefused { callee, status, reason } => write!(
                f,
                "The PBX refused the call to {callee} ({status} {reason}): look into its log for what it minds."
            ),
            D::TrunkDown { trunk } => write!(
                f,
                "Trunk {trunk} does not answer: check that the PBX runs and that the network to it stands, or add a \
                 second route for the number."
            ),
            D::Cancelled { after } => write!(
                f,
                "The caller hung up after {} s of ringing, before the call was answered: nothing is to be changed.",
                after.as_secs()
            ),
            D::SetupTimeout => f.write_str(
                "The call was not set up in the time allowed: raise `setup_timeout` here if the other side may ring \
                 longer.",
            ),
            D::TooLong { limit } => write!(
                f,
                "The call reached the longest time allowed, {} min, and was ended: raise `max_call` here if calls may \
                 last longer.",
                limit.as_secs() / 60
            ),
            D::TransferFailed { target, status } => write!(
                f,
                "The transfer to {target} failed ({status}): check that number, and whether the PBX lets Passline \
                 transfer to it."
            ),
            D::FlowFailed => f.write_str(
                "The flow could not go on and ended the call: `passline check` and Passline's log say which prompt or \
                 service is missing.",
            ),
            D::ShutDown => {
                f.write_str("The call was ended because Passline was stopped: nothing is to be changed.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn all() -> Vec<Diagnosis> {
        use Diagnosis as D;
        let peer = "192.0.2.1:5060".parse().expect("an address");
        let text = || "5000".to_owned();
        let time = Duration::from_secs(90);
        vec![
            D::UnknownNumber { number: text() },
            D::NotAllowed { number: text(), who: "trunk a".into() },
            D::NoCommonCodec { detail: "offered G729".into() },
            D::OnlyEncrypted,
            D::OnlyPlain,
            D::UnknownEncryption { detail: "offered F8".into() },
            D::PeerNoEncryption { callee: text(), status: 488 },
            D::BadDescription { detail: "no media line".into() },
            D::UnsupportedExtension,
            D::SessionTooShort,
            D::BadRequest { status: 400, reason: "Bad Request".into() },
            D::Full { limit: 9 },
            D::TrunkFull { trunk: "a".into(), limit: 9 },
            D::Overloaded { busy: 91, limit: 85 },
            D::NoPort,
            D::Draining,
            D::NoCredentials { source: peer },
            D::WrongCredentials { source: peer, account: text() },
            D::NotRegistered { extension: text() },
            D::Loop { number: text() },
            D::NoAck { peer },
            D::NoAnswer { detail: "none".into() },
            D::NoMedia { peer: Some(peer) },
            D::NoMedia { peer: None },
            D::OneWayAudio { port: 16384, peer },
            D::WrongSource { announced: peer, heard: peer },
            D::WrongKeys { packets: 9 },
            D::MediaStopped { after: time },
            D::NoDigits { events: true },
            D::NoDigits { events: false },
            D::DialogLost,
            D::SessionExpired,
            D::TransportFailed { transport: "TCP", peer },
            D::TlsFailed { peer, detail: "unknown issuer".into() },
            D::DnsFailed { uri: "sip:a".into(), detail: "no record".into() },
            D::NoReply { peer },
            D::Busy { callee: text() },
            D::NotFound { callee: text(), status: 404 },
            D::Declined { callee: text() },
            D::NotAnswered { callee: text() },
            D::PeerForbids { callee: text(), status: 403, credentials: true },
            D::PeerForbids { callee: text(), status: 403, credentials: false },
            D::RegistrationRefused { registrar: text(), status: 403, credentials: true },
            D::RegistrationRefused { registrar: text(), status: 401, credentials: false },
            D::RegistrationRefused { registrar: text(), status: 404, credentials: false },
            D::PeerNoCodec { callee: text(), status: 488 },
            D::PeerFailed { callee: text(), status: 500, reason: "x".into() },
            D::PeerRefused { callee: text(), status: 402, reason: "x".into() },
            D::TrunkDown { trunk: "a".into() },
            D::Cancelled { after: time },
            D::SetupTimeout,
            D::TooLong { limit: time },
            D::TransferFailed { target: text(), status: 603 },
            D::FlowFailed,
            D::ShutDown,
        ]
    }

    #[test]
    fn each_cause_has_one_whole_sentence_of_its_own() {
        let all = all();
        let sentences: std::collections::BTreeSet<String> = all.iter().map(Diagnosis::sentence).collect();
        assert_eq!(sentences.len(), all.len());
        let codes: std::collections::BTreeSet<&str> = all.iter().map(Diagnosis::code).collect();
        assert!(codes.len() >= 40, "{}", codes.len());
        for sentence in sentences {
            assert!(sentence.ends_with('.'), "{sentence}");
            assert_eq!(sentence.matches(". ").count(), 0, "one sentence: {sentence}");
            assert!(!sentence.contains("  ") && sentence.len() < 300, "{sentence}");
        }
    }
}
