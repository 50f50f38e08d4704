//! What has to be done from time to time: ending idle logins, logging out, forgetting what is old, counting entries.

use std::sync::Arc;
use std::time::Duration;

use druse_protocol::time::Clock;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::core::NodeCore;

/// How often old tombstones and event ids are looked for, and entries counted.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs until `stop`, and then carries out the logouts that are still due.
pub(super) async fn run(core: Arc<NodeCore>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let logins = async {
        if let Some(security) = &core.security {
            Arc::clone(security).keep(Arc::clone(&clock), stop.cancelled()).await;
        }
    };
    let sweeps = stop.run_until_cancelled(sweep(&core, &*clock));
    tokio::join!(logins, sweeps);
}

async fn sweep(core: &NodeCore, clock: &dyn Clock) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        core.regions.sweep(clock.now());
        count(core);
    }
}

fn count(core: &NodeCore) {
    let (mut entries, mut bytes) = (0, 0);
    for region in core.regions.all() {
        let usage = region.usage();
        entries += usage.store.entries;
        bytes +=
            usage.store.key_bytes + usage.store.value_bytes + usage.store.overhead_bytes + usage.lane_bytes;
    }
    core.metrics.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    core.metrics.entry_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
}
