//! What logins a node has taken in, worked out from what was shown to it (I1, I7, I8).

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use druse_protocol::time::Micros;

use super::manager::SimManager;
use super::node::login_of;
use super::plan::Token;
use super::{Verdict, wrong};
use crate::security::Cell;

/// A login that the manager has granted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) token: Token,
    pub(super) asked_at: Micros,
    /// Order of asking.
    pub(super) ticket: u64,
    /// The manager's number of it.
    pub(super) login: u64,
}

impl Granted {
    fn end(&self) -> Micros {
        self.token.expires_at.unwrap_or(Micros::MAX)
    }

    fn made_at(&self) -> Micros {
        self.token.issued_at.unwrap_or(self.asked_at)
    }

    fn beats(&self, other: &Self) -> bool {
        match (self.token.issued_at, other.token.issued_at) {
            (Some(mine), Some(theirs)) if mine != theirs => mine > theirs,
            _ => (self.end(), self.ticket) > (other.end(), other.ticket),
        }
    }
}

struct Record {
    cell: Weak<Cell>,
    name: String,
    current: Granted,
    revoked: bool,
    /// The cell's generation when this was written down.
    generation: u64,
    /// When which login was good.
    spans: Vec<(Micros, Micros)>,
}

/// All cells of a node, as they should stand.
#[derive(Default)]
pub(super) struct Ledger(HashMap<*const Cell, Record>);

impl Ledger {
    /// The node has taken a login into `cell`. Returns whether it is the cell's login now.
    pub(super) fn taken_in(
        &mut self,
        cell: &Arc<Cell>,
        name: &str,
        granted: Granted,
        manager: &SimManager,
        now: Micros,
    ) -> Result<bool, super::Violation> {
        let record = self.0.entry(Arc::as_ptr(cell)).or_insert_with(|| Record {
            cell: Arc::downgrade(cell),
            name: name.to_owned(),
            current: granted,
            revoked: false,
            generation: 0,
            spans: vec![(now, now)],
        });
        let is_live =
            !record.revoked && now < record.current.end() && !manager.has_ended(record.current.login);
        let is_first = record.current.login == granted.login;
        let is_fresher = is_first || !is_live || granted.beats(&record.current);
        if is_fresher {
            record.take(granted, now);
        }
        record.generation = cell.generation();
        let expected = record.current.end();
        if cell.deadline() != expected {
            let is = cell.deadline();
            return Err(wrong(format!(
                "I8: the login of {name} ends at {is}, the freshest one at {expected}"
            )));
        }
        Ok(is_fresher)
    }

    /// A user who has logged in under one id frees what waits under another, and what has ended goes on with what is there:
    /// such a login must be one that the user has.
    pub(super) fn follow(&mut self, now: Micros) -> Verdict {
        let mut borrowed = Vec::new();
        for (&place, record) in &mut self.0 {
            let Some(cell) = record.cell.upgrade() else { continue };
            let has_changed =
                std::mem::replace(&mut record.generation, cell.generation()) != cell.generation();
            let login = cell.subject(now).as_deref().and_then(Option::as_ref).map(|it| login_of(it));
            borrowed
                .extend(login.filter(|it| has_changed && *it != record.current.login).map(|it| (place, it)));
        }
        for (place, login) in borrowed {
            let lender =
                self.0.values().find(|it| it.current.login == login).map(|it| (it.name.clone(), it.current));
            match (lender, self.0.get_mut(&place)) {
                (Some((name, granted)), Some(record)) if name == record.name => record.take(granted, now),
                _ => {
                    return Err(wrong(format!(
                        "I8: login {login} came to somebody who had not asked for it"
                    )));
                }
            }
        }
        Ok(())
    }

    /// A principal was cut off. None of its logins is good any more.
    pub(super) fn revoked(&mut self, name: &str, before: Micros, now: Micros) -> Verdict {
        for record in self.0.values_mut().filter(|record| record.name == name) {
            if record.current.made_at() >= before {
                continue;
            }
            record.revoked = true;
            record.cut(now);
            if record.cell.upgrade().is_some_and(|cell| cell.is_live(now)) {
                return Err(wrong(format!("I1: {name} was revoked, and one of the logins is good")));
            }
        }
        Ok(())
    }

    /// Whether events could go out under that cell at that time.
    pub(super) fn was_live(&self, cell: &Arc<Cell>, at: Micros) -> bool {
        let record = self.0.get(&Arc::as_ptr(cell));
        record.is_some_and(|record| record.spans.iter().any(|&(from, until)| from <= at && at < until))
    }

    /// Since when the login of that cell has been over; `None` while it is good.
    pub(super) fn over_since(&self, cell: &Arc<Cell>, manager: &SimManager, now: Micros) -> Option<Micros> {
        let record = self.0.get(&Arc::as_ptr(cell))?;
        let &(_, until) = record.spans.last()?;
        let said = manager.ended_at(record.current.login);
        [Some(until).filter(|until| now >= *until), said].into_iter().flatten().min()
    }
}

impl Record {
    fn take(&mut self, granted: Granted, now: Micros) {
        self.cut(now);
        self.current = granted;
        self.revoked = false;
        self.spans.push((now, granted.end()));
    }

    fn cut(&mut self, now: Micros) {
        if let Some((_, until)) = self.spans.last_mut() {
            *until = now.min(*until);
        }
    }
}
