//! What is shown of vaults and credentials.

use ::vaults::{Auth, Credential, EndpointAuth, Networking, Refresh, Vault};
use wire::vaults::{self as outer, EndpointAuthKind};

pub fn vault(vault: &Vault) -> outer::Vault<'_> {
    outer::Vault {
        id: &vault.id,
        created_at: vault.created_at.seconds(),
        metadata: &vault.metadata,
        name: vault.name.as_deref(),
    }
}

pub fn credential(credential: &Credential) -> outer::Credential<'_> {
    outer::Credential {
        id: &credential.id,
        auth: auth(&credential.auth),
        created_at: credential.created_at.seconds(),
        metadata: &credential.metadata,
        name: &credential.name,
        updated_at: credential.updated_at.seconds(),
        vault_id: &credential.vault,
    }
}

fn auth(auth: &Auth) -> outer::Auth<'_> {
    match auth {
        Auth::StaticBearer { server_url } => outer::Auth::StaticBearer { mcp_server_url: server_url },
        Auth::McpOauth { server_url, expires_at, refresh } => outer::Auth::McpOauth {
            expires_at: expires_at.as_deref(),
            mcp_server_url: server_url,
            refresh: refresh.as_ref().map(refreshing),
        },
        Auth::EnvironmentVariable { name, networking } => outer::Auth::EnvironmentVariable {
            networking: match networking {
                Networking::Unrestricted => outer::Networking::Unrestricted,
                Networking::Limited { allowed_hosts } => outer::Networking::Limited { allowed_hosts },
            },
            secret_name: name,
        },
    }
}

fn refreshing(refresh: &Refresh) -> outer::Refresh<'_> {
    let kind = match refresh.endpoint_auth {
        EndpointAuth::None => EndpointAuthKind::None,
        EndpointAuth::ClientSecretBasic => EndpointAuthKind::ClientSecretBasic,
        EndpointAuth::ClientSecretPost => EndpointAuthKind::ClientSecretPost,
    };
    outer::Refresh {
        client_id: &refresh.client_id,
        resource: refresh.resource.as_deref(),
        scope: refresh.scope.as_deref(),
        token_endpoint: &refresh.token_endpoint,
        token_endpoint_auth: outer::EndpointAuth { r#type: kind },
    }
}
