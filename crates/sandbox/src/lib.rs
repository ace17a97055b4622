//! Isolation of a hosted environment on this machine.
