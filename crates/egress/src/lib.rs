//! The proxy through which a sandbox reaches the network, and the only way out of one: HTTP CONNECT and plain HTTP.
//!
//! It owns which hosts an environment may reach, which addresses nobody may reach, the resolving of names, and the
//! secrets that take the place of placeholders on their way out ([docs/egress.md](../../../docs/egress.md)). It never
//! accepts a connection itself, never starts a task, and never follows a redirect.
//!
//! Pure parts first: [`host`] (writing), [`address`] (the table), [`Rules`], [`hello`] (TLS's first message),
//! [`placeholder`], [`head`] (HTTP's heads). [`Proxy`] joins them.

mod activity;
pub mod address;
mod authority;
mod body;
pub mod head;
pub mod hello;
pub mod host;
mod limits;
mod lines;
pub mod placeholder;
mod proxy;
mod refusal;
mod resolver;
mod roots;
mod rules;
mod secret;
mod stream;

pub use authority::{Authority, Failed};
pub use host::{Host, Target};
pub use limits::Limits;
pub use proxy::{NoTls, Proxy, Surroundings};
pub use refusal::Refusal;
pub use resolver::{Lookups, Resolver, SystemResolver};
pub use roots::{system_certificates, system_roots};
pub use rules::{Access, BadList, DOMAINS, Denied, Rules, domains};
pub use secret::{NoSecrets, Secrets, Substitution, Unusable};
