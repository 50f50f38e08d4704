//! The tables, and how an older database becomes a present one.
//!
//! A migration is a list of statements that runs in one transaction with the number that it leads to. Published ones
//! are never changed; the next one goes to the end of the list.

use super::StoreError;
use super::driver::{Access, Driver, Statement};

/// In order; the first leads from nothing to schema 1. `{text}`, `{blob}` and `{serial}` stand for the words of
/// the dialect.
const MIGRATIONS: [&[&str]; 1] = [&[
    "create table identity_event (position {serial}, stream {text} not null, version bigint not null, \
     kind text not null, at_us bigint not null, actor text not null, body text not null, \
     unique (stream, version))",
    // For nodes that start, and must know every end of the last hour.
    "create index identity_event_endings on identity_event (at_us) where kind in \
     ('ended', 'cut', 'entitlements_changed')",
    "create table identity_lease (name {text} primary key, holder text not null, epoch bigint not null, \
     expires_us bigint not null)",
    "create table identity_secret (name {text} primary key, sealed {blob} not null, seal_kid text not null)",
    "create table identity_key (id {text} primary key, version bigint not null, body text not null, \
     state text not null)",
    "create index identity_key_state on identity_key (state)",
    "create table identity_client (id {text} primary key, version bigint not null, body text not null)",
    "create table identity_account (id {text} primary key, version bigint not null, body text not null)",
    "create table identity_subject (id {text} primary key, version bigint not null, body text not null)",
    "create table identity_client_cut (id {text} primary key, version bigint not null, body text not null)",
    "create table identity_code (id {text} primary key, version bigint not null, body text not null, \
     ends_us bigint not null)",
    "create table identity_login (id {text} primary key, version bigint not null, body text not null, \
     ends_us bigint not null)",
    "create table identity_herald (id {text} primary key, version bigint not null, body text not null)",
    "create table identity_delivery (id {text} primary key, version bigint not null, body text not null, \
     state text not null, ends_us bigint not null)",
    "create index identity_delivery_due on identity_delivery (state, ends_us)",
    "create table identity_session (id {text} primary key, version bigint not null, body text not null, \
     state text not null, subject text not null, client text not null, login text, actor_sid text, \
     ends_us bigint not null)",
    "create index identity_session_subject on identity_session (subject, id)",
    "create index identity_session_client on identity_session (client, id)",
    "create index identity_session_login on identity_session (login, id)",
    "create index identity_session_actor on identity_session (actor_sid, id)",
    "create index identity_session_ends on identity_session (state, ends_us)",
]];

/// Brings the database to the schema of this release. Several processes may do so at once.
pub(super) async fn migrate(driver: &dyn Driver) -> Result<(), StoreError> {
    let table = "create table if not exists identity_schema (version bigint primary key)";
    driver.run(Access::Write, vec![Statement::new(table)]).await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let mut found = version(driver).await?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    while found < known {
        match step(driver, found).await {
            // Another process was faster; its work is as good as ours.
            Ok(()) | Err(StoreError::Conflict) => found = version(driver).await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn version(driver: &dyn Driver) -> Result<i64, StoreError> {
    let sql = "select coalesce(max(version), 0) from identity_schema";
    let answers = driver.run(Access::Read, vec![Statement::new(sql)]).await?;
    let row = answers.first().and_then(|answer| answer.rows.first());
    row.ok_or(StoreError::Corrupt("the schema has no version"))?.integer(0)
}

async fn step(driver: &dyn Driver, from: i64) -> Result<(), StoreError> {
    let index =
        usize::try_from(from).map_err(|_| StoreError::Corrupt("the schema has a negative version"))?;
    let migration = MIGRATIONS.get(index).copied().unwrap_or_default();
    // The number goes first: if it is there already, nothing else runs.
    let number = Statement::new("insert into identity_schema (version) values ($1)").bind(from + 1);
    let dialect = driver.dialect();
    let rest = migration.iter().map(|sql| Statement::new(dialect.translate(sql)));
    driver.run(Access::Write, std::iter::once(number).chain(rest).collect()).await.map(drop)
}
