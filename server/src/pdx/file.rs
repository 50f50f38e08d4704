//! The file that keeps the PDX registry.
//!
//! ```text
//!   "druse pdx 1\n" { u32 length of the rest | u64 checksum of the rest | u8 kind | i32 id | encoded object }*
//! ```
//! Numbers are big-endian. Entries are only ever appended, each by one write that is on the disk before the entry is used.
//! What a crash leaves behind is an end that does not check: it is cut off at the next start, and kept beside the file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8] = b"druse pdx 1\n";
/// Kind and id.
const FIXED: usize = 5;
/// Length and checksum.
const HEAD: usize = 12;

/// Why a registry file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryFileError {
    /// It exists and is something else; it is left alone.
    #[error("{path} is not a pdx registry")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another node holds it.
    #[error("{path} is used by another process")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot use {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The damaged end of a file, which was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Where the damage began.
    pub offset: u64,
    /// How many bytes there were from there on.
    pub bytes: u64,
    /// Where they are kept.
    pub kept: PathBuf,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Type,
    Enum,
}

/// The file, locked against other processes, open at its end.
#[derive(Debug)]
pub(super) struct RegistryFile {
    file: File,
    /// Everything before this is sound.
    len: u64,
}

impl RegistryFile {
    /// Opens or makes the file and hands its entries to `load`, which says whether they make sense.
    pub(super) fn open(
        path: &Path,
        load: impl FnMut(Kind, i32, &[u8]) -> bool,
    ) -> Result<(Self, Option<Tail>), RegistryFileError> {
        let io = |source| RegistryFileError::Io { path: path.to_owned(), source };
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => RegistryFileError::InUse { path: path.to_owned() },
            TryLockError::Error(source) => io(source),
        })?;
        let mut registry = Self { file, len: 0 };
        let mut content = Vec::new();
        registry.file.read_to_end(&mut content).map_err(io)?;
        // A crash may have come between the making of the file and its first line.
        if MAGIC.starts_with(&content) {
            registry.begin(path).map_err(io)?;
            return Ok((registry, None));
        }
        let entries = content
            .strip_prefix(MAGIC)
            .ok_or_else(|| RegistryFileError::Foreign { path: path.to_owned() })?;
        let sound = MAGIC.len() + load_entries(entries, load);
        let tail = registry.cut(path, &content, sound).map_err(io)?;
        Ok((registry, tail))
    }

    /// Adds an entry. It is on the disk when this returns; after an error it is not in the file.
    pub(super) fn append(&mut self, kind: Kind, id: i32, encoded: &[u8]) -> io::Result<()> {
        let entry = entry(kind, id, encoded).ok_or(ErrorKind::InvalidInput)?;
        // Not where an append that failed may have left off.
        self.file.seek(SeekFrom::Start(self.len))?;
        let written = self.file.write_all(&entry).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Half an entry would hide all that follow it.
            self.truncate(self.len)?;
            return written;
        }
        self.len += entry.len() as u64;
        Ok(())
    }

    fn begin(&mut self, path: &Path) -> io::Result<()> {
        self.truncate(0)?;
        self.file.write_all(MAGIC)?;
        self.file.sync_all()?;
        self.len = MAGIC.len() as u64;
        sync_parent(path)
    }

    fn cut(&mut self, path: &Path, content: &[u8], sound: usize) -> io::Result<Option<Tail>> {
        let damaged = content.get(sound..).unwrap_or(&[]);
        let tail = if damaged.is_empty() {
            None
        } else {
            let mut name = path.as_os_str().to_owned();
            name.push(".damaged");
            let kept = PathBuf::from(name);
            std::fs::write(&kept, damaged)?;
            Some(Tail { offset: sound as u64, bytes: damaged.len() as u64, kept })
        };
        self.truncate(sound as u64)?;
        Ok(tail)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len))?;
        self.len = len;
        Ok(())
    }
}

/// Returns the length of the sound part.
fn load_entries(mut rest: &[u8], mut load: impl FnMut(Kind, i32, &[u8]) -> bool) -> usize {
    let whole = rest.len();
    while let Some((kind, id, encoded, behind)) = read_entry(rest) {
        if !load(kind, id, encoded) {
            break;
        }
        rest = behind;
    }
    whole - rest.len()
}

fn entry(kind: Kind, id: i32, encoded: &[u8]) -> Option<Vec<u8>> {
    let len = u32::try_from(FIXED + encoded.len()).ok()?;
    let mut body = Vec::with_capacity(FIXED + encoded.len());
    body.push(match kind {
        Kind::Type => 1,
        Kind::Enum => 2,
    });
    body.extend(id.to_be_bytes());
    body.extend(encoded);
    let mut entry = Vec::with_capacity(HEAD + body.len());
    entry.extend(len.to_be_bytes());
    entry.extend(checksum(&body).to_be_bytes());
    entry.extend(body);
    Some(entry)
}

/// Kind, id, encoded object, and what follows.
fn read_entry(bytes: &[u8]) -> Option<(Kind, i32, &[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (body, behind) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    if checksum(body) != u64::from_be_bytes(*sum) {
        return None;
    }
    let (kind, rest) = body.split_first()?;
    let (id, encoded) = rest.split_first_chunk::<4>()?;
    let kind = match kind {
        1 => Kind::Type,
        2 => Kind::Enum,
        _ => return None,
    };
    Some((kind, i32::from_be_bytes(*id), encoded, behind))
}

/// FNV-1a: guards against torn writes and decay, not against forgery.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// A new file is there after a crash only if its directory is on the disk.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entries = Vec<(Kind, i32, Vec<u8>)>;

    fn open(path: &Path) -> Result<(RegistryFile, Option<Tail>, Entries), RegistryFileError> {
        let mut entries = Vec::new();
        let (file, tail) = RegistryFile::open(path, |kind, id, encoded| {
            entries.push((kind, id, encoded.to_vec()));
            true
        })?;
        Ok((file, tail, entries))
    }

    fn sample(path: &Path) -> Entries {
        let entries = vec![
            (Kind::Type, 1, b"one".to_vec()),
            (Kind::Enum, -2, b"".to_vec()),
            (Kind::Type, 3, vec![0xFF; 300]),
        ];
        let (mut file, tail, loaded) = open(path).unwrap();
        assert!(tail.is_none() && loaded.is_empty());
        for (kind, id, encoded) in &entries {
            file.append(*kind, *id, encoded).unwrap();
        }
        entries
    }

    #[test]
    fn entries_come_back_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry");
        let entries = sample(&path);
        let (_, tail, loaded) = open(&path).unwrap();
        assert_eq!((tail, loaded), (None, entries));
    }

    #[test]
    fn a_file_that_ends_anywhere_keeps_what_is_whole_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry");
        let entries = sample(&path);
        let content = std::fs::read(&path).unwrap();
        let ends = [
            MAGIC.len(),
            MAGIC.len() + HEAD + FIXED + 3,
            MAGIC.len() + 2 * (HEAD + FIXED) + 3,
            content.len(),
        ];
        for cut in 0..content.len() {
            std::fs::write(&path, &content[..cut]).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            let (mut file, tail, loaded) = open(&path).unwrap();
            assert_eq!(loaded, entries[..whole], "cut at {cut}");
            assert_eq!(tail.is_some(), cut > MAGIC.len() && !ends.contains(&cut), "cut at {cut}");
            if let Some(tail) = tail {
                assert_eq!((tail.offset, tail.bytes), (ends[whole] as u64, (cut - ends[whole]) as u64));
                assert_eq!(std::fs::read(tail.kept).unwrap(), &content[ends[whole]..cut]);
            }
            file.append(Kind::Enum, 9, b"more").unwrap();
            drop(file);
            let (_, tail, loaded) = open(&path).unwrap();
            assert_eq!((tail, loaded.len(), &loaded[whole].2[..]), (None, whole + 1, &b"more"[..]));
        }
    }

    #[test]
    fn a_flipped_bit_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry");
        sample(&path);
        let content = std::fs::read(&path).unwrap();
        for at in MAGIC.len() + HEAD + FIXED + 3..content.len() {
            let mut flipped = content.clone();
            flipped[at] ^= 4;
            std::fs::write(&path, flipped).unwrap();
            let (_, tail, loaded) = open(&path).unwrap();
            assert!(tail.is_some() && loaded.len() < 3 && !loaded.is_empty(), "bit at {at}");
        }
    }

    #[test]
    fn another_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(open(&path), Err(RegistryFileError::Foreign { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        assert!(matches!(open(directory.path()), Err(RegistryFileError::Io { .. })));
    }

    #[test]
    fn a_file_belongs_to_one_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry");
        let held = open(&path).unwrap();
        assert!(matches!(open(&path), Err(RegistryFileError::InUse { .. })));
        drop(held);
        open(&path).unwrap();
    }

    #[test]
    fn an_append_that_fails_is_an_error_and_leaves_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("registry");
        sample(&path);
        let content = std::fs::read(&path).unwrap();
        let mut read_only = RegistryFile { file: File::open(&path).unwrap(), len: content.len() as u64 };
        assert!(read_only.append(Kind::Type, 9, b"more").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}
