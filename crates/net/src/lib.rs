//! Sockets and the loops that drive the engine.
