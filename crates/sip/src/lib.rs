//! SIP messages, transactions, dialogs and user agent; bytes in, bytes out.
