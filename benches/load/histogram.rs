//! Latencies in buckets that are never wider than a sixteenth of their value.

use std::time::Duration;

/// Buckets for each power of two.
const STEPS: u64 = 32;
/// Powers of two that are told apart: up to about four hours in nanoseconds.
const POWERS: usize = 40;

/// Counts of latencies. Adding two gives the histogram of both.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS as usize * POWERS], total: 0, longest: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        let index =
            index_of(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)).min(self.counts.len() - 1);
        self.counts[index] += 1;
        self.total += 1;
        self.longest = self.longest.max(latency);
    }

    /// Adds the counts of another histogram.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// The latency that `share` (0.5, 0.999) of all do not exceed; zero if there are none.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_end(index)).min(self.longest);
            }
        }
        self.longest
    }

    /// The longest latency.
    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }
}

/// Values below `STEPS` have a bucket each; above, each power of two is cut into `STEPS / 2` equal buckets.
fn index_of(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = u64::from(value.ilog2()) - u64::from(STEPS.ilog2()) + 1;
    (shift * (STEPS / 2) + (value >> shift)) as usize
}

/// The largest value that falls into a bucket.
fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = (index - STEPS / 2) / (STEPS / 2);
    let step = index - shift * (STEPS / 2);
    ((step + 1) << shift) - 1
}
