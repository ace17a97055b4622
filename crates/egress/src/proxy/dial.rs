//! From a target to a connection: the name is resolved once, each address is judged, and the connection goes to one that
//! was judged. No second look at the name is possible, so a name that changes its mind gains nothing.

use super::{Proxy, Visit};
use crate::host::{Host, Target};
use crate::refusal::Refusal;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// How many addresses of a name are judged, and how many of the good ones are tried.
const JUDGED: usize = 64;
const TRIED: usize = 4;

impl Proxy {
    pub(super) async fn dial(&self, target: &Target, visit: &Visit) -> Result<TcpStream, Refusal> {
        visit.rules.permit(target)?;
        let connected = async {
            let addresses = self.addresses(target, visit).await?;
            for address in addresses.iter().take(TRIED) {
                if let Ok(stream) = TcpStream::connect(address).await {
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
            }
            Err(Refusal::Unreachable(target.host.clone()))
        };
        let late = || Refusal::Late(target.host.clone());
        visit.activity.within(self.limits.connect_time, connected).await.ok_or_else(late)?
    }

    /// The addresses of a target that may be reached. Where none may, the first refusal says why.
    async fn addresses(&self, target: &Target, visit: &Visit) -> Result<Vec<SocketAddr>, Refusal> {
        let found = match &target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name).await.unwrap_or_default(),
        };
        let mut good = Vec::new();
        let mut denied = None;
        for address in found.into_iter().take(JUDGED) {
            match visit.rules.reach(target, address) {
                Ok(socket) => good.push(socket),
                Err(why) => denied = denied.or(Some(why)),
            }
        }
        match denied {
            Some(why) if good.is_empty() => Err(why.into()),
            None if good.is_empty() => Err(Refusal::NotFound(target.host.clone())),
            _ => Ok(good),
        }
    }
}
