//! Credentials of requests, as the crate that keeps them takes them.

use ::vaults::{
    AuthChange, EndpointAuth, Networking, NewAuth, NewCredential, NewRefresh, Refresh, RefreshChange, Secret,
};
use wire::vaults::{
    AuthCreate, AuthRotate, CredentialCreate, EndpointAuthKind, EndpointSecretKind, NetworkingParam, RefreshCreate,
    RefreshRotate,
};

pub fn credential(wanted: CredentialCreate) -> NewCredential {
    let CredentialCreate { name, metadata, auth } = wanted;
    let auth = match auth {
        AuthCreate::StaticBearer { server_url, token } => {
            NewAuth::StaticBearer { server_url, token: Secret::new(token) }
        }
        AuthCreate::McpOauth { server_url, access_token, expires_at, refresh } => NewAuth::McpOauth {
            server_url,
            access_token: Secret::new(access_token),
            expires_at,
            refresh: refresh.map(refreshing),
        },
        AuthCreate::EnvironmentVariable { name, value, networking } => NewAuth::EnvironmentVariable {
            name,
            value: Secret::new(value),
            networking: match networking {
                NetworkingParam::Unrestricted => Networking::Unrestricted,
                NetworkingParam::Limited { allowed_hosts } => Networking::Limited { allowed_hosts },
            },
        },
    };
    NewCredential { name, metadata, auth }
}

fn refreshing(wanted: RefreshCreate) -> NewRefresh {
    let RefreshCreate { client_id, refresh_token, token_endpoint, token_endpoint_auth, resource, scope } = wanted;
    let endpoint_auth = match token_endpoint_auth.kind {
        EndpointAuthKind::None => EndpointAuth::None,
        EndpointAuthKind::ClientSecretBasic => EndpointAuth::ClientSecretBasic,
        EndpointAuthKind::ClientSecretPost => EndpointAuth::ClientSecretPost,
    };
    NewRefresh {
        refresh: Refresh { client_id, token_endpoint, endpoint_auth, scope, resource },
        refresh_token: Secret::new(refresh_token),
        client_secret: token_endpoint_auth.client_secret.map(Secret::new),
    }
}

pub fn change(wanted: AuthRotate) -> AuthChange {
    match wanted {
        AuthRotate::StaticBearer { token } => AuthChange::StaticBearer { token: Secret::new(token) },
        AuthRotate::McpOauth { access_token, expires_at, refresh } => AuthChange::McpOauth {
            access_token: access_token.map(Secret::new),
            expires_at,
            refresh: refresh.map(|RefreshRotate { refresh_token, scope, token_endpoint_auth }| RefreshChange {
                refresh_token: refresh_token.map(Secret::new),
                scope,
                endpoint_auth: token_endpoint_auth.map(|auth| {
                    let kind = match auth.kind {
                        EndpointSecretKind::ClientSecretBasic => EndpointAuth::ClientSecretBasic,
                        EndpointSecretKind::ClientSecretPost => EndpointAuth::ClientSecretPost,
                    };
                    (kind, auth.client_secret.map(Secret::new))
                }),
            }),
        },
        AuthRotate::EnvironmentVariable { value } => AuthChange::EnvironmentVariable { value: Secret::new(value) },
    }
}
