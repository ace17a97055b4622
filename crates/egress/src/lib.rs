//! The proxy through which a sandbox reaches the network.
