//! Leases: of several processes one does a thing, and if it dies another one does.
//!
//! A lease makes work rare, it does not make it safe: whoever writes under one says so ([`Commit::under`]), and the
//! epoch in the database decides.
//!
//! [`Commit::under`]: super::Commit::under

use std::time::Duration;

use super::driver::{Cell, Statement};
use super::{Store, StoreError};

/// A lease that was ours when the database answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    name: String,
    holder: String,
    epoch: i64,
}

impl Lease {
    /// What it is for, such as `identity/keeper`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who has it.
    #[must_use]
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Counts the holders: no two ever have the same one.
    #[must_use]
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }
}

impl Store {
    /// Takes the lease `name` for `life`, if nobody has it or its time is over. Whoever has it already keeps its epoch
    /// only by [`Store::renew_lease`]; asking anew is answered like anybody.
    ///
    /// # Errors
    /// See [`StoreError`]. That somebody else has it is `Ok(None)`.
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        life: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let now = self.driver.dialect().now;
        let sql = format!(
            "insert into identity_lease (name, holder, epoch, expires_us) values ($1, $2, 1, {now} + $3) \
             on conflict (name) do update set holder = excluded.holder, epoch = identity_lease.epoch + 1, \
             expires_us = excluded.expires_us where identity_lease.expires_us <= {now} returning epoch"
        );
        let statement = Statement::new(sql).bind(name).bind(holder).bind(micros(life));
        let answers = self.write(vec![statement]).await?;
        let row = answers.first().and_then(|answer| answer.rows.first());
        row.map(|row| Ok(Lease { name: name.to_owned(), holder: holder.to_owned(), epoch: row.integer(0)? }))
            .transpose()
    }

    /// Prolongs a lease to `life` from now, even if its time was over and nobody has wanted it.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if somebody else has it.
    pub async fn renew_lease(&self, lease: &Lease, life: Duration) -> Result<(), StoreError> {
        let now = self.driver.dialect().now;
        let sql = format!(
            "update identity_lease set expires_us = {now} + $1 where name = $2 and holder = $3 and epoch = $4"
        );
        self.update_lease(sql, micros(life), lease).await
    }

    /// Gives a lease back, so that the next one need not wait for its end.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if somebody else has it.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let sql = "update identity_lease set expires_us = $1 where name = $2 and holder = $3 and epoch = $4";
        self.update_lease(sql.to_owned(), Cell::Integer(0), lease).await
    }

    async fn update_lease(&self, sql: String, first: Cell, lease: &Lease) -> Result<(), StoreError> {
        let statement =
            Statement::new(sql).bind(first).bind(lease.name()).bind(lease.holder()).bind(lease.epoch);
        self.write(vec![statement.expect(1, StoreError::LeaseLost)]).await.map(drop)
    }
}

fn micros(life: Duration) -> Cell {
    Cell::Integer(i64::try_from(life.as_micros()).unwrap_or(i64::MAX))
}
