use super::*;

pub(crate) const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn user(name: &str, more: &str) -> String {
    format!("[[user]]\nname = \"{name}\"\nhash = \"{HASH}\"\n{more}\n")
}

#[test]
fn a_file_is_read_with_all_its_members() {
    let more = "entitlements = [\"grid:data:read:orders\"]\nlifetime = \"15m\"\ndisabled = true";
    let users = parse(&(user("bob", more) + &user("ann", ""))).unwrap();
    let [ann, bob] = users.as_slice() else { panic!("{users:?}") };
    assert_eq!(*ann, Entry::new("ann", HASH));
    assert_eq!(bob.entitlements, ["grid:data:read:orders"]);
    assert_eq!(bob.lifetime, Some(Duration::from_secs(900)));
    assert!(bob.disabled);
    assert_eq!(parse(&user("ann", "permissions = [\"grid:*:*\"]")).unwrap()[0].entitlements, ["grid:*:*"]);
    assert_eq!(parse("").unwrap(), []);
}

#[test]
fn mistakes_are_named_and_hashes_are_not() {
    for (text, expected) in [
        ("[[user]]\nname = 1\n".to_owned(), "line 2 "),
        ("x = [".to_owned(), "line 1 "),
        ("[[users]]\n".to_owned(), "unknown field `users`"),
        (user("ann", "lifetme = \"1s\""), "unknown field `lifetme`"),
        (user("ann", "lifetime = \"soon\""), "a lifetime is a number"),
        (user("ann", "lifetime = \"0s\""), "a lifetime of nothing"),
        (user("ann", "entitlements = [\"data:read\"]"), "\"data:read\" is no entitlement"),
        (user("ann", &format!("disabled = \"{HASH}\"")), "invalid type"),
        (user("ann", "") + &user("ann", ""), "\"ann\" is in the file twice"),
        (user("", ""), "\"\" is no user name"),
        (user("a\\nb", ""), "is no user name"),
        (user("ann", "").replace("argon2id", "argon2i"), "the hash is not argon2id"),
        (user("ann", "").replace("m=64", "m=4000000"), "asks for more than"),
        ("[[user]]\nname = \"ann\"\n".to_owned(), "missing field `hash`"),
    ] {
        let error = parse(&text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("MDEyMzQ1Njc4OWFiY2RlZg"), "{shown}");
    }
}

#[test]
fn an_entry_comes_back_as_it_was_written() {
    let mut entry = Entry::new("an\"n\\ [x] = 'é'", HASH);
    entry.entitlements = vec!["grid:data:read:orders:a \"key\"".into(), "grid:cluster:*".into()];
    entry.disabled = true;
    for lifetime in
        [None, Some(1), Some(1_500), Some(2_000), Some(900_000), Some(7_200_000), Some(86_400_000)]
    {
        entry.lifetime = lifetime.map(Duration::from_millis);
        assert_eq!(parse(&entry.to_toml()).unwrap(), [entry.clone()], "{}", entry.to_toml());
    }
    assert!(!format!("{entry:?}").contains("argon2"));
}

#[test]
fn lifetimes_are_numbers_with_units() {
    for (text, millis) in [
        ("500ms", Some(500)),
        ("30s", Some(30_000)),
        ("8h", Some(28_800_000)),
        ("7d", Some(604_800_000)),
        ("15", None),
        ("m", None),
        ("", None),
        ("-1s", None),
        ("1.5s", None),
        ("1 s", None),
        ("99999999999999999999s", None),
        ("18446744073709551615d", None),
    ] {
        assert_eq!(parse_lifetime(text), millis.map(Duration::from_millis), "{text}");
    }
}
