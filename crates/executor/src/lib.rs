//! Our own executor: the server side of the exec-server protocol.
