//! URIs: what is parsed prints as itself, and equals itself.
#![no_main]
use passline_sip::message::{Address, Uri, uri::same_uri};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Address::parse(text).map(|a| (a.uri(), a.tag().map(str::len), a.display_name().len()));
    if let Some(uri) = Uri::parse(text) {
        let printed = uri.to_string();
        let again = Uri::parse(&printed).expect("what we print can be read");
        assert_eq!(uri.number(), again.number());
        assert!(same_uri(text, text) && again.to_string() == printed);
        let _ = (uri.socket_addr(), uri.is_loose(), uri.param("transport"));
    }
});
