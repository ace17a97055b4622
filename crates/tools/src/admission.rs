//! Which tools a session may be made with: what this server cannot serve is refused before anything begins, with what is
//! missing.

use crate::servers::is_inside;
use crate::toolbox::Toolbox;
use crate::{program, search, web};
use mcp::Reach;
use types::{EnvironmentSettings, McpTool, McpTransport, NetworkAccess, ProjectId, Refusal, Tool};
use url::Url;
use vaults::BearerError;

const NO_WEB: &str = "No web search is configured on this server. Its operator can set one under [web_search] in \
    outcrop.toml; docs/web.md says how.";

/// What a session is to have.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub project: &'a ProjectId,
    pub tools: &'a [Tool],
    pub environment: &'a EnvironmentSettings,
    pub vault_ids: &'a [String],
}

impl Toolbox {
    /// The path of what is wrong begins with the tool's place in the agent.
    pub(crate) async fn admit(&self, wanted: Wanted<'_>) -> Result<(), Refusal> {
        for (tool, index) in wanted.tools.iter().zip(0..) {
            let path = format!("agent.tools[{index}]");
            match tool {
                Tool::Function { name, .. } => is_free(name, wanted.tools, &path)?,
                Tool::ToolSearch | Tool::ProgrammaticToolCalling { .. } => {}
                Tool::WebSearch(search) if self.web.is_none() && web::is_enabled(search) => {
                    return Err(Refusal::invalid(NO_WEB).at(path));
                }
                Tool::WebSearch(_) => {}
                Tool::Mcp(server) => {
                    can_be_sent(server, &path)?;
                    place(server, wanted.environment, &self.reach, &path)?;
                    self.credential(server, &wanted, &path).await?;
                }
                Tool::Custom { .. } | Tool::ComputerUse { .. } | Tool::Automations => {
                    return Err(tool.not_served(&path));
                }
            }
        }
        Ok(())
    }

    async fn credential(&self, server: &McpTool, wanted: &Wanted<'_>, path: &str) -> Result<(), Refusal> {
        let named = server.credential_id.as_deref();
        let at = |refusal: Refusal| refusal.at(format!("{path}.credential_id"));
        let McpTransport::Http { server_url, authorization: None, .. } = &server.transport else {
            let message = "MCP credential_id cannot be combined with transport.authorization or with stdio";
            return if named.is_some() { Err(at(Refusal::invalid(message))) } else { Ok(()) };
        };
        if is_inside(server) {
            // A secret of a vault would be seen in the environment.
            let message = "MCP credential_id requires connection_origin 'service'";
            return if named.is_some() { Err(at(Refusal::invalid(message))) } else { Ok(()) };
        }
        let Some(vaults) = self.servers.vaults() else {
            let message = "MCP credential_id requires an attached vault";
            return if named.is_some() { Err(at(Refusal::invalid(message))) } else { Ok(()) };
        };
        let chosen = vaults.choose(wanted.project, wanted.vault_ids, server_url, named).await;
        chosen.map(drop).map_err(|error| match error {
            BearerError::Vault(refusal) => refusal,
            BearerError::Several { .. } => at(Refusal::conflict(error.to_string())),
            _ => at(Refusal::invalid(error.to_string())),
        })
    }
}

/// A function goes before a tool of ours with its name, which would then be gone without a word.
fn is_free(name: &str, tools: &[Tool], path: &str) -> Result<(), Refusal> {
    let taken = tools.iter().find(|tool| match tool {
        Tool::WebSearch(search) => web::is_enabled(search) && [web::SEARCH, web::FETCH].contains(&name),
        Tool::ToolSearch => name == search::NAME,
        Tool::ProgrammaticToolCalling { enabled: true } => name == program::NAME,
        _ => false,
    });
    let Some(taken) = taken else { return Ok(()) };
    let message = format!("The name {name:?} is taken by the tool '{}', which the agent has too.", taken.kind());
    Err(Refusal::invalid(message).at(format!("{path}.name")))
}

/// What no request can carry is said before one is made.
fn can_be_sent(server: &McpTool, path: &str) -> Result<(), Refusal> {
    let McpTransport::Http { headers, authorization, .. } = &server.transport else { return Ok(()) };
    let value = |value: &str| value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if authorization.as_ref().is_some_and(|text| !value(text)) {
        let message = "The authorization holds a line break or another control character.";
        return Err(Refusal::invalid(message).at(format!("{path}.transport.authorization")));
    }
    let odd = headers.iter().find(|(name, text)| name.is_empty() || !name.bytes().all(token) || !value(text));
    let Some((name, _)) = odd else { return Ok(()) };
    let message =
        format!("The header {name:?} cannot be sent: its name or its value has characters that no header may have.");
    Err(Refusal::invalid(message).at(format!("{path}.transport.headers")))
}

/// Whether there is a place from which the server can be reached.
fn place(server: &McpTool, environment: &EnvironmentSettings, reach: &Reach, path: &str) -> Result<(), Refusal> {
    let transport = format!("{path}.transport");
    if let McpTransport::Http { server_url, .. } = &server.transport {
        let at = |message: String| Refusal::invalid(message).at(format!("{transport}.server_url"));
        let url = Url::parse(server_url).map_err(|error| at(format!("The MCP server's URL is wrong: {error}.")))?;
        let refused = match (url.scheme(), is_inside(server)) {
            ("http" | "https", true) => None,
            _ => reach.check(&url).err(),
        };
        if let Some(refused) = refused {
            return Err(at(format!(
                "The MCP server cannot be reached from this server: {refused}. Its operator can allow it under [mcp] in outcrop.toml."
            )));
        }
    }
    if !is_inside(server) {
        return Ok(());
    }
    let is_stdio = matches!(server.transport, McpTransport::Stdio { .. });
    match environment {
        EnvironmentSettings::None => {
            let message = "MCP servers with transport 'stdio' or connection_origin 'environment' need an environment.";
            Err(Refusal::invalid(message).at(path))
        }
        EnvironmentSettings::OpenaiHosted(hosted) if is_stdio && hosted.network.access == NetworkAccess::Disabled => {
            let message = "MCP servers with transport 'stdio' need network access in a hosted environment.";
            Err(Refusal::invalid(message).at(transport))
        }
        EnvironmentSettings::SelfHosted { .. } => match &server.transport {
            McpTransport::Stdio { env, .. } if !env.is_empty() => {
                let message = "A self-hosted environment takes no inline variables; name its own in env_vars.";
                Err(Refusal::invalid(message).at(format!("{transport}.env")))
            }
            _ => Ok(()),
        },
        EnvironmentSettings::OpenaiHosted(_) => Ok(()),
    }
}
