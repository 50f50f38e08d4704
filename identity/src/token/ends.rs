//! Who has been signed out, and from when: asked at every login (identity-spec 3.1, 9).

use std::collections::{BTreeSet, HashMap};

use druse_protocol::time::Micros;

/// How many are remembered one by one.
const MAX_ENDS: usize = 65_536;

/// The ends by name. When there are too many, the oldest become one for everybody: then some must log in once more,
/// and nobody who was signed out slips through.
#[derive(Debug)]
pub(super) struct EndTable {
    ends: HashMap<String, Micros>,
    by_time: BTreeSet<(Micros, String)>,
    everybody: Option<Micros>,
    limit: usize,
}

impl Default for EndTable {
    fn default() -> Self {
        Self { ends: HashMap::new(), by_time: BTreeSet::new(), everybody: None, limit: MAX_ENDS }
    }
}

impl EndTable {
    #[cfg(test)]
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Notes that what was issued to `name` before `before` is over. Of two ends the later one counts.
    pub(super) fn insert(&mut self, name: &str, before: Micros) {
        if self.ends.get(name).is_some_and(|known| *known >= before) {
            return;
        }
        if let Some(old) = self.ends.insert(name.to_owned(), before) {
            self.by_time.remove(&(old, name.to_owned()));
        }
        self.by_time.insert((before, name.to_owned()));
        while self.ends.len() > self.limit {
            let Some((oldest, name)) = self.by_time.pop_first() else { break };
            self.ends.remove(&name);
            self.everybody = self.everybody.max(Some(oldest));
        }
    }

    /// Whether a credential of `name` has been ended. `iat` counts whole seconds with most issuers, so that an end in
    /// the same second ends it: early is only one more login. A credential that does not say when it was issued is
    /// over as soon as there is any end, for nothing shows that it is newer.
    pub(super) fn has_ended(&self, name: &str, issued_at: Option<Micros>) -> bool {
        let Some(end) = self.ends.get(name).copied().max(self.everybody) else { return false };
        issued_at.is_none_or(|at| second_of(at) <= second_of(end))
    }
}

const fn second_of(at: Micros) -> i64 {
    at.0.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_counts_from_the_second_of_issue() {
        let mut ends = EndTable::default();
        ends.insert("ann", Micros::from_millis(5_500));
        assert!(ends.has_ended("ann", Some(Micros::from_millis(4_000))));
        assert!(ends.has_ended("ann", Some(Micros::from_millis(5_900))));
        assert!(!ends.has_ended("ann", Some(Micros::from_millis(6_000))));
        assert!(ends.has_ended("ann", None));
        assert!(!ends.has_ended("bob", Some(Micros(0))));
        assert!(!ends.has_ended("bob", None));
    }

    #[test]
    fn an_earlier_end_changes_nothing() {
        let mut ends = EndTable::default();
        ends.insert("ann", Micros::from_secs(9));
        ends.insert("ann", Micros::from_secs(3));
        assert!(ends.has_ended("ann", Some(Micros::from_secs(8))));
    }

    #[test]
    fn a_full_table_errs_on_the_side_of_ending() {
        let mut ends = EndTable::with_limit(2);
        for (second, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
            ends.insert(name, Micros::from_secs(second as i64 + 1));
        }
        assert!(ends.has_ended("ann", Some(Micros::from_secs(1))));
        assert!(ends.has_ended("dan", Some(Micros::from_secs(1))));
        assert!(!ends.has_ended("dan", Some(Micros::from_secs(2))));
        assert!(ends.has_ended("bob", Some(Micros::from_secs(2))));
    }
}
