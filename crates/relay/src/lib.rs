//! The relay frames of codex exec-server and the Noise channel within them, both roles; pure.
