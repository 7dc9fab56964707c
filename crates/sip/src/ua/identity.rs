//! Headers that name parties, as data: nothing is trusted here (RFC 3325, RFC 5806, RFC 7044).

use crate::message::text::{inert, text};
use crate::message::{Address, Message, Name, param};

/// Most items of one kind that are kept.
const MAX_ITEMS: usize = 32;

/// The items of a header that lists addresses, in the order in which they stand; what is no address is left out.
pub(super) fn items(message: &Message<'_>, name: Name) -> Vec<String> {
    let mut found = Vec::new();
    for value in message.all(name) {
        for item in param::list(&text(value)) {
            if found.len() < MAX_ITEMS && Address::parse(item).is_ok_and(|a| a.uri().is_some()) {
                found.push(inert(item));
            }
        }
    }
    found
}

/// History-Info by its index: `1`, `1.1`, `1.2`, `1.10`, `2`; items without a good index go last, as they stand.
pub(super) fn history(message: &Message<'_>) -> Vec<String> {
    let mut found = items(message, Name::HistoryInfo);
    found.sort_by_cached_key(|item| {
        let index = Address::parse(item).ok().and_then(|a| a.param("index").map(|i| i.into_owned()));
        let numbers =
            index.and_then(|i| i.split('.').map(|n| n.parse::<u32>().ok()).collect::<Option<Vec<_>>>());
        (numbers.is_none(), numbers)
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_ordered_by_number_not_by_text() {
        let text = "INVITE sip:a SIP/2.0\r\nHistory-Info: <sip:x@h>;index=1.10, <sip:y@h>;index=1.9\r\n\
                    History-Info: <sip:z@h>, <sip:a@h?Reason=SIP%3Bcause%3D302>;index=1, <sip:b@h>;index=1.9.1;rc=1, junk<\r\n\r\n";
        let message = Message::parse(text.as_bytes(), 64).unwrap();
        let users: Vec<char> = history(&message).iter().filter_map(|i| i.chars().nth(5)).collect();
        assert_eq!(users, ['a', 'y', 'b', 'x', 'z']);
    }
}
