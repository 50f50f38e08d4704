//! Making projections again from the log (law 7).
//!
//! It goes stream by stream and needs no pause: a row is replaced only by one of at least its version, so that a
//! commit that comes in between is not undone. Rows without a stream are removed at the end.

use super::aggregate::{read_back, upsert};
use super::driver::Statement;
use super::{Aggregate, MAX_PAGE, Recorded, Store, StoreError, Versioned};

/// A kind of stream that can be folded again.
#[derive(Debug, Clone, Copy)]
pub struct Projection {
    name: &'static str,
    fold: fn(&str, &[Recorded]) -> Result<Statement, StoreError>,
}

impl Projection {
    /// The projection of an aggregate.
    #[must_use]
    pub const fn of<A: Aggregate>() -> Self {
        Self { name: A::NAME, fold: fold::<A> }
    }
}

impl Store {
    /// Makes the rows of these projections again. Answers with how many streams there were.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the log does not make sense; what was made until then stands.
    pub async fn rebuild(&self, projections: &[Projection]) -> Result<usize, StoreError> {
        let mut streams = 0;
        for projection in projections {
            streams += self.rebuild_one(projection).await?;
        }
        Ok(streams)
    }

    async fn rebuild_one(&self, projection: &Projection) -> Result<usize, StoreError> {
        let (mut after, mut streams) = (String::new(), 0);
        loop {
            let page = self.streams(projection.name, &after).await?;
            let Some(last) = page.last().cloned() else { break };
            for id in &page {
                let events = self.whole_history(&format!("{}/{id}", projection.name)).await?;
                self.write(vec![(projection.fold)(id, &events)?]).await?;
            }
            streams += page.len();
            after = last;
        }
        self.write(vec![orphans(projection.name)]).await?;
        Ok(streams)
    }

    /// The ids of one kind of stream.
    async fn streams(&self, kind: &str, after: &str) -> Result<Vec<String>, StoreError> {
        let (prefix, end) = (format!("{kind}/"), format!("{kind}0"));
        let sql = format!(
            "select stream from identity_event where version = 1 and stream > $1 and stream < $2 \
             order by stream limit {MAX_PAGE}"
        );
        let statement = Statement::new(sql).bind(format!("{prefix}{after}")).bind(end);
        let answers = self.read(vec![statement]).await?;
        let rows = answers.iter().flat_map(|answer| &answer.rows);
        rows.map(|row| Ok(row.text(0)?.strip_prefix(&prefix).unwrap_or_default().to_owned())).collect()
    }

    async fn whole_history(&self, stream: &str) -> Result<Vec<Recorded>, StoreError> {
        let mut events = Vec::new();
        loop {
            let after = events.last().map_or(0, |event: &Recorded| event.version);
            let page = self.history(stream, after).await?;
            let whole = page.len() < MAX_PAGE;
            events.extend(page);
            if whole {
                return Ok(events);
            }
        }
    }
}

fn fold<A: Aggregate>(id: &str, events: &[Recorded]) -> Result<Statement, StoreError> {
    let mut state = None;
    for recorded in events {
        let event = read_back::<A>(&recorded.kind, &recorded.body)?;
        state = A::apply(state, &event, recorded.at);
        if state.is_none() {
            return Err(StoreError::Corrupt("an event does not fit the state of its stream"));
        }
    }
    let version = events.last().map_or(0, |event| event.version);
    let state = state.ok_or(StoreError::Corrupt("a stream has no events"))?;
    upsert(&Versioned { id: id.to_owned(), version, state })
}

fn orphans(kind: &str) -> Statement {
    let table = format!("identity_{kind}");
    let sql = format!(
        "delete from {table} where not exists \
         (select 1 from identity_event where stream = $1 || {table}.id)"
    );
    Statement::new(sql).bind(format!("{kind}/"))
}
