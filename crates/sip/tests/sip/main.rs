//! Tests of the whole stack from outside: octets in, octets out, time as a number.

mod challenged;
mod differential;
mod digest;
mod fuzz;
mod incoming;
mod large;
mod limits;
mod lossy;
mod lossy_dialogs;
mod offers;
mod outgoing;
mod prack;
mod registrar;
mod registration;
mod support;
mod timers;
mod torture;
mod transfer;
mod walk;
