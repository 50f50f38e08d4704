//! The user file: TOML, one `[[user]]` table a person.
//!
//! ```toml
//! [[user]]
//! name = "ann"
//! hash = "$argon2id$v=19$m=19456,t=2,p=1$..."       # druse users add ann
//! entitlements = ["grid:data:read:orders"]          # the form is explained in `grid`
//! lifetime = "15m"                                  # optional: how long one login lasts
//! disabled = false                                  # optional
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::HashError;
use super::hash;
use crate::grid::Grants;

/// How large a user file may be, in bytes: some fifty thousand users.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// The longest name, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 255;

/// One user as the file has it. `Debug` leaves the hash out.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name at login, which is the principal's name too.
    pub name: String,
    /// Argon2id in PHC form: see [`super::hash_password`].
    pub hash: String,
    /// What is allowed, as [`Grants`] has it.
    #[serde(default, alias = "permissions")]
    pub entitlements: Vec<String>,
    /// How long one login lasts; without end if not given.
    #[serde(default, deserialize_with = "lifetime")]
    pub lifetime: Option<Duration>,
    /// Whether the user is shut out.
    #[serde(default)]
    pub disabled: bool,
}

impl Entry {
    /// A user who may do nothing yet.
    #[must_use]
    pub fn new(name: impl Into<String>, hash: impl Into<String>) -> Self {
        let (name, hash) = (name.into(), hash.into());
        Self { name, hash, entitlements: Vec::new(), lifetime: None, disabled: false }
    }

    /// Checks everything that a file could have wrong.
    ///
    /// # Errors
    /// See [`UserFileError`].
    pub fn check(&self) -> Result<(), UserFileError> {
        let name = &self.name;
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(UserFileError::Name(name.chars().take(32).collect()));
        }
        hash::check(&self.hash).map_err(|source| UserFileError::Hash { user: name.clone(), source })?;
        if self.lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(UserFileError::Lifetime(name.clone()));
        }
        match self.entitlements.iter().find(|text| !Grants::is_entitlement(text)) {
            Some(text) => Err(UserFileError::Entitlement {
                user: name.clone(),
                entitlement: text.chars().take(80).collect(),
            }),
            None => Ok(()),
        }
    }

    /// The entry as a `[[user]]` table, ready to be put into a file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        format!("[[user]]\n{}", self.members().concat())
    }

    /// The lines of the table, each ended.
    pub(super) fn members(&self) -> Vec<String> {
        let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
        let entitlements: Vec<String> = self.entitlements.iter().map(quoted).collect();
        let mut lines = vec![
            format!("name = {}\n", quoted(&self.name)),
            format!("hash = {}\n", quoted(&self.hash)),
            format!("entitlements = [{}]\n", entitlements.join(", ")),
        ];
        if let Some(lifetime) = self.lifetime {
            lines.push(format!("lifetime = \"{}\"\n", format_lifetime(lifetime)));
        }
        if self.disabled {
            lines.push("disabled = true\n".to_owned());
        }
        lines
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("entitlements", &self.entitlements)
            .field("lifetime", &self.lifetime)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// Why a user file is of no use. Hashes are never quoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserFileError {
    /// It cannot be read.
    #[error("cannot read the user file")]
    Read(#[source] io::Error),
    /// It cannot be written.
    #[error("cannot write the user file")]
    Write(#[source] io::Error),
    /// Above 16 MiB.
    #[error("the user file is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// No TOML of the expected form.
    #[error("line {line} of the user file: {message}")]
    Form {
        /// Counted from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Empty, above 255 bytes, or with control characters.
    #[error("{0:?} is no user name: 1 to {MAX_NAME_BYTES} bytes without control characters")]
    Name(String),
    /// The same name twice.
    #[error("the user {0:?} is in the file twice")]
    Twice(String),
    /// No such user.
    #[error("the user {0:?} is not in the file")]
    Absent(String),
    /// A hash of no use.
    #[error("the user {user:?}: {source}")]
    Hash {
        /// Whose.
        user: String,
        /// Why.
        source: HashError,
    },
    /// A login that would be over at once.
    #[error("the user {0:?}: a lifetime of nothing lets nobody in; use disabled = true")]
    Lifetime(String),
    /// No entitlement.
    #[error(
        "the user {user:?}: {entitlement:?} is no entitlement (grid:<resource>:<operation>[:<region>[:<key>]])"
    )]
    Entitlement {
        /// Whose.
        user: String,
        /// The text.
        entitlement: String,
    },
    /// The file is written in a way that cannot be edited line by line.
    #[error("the user file cannot be edited without losing something; edit it by hand")]
    NotEditable,
}

/// Reads a user file.
///
/// # Errors
/// See [`UserFileError`].
pub fn read(path: &Path) -> Result<Vec<Entry>, UserFileError> {
    parse(&read_text(path)?)
}

/// Reads the users in a text, ordered by name.
///
/// # Errors
/// See [`UserFileError`].
pub fn parse(text: &str) -> Result<Vec<Entry>, UserFileError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Users {
        #[serde(default)]
        user: Vec<Entry>,
    }
    let users: Users = toml::from_str(text).map_err(|error| {
        // The library's own display quotes the line, which may hold a hash.
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        // So does its message where a value is of the wrong type.
        let message = error.message().split("$argon2").next().unwrap_or_default().to_owned();
        UserFileError::Form { line, message }
    })?;
    let mut by_name = BTreeMap::new();
    for entry in users.user {
        entry.check()?;
        if let Some(twice) = by_name.insert(entry.name.clone(), entry) {
            return Err(UserFileError::Twice(twice.name));
        }
    }
    Ok(by_name.into_values().collect())
}

pub(super) fn read_text(path: &Path) -> Result<String, UserFileError> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(UserFileError::Read)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(UserFileError::Read)?;
    if text.len() as u64 > MAX_FILE_BYTES { Err(UserFileError::TooLarge) } else { Ok(text) }
}

/// Reads a duration such as `500ms`, `30s`, `15m`, `8h` or `7d`; `None` if the text is anything else.
#[must_use]
pub fn parse_lifetime(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

fn format_lifetime(lifetime: Duration) -> String {
    let millis = lifetime.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

fn lifetime<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("a lifetime is a number with ms, s, m, h or d, such as \"15m\"");
    parse_lifetime(&text).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
