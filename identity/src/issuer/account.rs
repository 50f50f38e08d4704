//! Local accounts: names, what they may do, and whether they may log in. The password's hash is a sealed secret.

use druse_protocol::time::Micros;
use serde::{Deserialize, Serialize};

use crate::store::{Aggregate, Column, SecretName};

/// An account as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// What it may have in the scope of its tokens, besides who it is: entitlements, which may have wildcards.
    pub entitlements: Vec<String>,
    /// Whether it may log in.
    pub state: AccountState,
}

/// Whether an account may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// It may.
    Enabled,
    /// It may not, for now.
    Disabled,
    /// It never may again, and nobody else gets its name.
    Removed,
}

/// What can happen to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum AccountEvent {
    /// It is there.
    Created {
        /// What it may do.
        entitlements: Vec<String>,
    },
    /// It has another password.
    PasswordChanged,
    /// It may do other things.
    EntitlementsChanged {
        /// What it may do now.
        entitlements: Vec<String>,
    },
    /// It may not log in.
    Disabled,
    /// It may again.
    Enabled,
    /// It never may again.
    Removed,
}

impl AccountRecord {
    /// The secret in which the hash of a password is kept.
    #[must_use]
    pub fn password_secret(name: &str) -> SecretName {
        SecretName::new(Self::NAME, name, "password")
    }
}

impl Aggregate for AccountRecord {
    type Event = AccountEvent;
    const NAME: &'static str = "account";

    fn apply(state: Option<Self>, event: &AccountEvent, _at: Micros) -> Option<Self> {
        let Some(account) = state else {
            let AccountEvent::Created { entitlements } = event else { return None };
            return Some(Self { entitlements: entitlements.clone(), state: AccountState::Enabled });
        };
        let with = |state| Some(Self { state, ..account.clone() });
        match (account.state, event) {
            (AccountState::Removed, _) | (_, AccountEvent::Created { .. }) => None,
            (_, AccountEvent::PasswordChanged) => Some(account),
            (_, AccountEvent::EntitlementsChanged { entitlements }) => {
                Some(Self { entitlements: entitlements.clone(), ..account })
            }
            (AccountState::Enabled, AccountEvent::Disabled) => with(AccountState::Disabled),
            (AccountState::Disabled, AccountEvent::Enabled) => with(AccountState::Enabled),
            (_, AccountEvent::Removed) => with(AccountState::Removed),
            (AccountState::Enabled, AccountEvent::Enabled)
            | (AccountState::Disabled, AccountEvent::Disabled) => None,
        }
    }

    fn columns(&self) -> Vec<(&'static str, Column)> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(account: Option<AccountRecord>, event: &AccountEvent) -> Option<AccountRecord> {
        AccountRecord::apply(account, event, Micros(0))
    }

    #[test]
    fn an_account_is_disabled_enabled_and_removed_for_good() {
        let created = AccountEvent::Created { entitlements: vec!["grid:data:read".into()] };
        let account = apply(None, &created).unwrap();
        assert_eq!(apply(Some(account.clone()), &created), None);
        assert_eq!(apply(Some(account.clone()), &AccountEvent::Enabled), None);
        let disabled = apply(Some(account), &AccountEvent::Disabled).unwrap();
        assert_eq!(disabled.state, AccountState::Disabled);
        assert!(apply(Some(disabled.clone()), &AccountEvent::PasswordChanged).is_some());
        let removed = apply(Some(disabled), &AccountEvent::Removed).unwrap();
        for event in [created, AccountEvent::Enabled, AccountEvent::PasswordChanged, AccountEvent::Removed] {
            assert_eq!(apply(Some(removed.clone()), &event), None, "{event:?}");
        }
    }
}
