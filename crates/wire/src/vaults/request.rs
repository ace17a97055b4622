//! Requests. Errors repeat no value of a secret field.

use super::{AuthKind, EndpointAuthKind, EndpointSecretKind, NetworkingKind};
use crate::agents::request::metadata;
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Pairs of a vault's metadata: the original has no bound of theirs but the body's.
type Metadata = BTreeMap<String, String>;

/// The longest name in a request, in bytes; how long it may be after trimming is said elsewhere.
const MAX_NAME: usize = 4096;
const MAX_HOSTS: usize = 16;

/// `POST /vaults`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultCreate {
    pub name: Option<String>,
    pub metadata: Metadata,
}

/// `POST /vaults/{id}`. None: as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultUpdate {
    pub name: Option<Option<String>>,
    pub metadata: Option<Metadata>,
}

/// `POST /vaults/{id}/credentials`.
#[derive(PartialEq, Eq)]
pub struct CredentialCreate {
    pub name: String,
    pub metadata: Metadata,
    pub auth: AuthCreate,
}

/// `POST /vaults/{id}/credentials/{id}`. None: as it is.
#[derive(PartialEq, Eq)]
pub struct CredentialUpdate {
    pub auth: Option<AuthRotate>,
    pub metadata: Option<Metadata>,
}

#[derive(PartialEq, Eq)]
pub enum AuthCreate {
    McpOauth { server_url: String, access_token: String, expires_at: Option<String>, refresh: Option<RefreshCreate> },
    StaticBearer { server_url: String, token: String },
    EnvironmentVariable { name: String, value: String, networking: NetworkingParam },
}

#[derive(PartialEq, Eq)]
pub struct RefreshCreate {
    pub client_id: String,
    pub refresh_token: String,
    pub token_endpoint: String,
    pub token_endpoint_auth: EndpointAuthCreate,
    pub resource: Option<String>,
    pub scope: Option<String>,
}

#[derive(PartialEq, Eq)]
pub struct EndpointAuthCreate {
    pub kind: EndpointAuthKind,
    /// None with `None` alone.
    pub client_secret: Option<String>,
}

/// Null lists no hosts.
#[derive(PartialEq, Eq, Debug)]
pub enum NetworkingParam {
    Unrestricted,
    Limited { allowed_hosts: Vec<String> },
}

#[derive(PartialEq, Eq)]
pub enum AuthRotate {
    McpOauth { access_token: Option<String>, expires_at: Option<Option<String>>, refresh: Option<RefreshRotate> },
    StaticBearer { token: String },
    EnvironmentVariable { value: String },
}

#[derive(PartialEq, Eq)]
pub struct RefreshRotate {
    pub refresh_token: Option<String>,
    pub scope: Option<Option<String>>,
    pub token_endpoint_auth: Option<EndpointAuthRotate>,
}

#[derive(PartialEq, Eq)]
pub struct EndpointAuthRotate {
    pub kind: EndpointSecretKind,
    pub client_secret: Option<String>,
}

impl VaultCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let name = object.present("name").map(|node| node.short_string(MAX_NAME)).transpose()?;
        let metadata = object.present("metadata").map_or(Ok(Metadata::new()), pairs)?;
        object.finish()?;
        Ok(Self { name, metadata })
    }
}

impl VaultUpdate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let name = object.nullable("name");
        let name = name.map(|node| node.map(|node| node.short_string(MAX_NAME)).transpose()).transpose()?;
        let metadata = object.optional("metadata").map(pairs).transpose()?;
        object.finish()?;
        Ok(Self { name, metadata })
    }
}

impl CredentialCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let name = object.required("name")?.short_string(MAX_NAME)?;
        let auth = auth_create(object.required("auth")?)?;
        let metadata = object.present("metadata").map_or(Ok(Metadata::new()), metadata)?;
        object.finish()?;
        Ok(Self { name, metadata, auth })
    }
}

impl CredentialUpdate {
    /// A request that says nothing is refused.
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let auth = object.present("auth").map(auth_rotate).transpose()?;
        let metadata = object.optional("metadata").map(metadata).transpose()?;
        object.finish()?;
        if auth.is_none() && metadata.is_none() {
            return Err(Fault::new("At least one of 'auth' and 'metadata' is required."));
        }
        Ok(Self { auth, metadata })
    }
}

fn pairs(node: Node) -> Result<Metadata, Fault> {
    node.entries()?.map(|(key, value)| Ok((key, value.string()?))).collect()
}

fn auth_create(node: Node) -> Result<AuthCreate, Fault> {
    let mut object = node.object()?;
    let auth = match object.required("type")?.word()? {
        AuthKind::McpOauth => AuthCreate::McpOauth {
            server_url: object.required("mcp_server_url")?.text()?,
            access_token: object.required("access_token")?.text()?,
            expires_at: text(&mut object, "expires_at")?,
            refresh: object.present("refresh").map(refresh_create).transpose()?,
        },
        AuthKind::StaticBearer => AuthCreate::StaticBearer {
            server_url: object.required("mcp_server_url")?.text()?,
            token: object.required("token")?.text()?,
        },
        AuthKind::EnvironmentVariable => AuthCreate::EnvironmentVariable {
            name: object.required("secret_name")?.text()?,
            value: object.required("secret_value")?.text()?,
            networking: networking(object.required("networking")?)?,
        },
    };
    object.finish()?;
    Ok(auth)
}

fn text(object: &mut Object, key: &str) -> Result<Option<String>, Fault> {
    object.present(key).map(Node::text).transpose()
}

fn refresh_create(node: Node) -> Result<RefreshCreate, Fault> {
    let mut object = node.object()?;
    let refresh = RefreshCreate {
        client_id: object.required("client_id")?.text()?,
        refresh_token: object.required("refresh_token")?.text()?,
        token_endpoint: object.required("token_endpoint")?.text()?,
        token_endpoint_auth: endpoint_auth(object.required("token_endpoint_auth")?)?,
        resource: text(&mut object, "resource")?,
        scope: text(&mut object, "scope")?,
    };
    object.finish()?;
    Ok(refresh)
}

fn endpoint_auth(node: Node) -> Result<EndpointAuthCreate, Fault> {
    let mut object = node.object()?;
    let kind = object.required("type")?.word()?;
    let client_secret = match kind {
        EndpointAuthKind::None => None,
        _ => Some(object.required("client_secret")?.text()?),
    };
    object.finish()?;
    Ok(EndpointAuthCreate { kind, client_secret })
}

fn networking(node: Node) -> Result<NetworkingParam, Fault> {
    let mut object = node.object()?;
    let networking = match object.required("type")?.word()? {
        NetworkingKind::Unrestricted => NetworkingParam::Unrestricted,
        NetworkingKind::Limited => {
            let nodes = object.required("allowed_hosts")?.sized_array("an array of strings", 1, MAX_HOSTS)?;
            NetworkingParam::Limited { allowed_hosts: nodes.into_iter().map(Node::text).collect::<Result<_, _>>()? }
        }
    };
    object.finish()?;
    Ok(networking)
}

fn auth_rotate(node: Node) -> Result<AuthRotate, Fault> {
    let mut object = node.object()?;
    let auth = match object.required("type")?.word()? {
        AuthKind::McpOauth => AuthRotate::McpOauth {
            access_token: text(&mut object, "access_token")?,
            expires_at: object.nullable("expires_at").map(|node| node.map(Node::text).transpose()).transpose()?,
            refresh: object.present("refresh").map(refresh_rotate).transpose()?,
        },
        AuthKind::StaticBearer => AuthRotate::StaticBearer { token: object.required("token")?.text()? },
        AuthKind::EnvironmentVariable => {
            AuthRotate::EnvironmentVariable { value: object.required("secret_value")?.text()? }
        }
    };
    object.finish()?;
    Ok(auth)
}

fn refresh_rotate(node: Node) -> Result<RefreshRotate, Fault> {
    let mut object = node.object()?;
    let refresh = RefreshRotate {
        refresh_token: text(&mut object, "refresh_token")?,
        scope: object.nullable("scope").map(|node| node.map(Node::text).transpose()).transpose()?,
        token_endpoint_auth: object.present("token_endpoint_auth").map(endpoint_secret).transpose()?,
    };
    object.finish()?;
    Ok(refresh)
}

fn endpoint_secret(node: Node) -> Result<EndpointAuthRotate, Fault> {
    let mut object = node.object()?;
    let kind = object.required("type")?.word()?;
    let client_secret = text(&mut object, "client_secret")?;
    object.finish()?;
    Ok(EndpointAuthRotate { kind, client_secret })
}
