//! Registrations and tokens: who is taken, who is told to go, and what a handshake must show.
