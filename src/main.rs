//! The `druse` command.

fn main() {}
