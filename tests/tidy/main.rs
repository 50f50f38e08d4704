//! Rules that no linter knows: licences of dependencies, sizes of files, what may not stand in the project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// What dependencies may be licensed under: `deny.toml` says the same to cargo-deny.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Zlib",
    "Unlicense",
    "CC0-1.0",
    "0BSD",
    "MIT-0",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
];

/// A file that is longer is not read in one sitting.
const MOST_LINES: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tracked_files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root())
        .args(["ls-files", "-z"])
        .output()
        .unwrap_or_else(|error| panic!("git does not run: {error}"));
    let names = String::from_utf8_lossy(&output.stdout);
    let files: Vec<_> =
        names.split('\0').filter(|name| !name.is_empty()).map(|name| root().join(name)).collect();
    assert!(files.len() > 50, "git knows too few files: {}", files.len());
    files
}

#[test]
fn every_dependency_has_a_licence_that_we_can_live_with() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Json = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 50);
    let mut wrong = BTreeSet::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        let acceptable = licence.split(" OR ").flat_map(|l| l.split('/')).any(|choice| {
            choice.split(" AND ").all(|part| LICENCES.contains(&part.trim().trim_matches(['(', ')'])))
        });
        if !acceptable {
            wrong.insert(format!("{} ({licence})", package["name"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn files_can_be_read_in_one_sitting() {
    for path in tracked_files().iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let lines = std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
        assert!(lines <= MOST_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_to_do_and_nothing_is_switched_off() {
    // Put together here, so that this file passes its own test.
    let marks = [
        "to".to_owned() + "do!(",
        "unimplemented".to_owned() + "!(",
        "FIX".to_owned() + "ME",
        "#[ign".to_owned() + "ore]",
    ];
    for path in tracked_files().iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for mark in &marks {
            assert!(!text.contains(mark), "{} holds {mark}", path.display());
        }
    }
}

#[test]
fn the_crates_keep_to_their_arrows() {
    for name in ["server", "client", "identity", "protocol"] {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        for other in ["druse-server", "druse-client", "druse-identity", "druse-protocol"] {
            let own = other == format!("druse-{name}");
            let allowed = own || (other == "druse-protocol" && name != "protocol");
            let depends = manifest.lines().any(|line| line.starts_with(other));
            assert!(allowed || !depends, "{name} may not depend on {other}");
        }
    }
}
