//! Whether the system lets the node have as many connections as it is configured for.

/// Files besides connections: ports, registry, the runtime's own, and some to spare.
const OTHERS: usize = 64;

/// Warns if the limit of open files is below what is needed. The node runs all the same: accepting pauses at the limit.
pub(super) fn check(connections: usize) {
    // Elsewhere than on Linux there is no such file, and no warning.
    let limit = std::fs::read_to_string("/proc/self/limits").ok().and_then(|table| soft_limit(&table));
    if let Some(limit) = limit.filter(|&limit| limit < connections.saturating_add(OTHERS)) {
        tracing::warn!(
            limit,
            connections,
            "the limit of open files is below that of connections; see `ulimit -n`"
        );
    }
}

fn soft_limit(table: &str) -> Option<usize> {
    let line = table.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_number() {
        let table = "Limit                     Soft Limit           Hard Limit           Units\n\
                     Max processes             7823                 7823                 processes\n\
                     Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(table), Some(1024));
        assert_eq!(
            soft_limit("Max open files            unlimited            unlimited            files"),
            None
        );
        assert_eq!(soft_limit(""), None);
    }
}
