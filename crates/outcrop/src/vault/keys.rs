//! Who has the root keys of this server: a file, a variable, KMS; or one of the first two and KMS, one after the other.

use super::kms;
use crate::configuration::Configuration;
use crate::data::DataFolder;
use crate::identity::root;
use crate::world::KernelEntropy;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;
use types::BoxFuture;
use vaults::{Chain, Fresh, KeyError, Owner, Ring, RootKey, Wrapped};
use zeroize::Zeroizing;

/// The root keys of a file, as it is whenever it is asked.
struct FileKeys {
    path: PathBuf,
}

impl FileKeys {
    fn ring(&self) -> Result<Ring, KeyError> {
        match root::read(&self.path) {
            Ok(Some(keys)) => Ok(keys.of_vaults()),
            Ok(None) => Err(KeyError::Missing(format!("there is no file {}", self.path.display()))),
            Err(error) => Err(KeyError::Missing(format!("{error:#}"))),
        }
    }
}

impl RootKey for FileKeys {
    fn ids(&self) -> BoxFuture<'_, Result<Vec<String>, KeyError>> {
        Box::pin(async { Ok(self.ring()?.ids()) })
    }

    /// Until what is wrapped is written, nobody changes the file.
    fn wrap<'a>(&'a self, data_key: &'a [u8; 32], owner: Owner<'a>) -> BoxFuture<'a, Result<Fresh, KeyError>> {
        Box::pin(async move {
            let lock = root::shared(&self.path);
            let lock = lock.map_err(|error| KeyError::Missing(format!("its folder cannot be locked ({error})")))?;
            Ok(Fresh { wrapped: self.ring()?.wrap(data_key, owner)?, hold: Some(Box::new(lock)) })
        })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a Wrapped,
        owner: Owner<'a>,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; 32]>, KeyError>> {
        Box::pin(async move { self.ring()?.unwrap(wrapped, owner) })
    }
}

/// Which of them wraps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    File,
    Variable,
    Kms,
}

impl Keeper {
    pub fn of(configuration: &Configuration) -> Self {
        match &configuration.vaults {
            vaults if vaults.kms.as_ref().is_some_and(|kms| kms.wraps) => Self::Kms,
            vaults if vaults.root_keys.is_some() => Self::Variable,
            _ => Self::File,
        }
    }
}

/// All that open something; the first wraps.
pub fn root_keys(configuration: &Configuration, data: &DataFolder, world: mcp::World) -> Result<Arc<dyn RootKey>> {
    let own: Arc<dyn RootKey> = match &configuration.vaults.root_keys {
        Some(keys) => Arc::new(Ring::new(keys.iter().copied(), Arc::new(KernelEntropy))),
        None => Arc::new(FileKeys { path: root::path(configuration, data) }),
    };
    let Some(settings) = &configuration.vaults.kms else { return Ok(own) };
    let kms: Arc<dyn RootKey> = Arc::new(kms::connect(settings, world)?);
    Ok(Arc::new(if settings.wraps { Chain::new(kms, own) } else { Chain::new(own, kms) }))
}
