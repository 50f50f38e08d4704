//! A change of one or several streams, carried out whole or not at all.

use druse_protocol::time::Micros;

use super::aggregate::{Aggregate, Versioned, upsert, written};
use super::driver::Statement;
use super::secret::SecretName;
use super::{Lease, Store, StoreError};
use crate::seal::Sealed;

const APPEND: &str = "insert into identity_event (stream, version, kind, at_us, actor, body) \
                      values ($1, $2, $3, $4, $5, $6) returning position";
const FENCE: &str = "update identity_lease set epoch = epoch where name = $1 and holder = $2 and epoch = $3";

/// What is to be written in one transaction.
#[derive(Debug)]
pub struct Commit {
    actor: String,
    at: Micros,
    fence: Option<Statement>,
    statements: Vec<Statement>,
}

impl Commit {
    /// Nothing yet, by `actor`: a subject, a client, `keeper`, or `operator:` and a subject.
    pub fn new(actor: impl Into<String>, at: Micros) -> Self {
        Self { actor: actor.into(), at, fence: None, statements: Vec::new() }
    }

    /// Lets `events` happen to the stream `id`, whose state was read as `current` (`None`: there was none). Answers
    /// with the state after them, which stands once the commit has gone through.
    ///
    /// # Errors
    /// [`StoreError::Impossible`] if an event does not fit the state.
    pub fn change<A: Aggregate>(
        &mut self,
        id: &str,
        current: Option<Versioned<A>>,
        events: &[A::Event],
    ) -> Result<Versioned<A>, StoreError> {
        let (mut version, mut state) = match current {
            Some(current) => (current.version, Some(current.state)),
            None => (0, None),
        };
        for event in events {
            version += 1;
            self.append::<A>(id, version, event)?;
            state = A::apply(state, event, self.at);
            if state.is_none() {
                return Err(StoreError::Impossible(A::NAME));
            }
        }
        let state = state.ok_or(StoreError::Impossible(A::NAME))?;
        let after = Versioned { id: id.to_owned(), version, state };
        self.statements.push(upsert(&after)?);
        Ok(after)
    }

    /// Keeps a sealed secret beside the projections, in the place of an older one of that name.
    pub fn keep_secret(&mut self, name: &SecretName, sealed: Sealed) {
        self.statements.push(name.keep(sealed));
    }

    /// Forgets a secret.
    pub fn forget_secret(&mut self, name: &SecretName) {
        self.statements.push(name.forget());
    }

    /// Writes only while `lease` is still ours: the answer to a leader that was frozen and does not know it.
    pub fn under(&mut self, lease: &Lease) {
        let fence = Statement::new(FENCE).bind(lease.name()).bind(lease.holder()).bind(lease.epoch());
        self.fence = Some(fence.expect(1, StoreError::LeaseLost));
    }

    fn append<A: Aggregate>(&mut self, id: &str, version: i64, event: &A::Event) -> Result<(), StoreError> {
        let (kind, body) = written::<A>(event)?;
        let statement = Statement::new(APPEND).bind(format!("{}/{id}", A::NAME)).bind(version).bind(kind);
        let statement = statement.bind(self.at.0).bind(self.actor.as_str()).bind(body);
        self.statements.push(statement.expect(1, StoreError::Conflict));
        Ok(())
    }
}

impl Store {
    /// Carries out a change. Answers with the position of its last event, 0 if it has none.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a stream has changed since its state was read: nothing has been written then.
    /// [`StoreError::LeaseLost`] likewise, if the lease is somebody else's.
    pub async fn commit(&self, commit: Commit) -> Result<i64, StoreError> {
        let statements: Vec<Statement> = commit.fence.into_iter().chain(commit.statements).collect();
        let appends: Vec<bool> = statements.iter().map(|statement| statement.sql == APPEND).collect();
        let answers = self.write(statements).await?;
        let rows =
            answers.iter().zip(appends).filter(|(_, append)| *append).flat_map(|(answer, _)| &answer.rows);
        let last =
            rows.map(|row| row.integer(0)).try_fold(0, |last, position| position.map(|p| last.max(p)))?;
        self.written.send_if_modified(|written| {
            let news = last > *written;
            *written = last.max(*written);
            news
        });
        Ok(last)
    }
}
