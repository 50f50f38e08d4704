//! A state that is folded from its events, and the table in which it is found again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use druse_protocol::time::Micros;

use super::driver::{Cell, Row, Statement};
use super::{MAX_PAGE, Store, StoreError};

/// A kind of stream: what its events make of it, and how it is looked up.
///
/// The state must follow from the events alone. Whatever else it should depend on (a clock, a setting, another
/// stream) has been decided before, and stands in the event.
pub trait Aggregate: Serialize + DeserializeOwned + Clone + Send + Sync + Sized + 'static {
    /// What can happen to it. Written as a name and a body: `#[serde(tag = "kind", content = "body")]`.
    type Event: Serialize + DeserializeOwned + Send;

    /// The first part of its streams' names and the end of its table's.
    const NAME: &'static str;

    /// The state after `event`, which happened at `at`; `None` if it cannot happen in this state.
    fn apply(state: Option<Self>, event: &Self::Event, at: Micros) -> Option<Self>;

    /// Columns by which it is looked up, beside its id.
    fn columns(&self) -> Vec<(&'static str, Column)>;
}

/// The value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A number, or an instant in microseconds.
    Integer(i64),
    /// A text.
    Text(String),
    /// Nothing.
    Null,
}

/// A state as it was read, with the version that a change of it must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<A> {
    /// The second part of its stream's name.
    pub id: String,
    /// How many events it has had.
    pub version: i64,
    /// What they have made of it.
    pub state: A,
}

impl Store {
    /// Reads one state; `None` if there is none of that id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn load<A: Aggregate>(&self, id: &str) -> Result<Option<Versioned<A>>, StoreError> {
        let sql = format!("select id, version, body from identity_{} where id = $1", A::NAME);
        self.one(Statement::new(sql).bind(id)).await
    }

    /// Reads the states whose `column` is `value`, ordered by id, from after `after` on: at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find<A: Aggregate>(
        &self,
        column: &'static str,
        value: Column,
        after: &str,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        let table = A::NAME;
        let sql = format!(
            "select id, version, body from identity_{table} where {column} = $1 and id > $2 order by id limit {MAX_PAGE}"
        );
        self.many(Statement::new(sql).bind(Cell::from(value)).bind(after)).await
    }

    /// Reads all states, ordered by id, from after `after` on: at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn all<A: Aggregate>(&self, after: &str) -> Result<Vec<Versioned<A>>, StoreError> {
        let table = A::NAME;
        let sql = format!(
            "select id, version, body from identity_{table} where id > $1 order by id limit {MAX_PAGE}"
        );
        self.many(Statement::new(sql).bind(after)).await
    }

    /// Reads the states in `state` whose end, in the column `ends_us`, has come by `now`: the earliest first, at most
    /// [`MAX_PAGE`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn due<A: Aggregate>(
        &self,
        state: &'static str,
        now: Micros,
    ) -> Result<Vec<Versioned<A>>, StoreError> {
        let table = A::NAME;
        let sql = format!(
            "select id, version, body from identity_{table} where state = $1 and ends_us <= $2 \
             order by ends_us limit {MAX_PAGE}"
        );
        self.many(Statement::new(sql).bind(state).bind(now.0)).await
    }

    async fn one<A: Aggregate>(&self, statement: Statement) -> Result<Option<Versioned<A>>, StoreError> {
        Ok(self.many(statement).await?.pop())
    }

    async fn many<A: Aggregate>(&self, statement: Statement) -> Result<Vec<Versioned<A>>, StoreError> {
        let answers = self.read(vec![statement]).await?;
        answers.iter().flat_map(|answer| &answer.rows).map(versioned).collect()
    }
}

impl From<Column> for Cell {
    fn from(column: Column) -> Self {
        match column {
            Column::Integer(value) => Self::Integer(value),
            Column::Text(value) => Self::Text(value),
            Column::Null => Self::Null,
        }
    }
}

impl From<Option<String>> for Column {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

/// The statement that writes a state's row, whatever stood there.
pub(super) fn upsert<A: Aggregate>(of: &Versioned<A>) -> Result<Statement, StoreError> {
    let columns = of.state.columns();
    let names: Vec<&str> =
        ["id", "version", "body"].into_iter().chain(columns.iter().map(|(n, _)| *n)).collect();
    let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
    let updates: Vec<String> = names.iter().skip(1).map(|name| format!("{name} = excluded.{name}")).collect();
    let table = format!("identity_{}", A::NAME);
    let sql = format!(
        "insert into {table} ({}) values ({}) on conflict (id) do update set {} where {table}.version <= excluded.version",
        names.join(", "),
        places.join(", "),
        updates.join(", "),
    );
    let body = serde_json::to_string(&of.state).map_err(|_| StoreError::Impossible(A::NAME))?;
    let start = Statement::new(sql).bind(of.id.as_str()).bind(of.version).bind(body);
    Ok(columns.into_iter().fold(start, |statement, (_, column)| statement.bind(Cell::from(column))))
}

/// The name and the body of an event.
pub(super) fn written<A: Aggregate>(event: &A::Event) -> Result<(String, String), StoreError> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(event) else {
        return Err(StoreError::Impossible(A::NAME));
    };
    let Some(Value::String(kind)) = members.remove("kind") else {
        return Err(StoreError::Impossible(A::NAME));
    };
    Ok((kind, members.remove("body").unwrap_or(Value::Null).to_string()))
}

/// An event from its name and body.
pub(super) fn read_back<A: Aggregate>(kind: &str, body: &str) -> Result<A::Event, StoreError> {
    let unreadable = |_| StoreError::Corrupt("an event cannot be read");
    let body: Value = serde_json::from_str(body).map_err(unreadable)?;
    let whole = match body {
        Value::Null => serde_json::json!({ "kind": kind }),
        body => serde_json::json!({ "kind": kind, "body": body }),
    };
    serde_json::from_value(whole).map_err(unreadable)
}

fn versioned<A: Aggregate>(row: &Row) -> Result<Versioned<A>, StoreError> {
    let state = serde_json::from_str(row.text(2)?);
    Ok(Versioned {
        id: row.text(0)?.to_owned(),
        version: row.integer(1)?,
        state: state.map_err(|_| StoreError::Corrupt("a projection cannot be read"))?,
    })
}
