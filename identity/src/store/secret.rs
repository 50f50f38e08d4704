//! Sealed secrets, beside the projections: the log holds none, and rebuilding touches none.

use super::driver::{Cell, Statement};
use super::{Store, StoreError};
use crate::seal::{Sealed, Sealer, Unsealed};

/// What a secret belongs to. The same text is bound into the seal, so that a secret copied into another's row does not
/// open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName(String);

impl SecretName {
    /// The secret `what` of the stream `id` of a kind.
    #[must_use]
    pub fn new(kind: &str, id: &str, what: &str) -> Self {
        Self(format!("{kind}/{id}/{what}"))
    }

    /// The name as the seal binds it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn keep(&self, sealed: Sealed) -> Statement {
        let sql = "insert into identity_secret (name, sealed, seal_kid) values ($1, $2, $3) \
                   on conflict (name) do update set sealed = excluded.sealed, seal_kid = excluded.seal_kid";
        Statement::new(sql).bind(self.as_str()).bind(Cell::Blob(sealed.bytes)).bind(sealed.key_id)
    }

    pub(super) fn forget(&self) -> Statement {
        Statement::new("delete from identity_secret where name = $1").bind(self.as_str())
    }
}

impl Store {
    /// Reads and opens a secret; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it does not open: the master key is another one, or somebody has touched it.
    pub async fn secret(&self, name: &SecretName, sealer: &Sealer) -> Result<Option<Unsealed>, StoreError> {
        let sql = "select sealed, seal_kid from identity_secret where name = $1";
        let answers = self.read(vec![Statement::new(sql).bind(name.as_str())]).await?;
        let Some(row) = answers.first().and_then(|answer| answer.rows.first()) else { return Ok(None) };
        let sealed = Sealed { bytes: row.blob(0)?.to_vec(), key_id: row.text(1)?.to_owned() };
        let opened = sealer.open(name.as_str(), &sealed);
        opened
            .map(Some)
            .map_err(|_| StoreError::Corrupt("a secret does not open with the master keys at hand"))
    }
}
