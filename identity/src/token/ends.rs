//! Who has been signed out, and from when: asked at every login (identity-spec 3.1, 9).

use std::collections::{BTreeSet, HashMap};

use druse_protocol::auth::{Principal, RevocationScope};
use druse_protocol::time::Micros;

/// How many are remembered one by one.
const MAX_ENDS: usize = 65_536;

/// The ends by person, session and client. When there are too many, the oldest become one for everybody: then some must log in once more,
/// and nobody who was signed out slips through.
#[derive(Debug)]
pub(super) struct EndTable {
    ends: HashMap<RevocationScope, Micros>,
    by_time: BTreeSet<(Micros, RevocationScope)>,
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

    /// Notes that what was issued in `scope` before `before` is over. Of two ends the later one counts.
    pub(super) fn insert(&mut self, scope: &RevocationScope, before: Micros) {
        if self.ends.get(scope).is_some_and(|known| *known >= before) {
            return;
        }
        if let Some(old) = self.ends.insert(scope.clone(), before) {
            self.by_time.remove(&(old, scope.clone()));
        }
        self.by_time.insert((before, scope.clone()));
        while self.ends.len() > self.limit {
            let Some((oldest, scope)) = self.by_time.pop_first() else { break };
            self.ends.remove(&scope);
            self.everybody = self.everybody.max(Some(oldest));
        }
    }

    /// Whether a credential of `principal` has been ended. `iat` counts whole seconds with most issuers, so that an end
    /// in the same second ends it: early is only one more login. A credential that does not say when it was issued is
    /// over as soon as there is any end, for nothing shows that it is newer.
    pub(super) fn has_ended(&self, principal: &dyn Principal, issued_at: Option<Micros>) -> bool {
        let ends = RevocationScope::of(principal).filter_map(|scope| self.ends.get(&scope).copied());
        let Some(end) = ends.max().max(self.everybody) else { return false };
        issued_at.is_none_or(|at| second_of(at) <= second_of(end))
    }
}

const fn second_of(at: Micros) -> i64 {
    at.0.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;

    #[derive(Debug)]
    struct Somebody {
        name: &'static str,
        session: Option<&'static str>,
        client: Option<&'static str>,
    }

    impl Principal for Somebody {
        fn name(&self) -> &str {
            self.name
        }

        fn as_any(&self) -> &dyn Any {
            self
        }

        fn session(&self) -> Option<&str> {
            self.session
        }

        fn client(&self) -> Option<&str> {
            self.client
        }
    }

    fn named(name: &'static str) -> Somebody {
        Somebody { name, session: None, client: None }
    }

    fn person(name: &str) -> RevocationScope {
        RevocationScope::Principal(name.to_owned())
    }

    #[test]
    fn an_end_counts_from_the_second_of_issue() {
        let mut ends = EndTable::default();
        ends.insert(&person("ann"), Micros::from_millis(5_500));
        assert!(ends.has_ended(&named("ann"), Some(Micros::from_millis(4_000))));
        assert!(ends.has_ended(&named("ann"), Some(Micros::from_millis(5_900))));
        assert!(!ends.has_ended(&named("ann"), Some(Micros::from_millis(6_000))));
        assert!(ends.has_ended(&named("ann"), None));
        assert!(!ends.has_ended(&named("bob"), Some(Micros(0))));
        assert!(!ends.has_ended(&named("bob"), None));
    }

    #[test]
    fn an_earlier_end_changes_nothing() {
        let mut ends = EndTable::default();
        ends.insert(&person("ann"), Micros::from_secs(9));
        ends.insert(&person("ann"), Micros::from_secs(3));
        assert!(ends.has_ended(&named("ann"), Some(Micros::from_secs(8))));
    }

    #[test]
    fn a_session_and_a_client_end_alone_whatever_the_name() {
        let mut ends = EndTable::default();
        ends.insert(&RevocationScope::Session("s1".to_owned()), Micros::from_secs(9));
        ends.insert(&RevocationScope::Client("app".to_owned()), Micros::from_secs(5));
        let issued_at = Some(Micros::from_secs(8));
        let ann = |session, client| Somebody { name: "ann", session, client };
        assert!(ends.has_ended(&ann(Some("s1"), None), issued_at));
        assert!(!ends.has_ended(&ann(Some("s2"), Some("app")), issued_at), "issued after the client's end");
        assert!(ends.has_ended(&ann(Some("s2"), Some("app")), Some(Micros::from_secs(4))));
        assert!(ends.has_ended(&ann(Some("s1"), Some("app")), issued_at), "the later of two ends");
        assert!(!ends.has_ended(&named("s1"), issued_at), "a name is no session");
    }

    #[test]
    fn a_full_table_errs_on_the_side_of_ending() {
        let mut ends = EndTable::with_limit(2);
        for (second, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
            ends.insert(&person(name), Micros::from_secs(second as i64 + 1));
        }
        assert!(ends.has_ended(&named("ann"), Some(Micros::from_secs(1))));
        assert!(ends.has_ended(&named("dan"), Some(Micros::from_secs(1))));
        assert!(!ends.has_ended(&named("dan"), Some(Micros::from_secs(2))));
        assert!(ends.has_ended(&named("bob"), Some(Micros::from_secs(2))));
    }
}
