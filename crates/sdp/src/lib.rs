//! Session descriptions and offer/answer.
