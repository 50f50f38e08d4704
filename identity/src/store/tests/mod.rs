//! One suite for both databases: each test runs on SQLite and on Postgres.

mod faulty;
mod server;
mod suite;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use druse_protocol::time::{Clock, ManualClock, Micros};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use self::faulty::Faulty;
use self::server::Server;
use super::driver::Statement;
use super::postgres::Postgres;
use super::*;

/// 2026-01-01.
pub(crate) const NOW: Micros = Micros(1_767_225_600_000_000);

/// Runs each test of a suite, a function of a [`Bench`], on both databases.
macro_rules! on_both_databases {
    ($suite:path: $($test:ident)+) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                use $suite as suite;
                suite::$test($crate::store::tests::Bench::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                use $suite as suite;
                suite::$test($crate::store::tests::Bench::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;

/// An empty store, and what it stands on.
pub(crate) struct Bench {
    pub(crate) store: Store,
    /// The clock of SQLite's leases; Postgres has its own.
    pub(crate) clock: Arc<ManualClock>,
    outage: Arc<AtomicBool>,
    place: Place,
}

enum Place {
    File { path: PathBuf, _folder: TempDir },
    Server { address: String, _server: Arc<Server> },
}

impl Bench {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.db");
        Self::at(Place::File { path, _folder: folder }).await
    }

    pub(crate) async fn postgres() -> Self {
        let server = Server::shared();
        let address = server.database().await;
        Self::at(Place::Server { address, _server: server }).await
    }

    /// A second store on the same database, as another process has it.
    pub(crate) async fn another_store(&self) -> Store {
        open(&self.place, self.clock.clone()).await.unwrap()
    }

    /// Begins and ends an outage of `store`: it then answers nobody.
    pub(crate) fn set_outage(&self, outage: bool) {
        self.outage.store(outage, Ordering::SeqCst);
    }

    async fn at(place: Place) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let (outage, mut store) =
            (Arc::new(AtomicBool::new(false)), open(&place, clock.clone()).await.unwrap());
        store.driver = Arc::new(Faulty::new(store.driver, Arc::clone(&outage)));
        Self { store, clock, outage, place }
    }
}

async fn open(place: &Place, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    match place {
        Place::File { path, .. } => Store::open_sqlite(path, clock).await,
        Place::Server { address, .. } => Store::connect_postgres(address).await,
    }
}

/// A counter that may not fall below zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counter {
    value: i64,
    changed_at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub(crate) enum Counted {
    Begun,
    Added { by: i64 },
}

impl Aggregate for Counter {
    type Event = Counted;
    const NAME: &'static str = "counter";

    fn apply(state: Option<Self>, event: &Counted, at: Micros) -> Option<Self> {
        let value = match (state, event) {
            (None, Counted::Begun) => 0,
            (Some(state), Counted::Added { by }) => state.value + by,
            _ => return None,
        };
        (value >= 0).then_some(Self { value, changed_at: at.0 })
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        vec![("parity", Column::Text(if self.value % 2 == 0 { "even" } else { "odd" }.into()))]
    }
}

impl Counter {
    /// The table that the schema of a release has no use for.
    async fn create_table(store: &Store) {
        let sql = "create table identity_counter (id {text} primary key, version bigint not null, \
                   body text not null, parity text not null)";
        let sql = store.driver.dialect().translate(sql);
        store.write(vec![Statement::new(sql)]).await.unwrap();
    }
}

on_both_databases!(crate::store::tests::suite:
    what_is_committed_is_read_back
    a_commit_on_an_old_version_changes_nothing
    of_many_who_decide_on_one_version_one_wins
    a_commit_over_several_streams_is_whole_or_nothing
    an_event_that_does_not_fit_is_refused_before_it_is_written
    events_are_read_in_order_and_from_a_position
    following_the_log_misses_nothing_while_many_write
    states_are_found_by_column_page_by_page
    projections_are_rebuilt_byte_for_byte
    a_secret_is_kept_sealed_and_survives_a_rebuilding
    a_lease_has_one_holder_and_epochs_count_up
    a_lease_that_ran_out_goes_to_the_next_and_fences_the_last
    a_second_process_sees_everything
    a_database_of_a_newer_release_is_left_alone
    migrating_at_once_from_many_processes_works
);

#[test]
fn addresses_of_other_machines_are_refused() {
    for address in ["host=db.example user=me", "postgres://me:pw@10.0.0.1/db", "user=me", "not an address"] {
        let error = Postgres::new(address).unwrap_err();
        assert!(matches!(error, StoreError::Address(_)), "{address}: {error}");
    }
    for address in ["host=/run/postgresql user=me", "postgres://me:pw@127.0.0.1:5433/db", "host=localhost"] {
        let store = Postgres::new(address).unwrap();
        assert!(!format!("{store:?}").contains("pw"), "{store:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_not_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("host={} user=me", folder.path().display());
    assert!(matches!(Store::connect_postgres(&address).await, Err(StoreError::Postgres(_))));
}
