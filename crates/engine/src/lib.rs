//! One call joined: user agent, media streams and flows.
