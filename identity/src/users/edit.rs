//! Changing a user file as a careful person would: the other lines stay as they are, and nobody ever sees half a file.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;

use super::file::{self, Entry, UserFileError};

/// What begins a user's table.
const TABLE: &str = "[[user]]";

/// Puts a user into the file, making it if there is none (mode 0600), and replacing the entry of the same name.
/// Comments stay, but for those at the end of a replaced line. Answers whether an entry was replaced.
///
/// # Errors
/// See [`UserFileError`].
pub fn put(path: &Path, entry: &Entry) -> Result<bool, UserFileError> {
    entry.check()?;
    let text = match file::read_text(path) {
        Err(UserFileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let mut expected = file::parse(&text)?;
    let replaced = expected.iter().any(|known| known.name == entry.name);
    expected.retain(|known| known.name != entry.name);
    expected.push(entry.clone());
    let edited = if replaced { replace(&text, &entry.name, Some(entry)) } else { append(&text, entry) };
    write(path, &edited, expected)?;
    Ok(replaced)
}

/// Takes a user out of the file.
///
/// # Errors
/// [`UserFileError::Absent`] if there is none of that name; see [`UserFileError`].
pub fn remove(path: &Path, name: &str) -> Result<(), UserFileError> {
    let text = file::read_text(path)?;
    let mut expected = file::parse(&text)?;
    let before = expected.len();
    expected.retain(|known| known.name != name);
    if expected.len() == before {
        return Err(UserFileError::Absent(name.to_owned()));
    }
    write(path, &replace(&text, name, None), expected)
}

fn append(text: &str, entry: &Entry) -> String {
    let mut edited = text.to_owned();
    if !edited.is_empty() {
        edited.push_str(if edited.ends_with('\n') { "\n" } else { "\n\n" });
    }
    edited + &entry.to_toml()
}

/// Rewrites the table of one user. Comments that stand alone stay: they are the table's own before its last member,
/// and mostly the next table's after it.
fn replace(text: &str, name: &str, by: Option<&Entry>) -> String {
    let mut edited = String::new();
    for table in tables(text) {
        if name_of(&table).as_deref() != Some(name) {
            table.iter().for_each(|line| edited.push_str(line));
            continue;
        }
        let stays = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        let tail = table.len() - table.iter().rev().take_while(|line| stays(line)).count();
        let (own, after) = table.split_at(tail);
        if let Some(entry) = by {
            edited.push_str(TABLE);
            edited.push('\n');
            own.iter().filter(|line| stays(line)).for_each(|line| edited.push_str(line));
            entry.members().iter().for_each(|line| edited.push_str(line));
        }
        after.iter().for_each(|line| edited.push_str(line));
    }
    edited
}

/// The lines of the text, cut before each line that begins a user. What stands before the first is a piece too.
fn tables(text: &str) -> Vec<Vec<&str>> {
    let mut tables = vec![Vec::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with(TABLE) {
            tables.push(Vec::new());
        }
        if let Some(table) = tables.last_mut() {
            table.push(line);
        }
    }
    tables
}

fn name_of(table: &[&str]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    #[derive(Deserialize)]
    struct Users {
        user: Vec<Named>,
    }
    if !table.first()?.trim_start().starts_with(TABLE) {
        return None;
    }
    let users: Users = toml::from_str(&table.concat()).ok()?;
    users.user.into_iter().next().map(|user| user.name)
}

/// Writes a text that holds exactly `expected`, by way of a file beside it.
fn write(path: &Path, text: &str, mut expected: Vec<Entry>) -> Result<(), UserFileError> {
    expected.sort_by(|one, other| one.name.cmp(&other.name));
    // Line by line is not how TOML works: a text over several lines may look like a table.
    if file::parse(text).ok().as_ref() != Some(&expected) {
        return Err(UserFileError::NotEditable);
    }
    // A link stays a link: what it leads to is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let beside = beside(&path).map_err(UserFileError::Write)?;
    let written = write_new(&beside, text)
        .and_then(|()| take_over_access(&path, &beside))
        .and_then(|()| fs::rename(&beside, &path));
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        UserFileError::Write(error)
    })
}

fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    SystemRandom::new().fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}", u64::from_be_bytes(random)));
    Ok(path.with_file_name(name))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whoever could read the old file can read the new one: a node may run as another user than its operator.
fn take_over_access(old: &Path, new: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::metadata(old) else { return Ok(()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, chown};
        // Only root may give files away; anybody else keeps what they have written.
        let _ = chown(new, Some(metadata.uid()), Some(metadata.gid()));
    }
    fs::set_permissions(new, metadata.permissions())
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
