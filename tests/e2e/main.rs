//! End-to-end tests: the release build, real peers, real packets on loopback.
mod reset;
