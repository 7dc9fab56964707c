//! Header field names: case-insensitive, with the compact forms of RFC 3261 §7.3.3 and its successors.

macro_rules! names {
    ($($variant:ident $long:literal $compact:literal),* $(,)?) => {
        /// A header field name that this stack looks at; all others are `Other`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Name {
            $(#[doc = $long] $variant,)*
            /// Any other name.
            Other,
        }

        impl Name {
            /// Recognises a name as it stands on the wire, without white space around it.
            pub fn from_bytes(name: &[u8]) -> Name {
                $(if name.eq_ignore_ascii_case($long.as_bytes())
                    || (!$compact.is_empty() && name.eq_ignore_ascii_case($compact.as_bytes())) { return Name::$variant; })*
                Name::Other
            }

            /// The long form; empty for `Other`.
            pub fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $long,)* Name::Other => "" }
            }
        }
    };
}

names! {
    Via "Via" "v", From "From" "f", To "To" "t", CallId "Call-ID" "i", CSeq "CSeq" "", Contact "Contact" "m",
    MaxForwards "Max-Forwards" "", ContentLength "Content-Length" "l", ContentType "Content-Type" "c",
    ContentEncoding "Content-Encoding" "e", ContentDisposition "Content-Disposition" "", Route "Route" "",
    RecordRoute "Record-Route" "", Require "Require" "", ProxyRequire "Proxy-Require" "", Supported "Supported" "k",
    Allow "Allow" "", Accept "Accept" "", UserAgent "User-Agent" "", Server "Server" "", Reason "Reason" "",
    RetryAfter "Retry-After" "", SessionExpires "Session-Expires" "x", MinSe "Min-SE" "", InfoPackage "Info-Package" "",
    Diversion "Diversion" "", AssertedIdentity "P-Asserted-Identity" "", Subject "Subject" "s", Event "Event" "o",
    ReferTo "Refer-To" "r", Unsupported "Unsupported" "", Authorization "Authorization" "",
    ProxyAuthorization "Proxy-Authorization" "", WwwAuthenticate "WWW-Authenticate" "",
    ProxyAuthenticate "Proxy-Authenticate" "", MinExpires "Min-Expires" "", Path "Path" "",
    ServiceRoute "Service-Route" "",
    PreferredIdentity "P-Preferred-Identity" "", RemotePartyId "Remote-Party-ID" "", Privacy "Privacy" "",
    HistoryInfo "History-Info" "", ReferredBy "Referred-By" "b", Replaces "Replaces" "", ReferSub "Refer-Sub" "",
    SubscriptionState "Subscription-State" "", Expires "Expires" "", RSeq "RSeq" "", RAck "RAck" "",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_know_case_and_compact_form() {
        let table: &[(&str, Name)] = &[
            ("Via", Name::Via),
            ("v", Name::Via),
            ("TO", Name::To),
            ("t", Name::To),
            ("i", Name::CallId),
            ("L", Name::ContentLength),
            ("cseq", Name::CSeq),
            ("MaX-fOrWaRdS", Name::MaxForwards),
            ("x", Name::SessionExpires),
            ("C%6Fntact", Name::Other),
            ("", Name::Other),
        ];
        for (text, name) in table {
            assert_eq!(Name::from_bytes(text.as_bytes()), *name, "{text}");
        }
    }
}
