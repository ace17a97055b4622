//! The JSON of Amazon Bedrock AgentCore, data plane and control plane. Names, bounds and patterns are those of AWS's own
//! models of the two services. A member that is null counts as missing; one that nobody knows is refused by its name.

pub mod interpreter;
pub mod memory;
pub mod runtime;
