//! Tests of the whole stack from outside: octets in, octets out, time as a number.

mod differential;
mod fuzz;
mod incoming;
mod limits;
mod lossy;
mod outgoing;
mod support;
mod torture;
