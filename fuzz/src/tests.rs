//! The corpus without a fuzzer: what was found once stays found.

use std::fs;
use std::path::Path;

fn replay(target: &str, judge: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        judge(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target} has no corpus");
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name), crate::$name);
            }
        )*
    };
}

targets!(frame chunk requests feed exception handshake locator value key equality oql);
