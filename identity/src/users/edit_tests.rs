use super::*;

const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn entry(name: &str, entitlement: &str) -> Entry {
    let mut entry = Entry::new(name, HASH);
    entry.entitlements = vec![entitlement.to_owned()];
    entry
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    (folder, path)
}

#[test]
fn a_new_file_is_made_for_its_owner_alone() {
    let (folder, path) = file();
    assert!(!put(&path, &entry("ann", "grid:data:read:a")).unwrap());
    assert!(!put(&path, &entry("bob", "grid:data:read:b")).unwrap());
    let users = file::read(&path).unwrap();
    assert_eq!(users, [entry("ann", "grid:data:read:a"), entry("bob", "grid:data:read:b")]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        put(&path, &entry("ann", "grid:*:*")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "access stays");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn comments_and_the_other_users_stay() {
    let (_folder, path) = file();
    let (ann, bob, cid) = (
        entry("ann", "grid:data:read:a").to_toml(),
        entry("bob", "grid:data:read:b").to_toml().replace("name =", "# on leave\nname ="),
        entry("cid", "grid:data:read:c").to_toml(),
    );
    let text =
        |bob: &str| format!("# the users\n\n# ann\n{ann}\n# bob, of sales\n{bob}\n# cid\n{cid}# end\n");
    fs::write(&path, text(&bob)).unwrap();
    assert!(put(&path, &entry("bob", "grid:data:write:b")).unwrap());
    let expected = entry("bob", "grid:data:write:b").to_toml().replace("name =", "# on leave\nname =");
    assert_eq!(fs::read_to_string(&path).unwrap(), text(&expected));
    remove(&path, "bob").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text(""));
    assert!(matches!(remove(&path, "bob"), Err(UserFileError::Absent(name)) if name == "bob"));
}

#[test]
fn a_file_that_lines_do_not_describe_is_left_alone() {
    let (_folder, path) = file();
    let inline = format!("user = [{{ name = \"ann\", hash = \"{HASH}\" }}]\n");
    fs::write(&path, &inline).unwrap();
    for name in ["ann", "bob"] {
        assert!(matches!(put(&path, &entry(name, "grid:*:*")), Err(UserFileError::NotEditable)));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), inline);
    // A text over several lines that looks like a table.
    let tricky = entry("ann", "grid:*:*").to_toml() + "lifetime = \"1s\"\n";
    let tricky =
        tricky.replace("\"grid:*:*\"", "\"\"\"grid:data:read:a:x\n[[user]]\nname = \\\"bob\\\"\n\"\"\"");
    fs::write(&path, &tricky).unwrap();
    assert!(matches!(put(&path, &entry("ann", "grid:*:*")), Err(UserFileError::NotEditable)));
    assert_eq!(fs::read_to_string(&path).unwrap(), tricky);
}

#[test]
fn a_wrong_entry_or_file_is_not_written_over() {
    let (_folder, path) = file();
    assert!(matches!(put(&path, &entry("ann", "all")), Err(UserFileError::Entitlement { .. })));
    assert!(!path.exists());
    fs::write(&path, "rubbish").unwrap();
    assert!(matches!(put(&path, &entry("ann", "grid:*:*")), Err(UserFileError::Form { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "rubbish");
    fs::write(&path, entry("bob", "grid:*:*").to_toml().trim_end()).unwrap();
    put(&path, &entry("ann", "grid:*:*")).unwrap();
    assert_eq!(file::read(&path).unwrap().len(), 2, "a file without a last line end");
}
