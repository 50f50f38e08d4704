//! The rows of a query, as a client knows them: the initial results, and what its events make of them (I5).

use std::collections::{BTreeMap, HashMap};

use druse_protocol::message::feed::CqOperation;

use super::plan::{KEYS, Want, key, key_text};
use super::world::World;
use super::{Verdict, wrong};
use crate::engine::Record;

/// The rows of one query, by key.
struct Rows {
    /// Changes up to this place are in the initial results.
    line: u64,
    /// `None` until they have come.
    values: Option<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

/// The rows of all queries of a client that it has from their initial results on without a gap.
#[derive(Default)]
pub(super) struct Results(HashMap<String, Rows>);

impl Results {
    /// A query was run; its initial results are under way.
    pub(super) fn begin(&mut self, query: &str, line: u64) {
        self.0.insert(query.to_owned(), Rows { line, values: None });
    }

    /// They have come.
    pub(super) fn take(&mut self, query: &str, records: &[Record]) {
        let values = records
            .iter()
            .map(|record| (record.key().to_vec(), record.value().and_then(super::hear::bytes_of)))
            .collect();
        if let Some(rows) = self.0.get_mut(query) {
            rows.values = Some(values);
        }
    }

    /// Something of a query was lost: its rows are not known any more.
    pub(super) fn forget(&mut self, query: &str) {
        self.0.remove(query);
    }

    /// Nothing of any query is known.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// An event of a query has come. It must fit what is there; of a key that the user may not have been told of nothing
    /// is known.
    pub(super) fn hear(
        &mut self,
        query: &str,
        operation: CqOperation,
        (seq, key): (u64, &[u8]),
        value: Option<Vec<u8>>,
        is_denied: bool,
    ) -> Verdict {
        let Some(rows) = self.0.get_mut(query).filter(|rows| seq > rows.line) else { return Ok(()) };
        let Some(values) = &mut rows.values else { return Ok(()) };
        let was_there = match operation {
            CqOperation::Create | CqOperation::Update => values.insert(key.to_vec(), value).is_some(),
            CqOperation::Destroy => values.remove(key).is_some(),
            _ => {
                values.clear();
                return Ok(());
            }
        };
        match was_there == (operation == CqOperation::Create) && !is_denied {
            true => {
                let key = key_text(key);
                Err(wrong(format!("I5: {seq} is a {operation:?} of {query} for {key}, there: {was_there}")))
            }
            false => Ok(()),
        }
    }
}

/// I5: the rows that a client knows are those of the region.
pub(super) fn are_true(world: &World, client: usize) -> Verdict {
    let it = &world.clients[client];
    for (number, want) in it.wants.iter().enumerate() {
        let Want::Query { region, name, above, user, .. } = want else { continue };
        let known = it.results.0.get(name).and_then(|rows| rows.values.as_ref());
        let Some(known) = known.filter(|_| !it.withdrawn.contains(&number)) else { continue };
        for key in (0..KEYS).map(key) {
            let there = world.node.regions[usize::from(*region)].get(&key);
            let value = there.as_ref().and_then(|record| record.value());
            let value = value.filter(|value| super::oracle::number(*value).is_some_and(|it| it > *above));
            let expected = value.and_then(super::hear::bytes_of);
            let row = known.get(&key).cloned().flatten();
            if row != expected && !world.node.manager.was_denied(&it.users[*user].name, &key_text(&key)) {
                let key = key_text(&key);
                return Err(wrong(format!(
                    "I5: client {client} has {row:?} under {key} of {name}, there is {expected:?}"
                )));
            }
        }
    }
    Ok(())
}

impl World {
    /// What an event makes of the rows of the queries that it is for.
    pub(super) fn hear_rows(
        &mut self,
        client: usize,
        (seq, key): (u64, &[u8]),
        cqs: &[(String, CqOperation)],
        value: Option<&Vec<u8>>,
    ) -> Verdict {
        let it = &mut self.clients[client];
        for (name, operation) in cqs {
            let user = &it.users[it.user_of(name).unwrap_or_default()].name;
            let is_denied = self.node.manager.was_denied(user, &key_text(key));
            it.results.hear(name, *operation, (seq, key), value.cloned(), is_denied)?;
        }
        Ok(())
    }
}
