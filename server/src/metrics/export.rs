//! The Prometheus text form of [`Metrics`].

use std::fmt;
use std::sync::Arc;

use druse_protocol::auth::{Reading, ReadingValue};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::{
    Counter, FeedMetrics, Gauge, Histogram, Label, Labelled, Metrics, OperationKind, OperationResult,
};

/// Writes everything in the OpenMetrics text format, with what the security manager says of itself.
///
/// # Errors
/// Only if memory runs out while formatting; the type says so because formatting does.
pub fn render(metrics: &Arc<Metrics>, manager: Vec<Reading>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("druse");
    registry.register_collector(Box::new(Export { metrics: Arc::clone(metrics), manager }));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Export {
    metrics: Arc<Metrics>,
    manager: Vec<Reading>,
}

impl Collector for Export {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let m = &*self.metrics;
        connections(&mut page, m)?;
        logins(&mut page, m)?;
        readings(&mut page, &self.manager)?;
        operations(&mut page, m)?;
        feeds(&mut page, &m.feeds)?;
        page.histogram(
            "request_latency",
            "From reading a request to handing over a ready answer",
            &m.request_latency,
        )?;
        page.gauge("entries", "Entries in all regions", None, &m.entries)?;
        page.gauge(
            "entry_memory",
            "Memory of entries, keys, values and overhead",
            Some(Unit::Bytes),
            &m.entry_bytes,
        )?;
        page.counter("locator_requests", "Requests answered by the locator", None, &m.locator_requests)?;
        page.counter("locator_refusals", "Requests the locator did not understand", None, &m.locator_refusals)
    }
}

fn connections(page: &mut Page<'_>, m: &Metrics) -> fmt::Result {
    page.counter("connections_accepted", "Connections accepted", None, &m.connections_accepted)?;
    page.gauge("connections_open", "Connections open now", None, &m.connections_open)?;
    page.labelled("connections_refused", "Connections refused or cut off", &m.connections_refused)?;
    page.counter("received", "Bytes read from clients", Some(Unit::Bytes), &m.bytes_received)?;
    page.counter("sent", "Bytes written to clients", Some(Unit::Bytes), &m.bytes_sent)?;
    page.gauge("in_flight", "Bytes reserved for arriving messages", Some(Unit::Bytes), &m.bytes_in_flight)
}

fn logins(page: &mut Page<'_>, m: &Metrics) -> fmt::Result {
    page.labelled("logins", "Attempts to log in", &m.logins)?;
    page.gauge("logins_live", "Logins that hold now", None, &m.logins_live)?;
    page.counter("expiries", "Logins whose time ran out", None, &m.expiries)?;
    page.counter("reauthentications", "Logins that replaced an earlier one", None, &m.reauthentications)?;
    page.counter(
        "authorization_refusals",
        "Operations the user may not do",
        None,
        &m.authorization_refusals,
    )?;
    page.counter("logouts", "Subjects handed back to the security manager", None, &m.logouts)?;
    page.counter("revocations", "Logins cut off from outside", None, &m.revocations)
}

fn readings(page: &mut Page<'_>, readings: &[Reading]) -> fmt::Result {
    for Reading { name, help, value } in readings {
        match value {
            ReadingValue::Count(count) => page
                .0
                .encode_descriptor(name, help, None, MetricType::Counter)?
                .encode_counter(count, NO_EXEMPLAR)?,
            ReadingValue::Level(level) => {
                page.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(level)?;
            }
        }
    }
    Ok(())
}

fn feeds(page: &mut Page<'_>, m: &FeedMetrics) -> fmt::Result {
    page.gauge("feeds_live", "Feeds that exist", None, &m.live)?;
    page.gauge("feeds_away", "Feeds whose client is expected back", None, &m.away)?;
    page.counter("feeds_opened", "Feeds opened or taken up again", None, &m.opened)?;
    page.counter("feeds_resumed", "Feeds taken up again", None, &m.resumed)?;
    page.counter("feeds_given_up", "Feeds ended because no login came", None, &m.given_up)?;
    page.counter("feeds_revoked", "Feeds cut because their user was cut off", None, &m.revoked)?;
    page.counter("feeds_resynchronised", "Queues that reached a bound", None, &m.resynchronised)?;
    page.gauge("feed_registrations", "Registrations of interest and queries", None, &m.registrations)?;
    page.gauge("feed_lanes_held", "Users whose events wait for a login", None, &m.lanes_held)?;
    page.counter("feed_events_sent", "Events handed to sockets", None, &m.events_sent)?;
    page.counter("feed_events_refused", "Events that their user may not see", None, &m.events_refused)?;
    page.counter("feed_events_lost", "Events dropped at a bound", None, &m.events_lost)?;
    page.counter("feed_asks_early", "Requests to log in before the end", None, &m.asks_early)?;
    page.counter("feed_asks_late", "Requests to log in after the end", None, &m.asks_late)?;
    page.counter("feed_nudges", "Operations refused to make old clients log in", None, &m.nudges)?;
    page.gauge(
        "feed_queued",
        "Bytes of waiting events, counted for each client",
        Some(Unit::Bytes),
        &m.queued_bytes,
    )?;
    page.gauge("feed_kept", "Bytes kept alive by waiting events", Some(Unit::Bytes), &m.kept_bytes)?;
    page.gauge("feed_queued_events", "Events that wait or are unacknowledged", None, &m.queued_events)?;
    page.gauge("feed_behind", "Changes that feeds have not looked at", None, &m.behind)
}

fn operations(page: &mut Page<'_>, m: &Metrics) -> fmt::Result {
    let mut encoder =
        page.0.encode_descriptor("operations", "Operations by result", None, MetricType::Counter)?;
    for &kind in OperationKind::ALL {
        for &result in OperationResult::ALL {
            let count = m.operations.of(kind, result).get();
            // Ninety lines of zeros help nobody; a series appears with its first event.
            if count > 0 {
                let labels = [(OperationKind::NAME, kind.text()), (OperationResult::NAME, result.text())];
                encoder.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
            }
        }
    }
    Ok(())
}

/// The shape of a label set, to name the type that "no exemplar" has.
type Labels = [(&'static str, &'static str); 1];

const NO_EXEMPLAR: Option<&Exemplar<Labels, f64>> = None;

/// Shorter calls over the encoder.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, unit: Option<Unit>, counter: &Counter) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?
            .encode_counter(&counter.get(), NO_EXEMPLAR)
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<Unit>, gauge: &Gauge) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?.encode_gauge(&gauge.get())
    }

    fn labelled<L: Label>(&mut self, name: &str, help: &str, counters: &Labelled<L>) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for &value in L::ALL {
            let labels: Labels = [(L::NAME, value.text())];
            encoder.encode_family(&labels)?.encode_counter(&counters.of(value).get(), NO_EXEMPLAR)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
        self.0
            .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?
            .encode_histogram::<Labels>(histogram.sum_seconds(), histogram.count(), &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{LoginResult, RefusalReason};
    use super::*;

    #[test]
    fn what_was_counted_stands_on_the_page() {
        let metrics = Arc::new(Metrics::default());
        metrics.connections_open.add(3);
        metrics.bytes_sent.add(17);
        metrics.logins.of(LoginResult::Renewed).inc();
        metrics.connections_refused.of(RefusalReason::Tls).inc();
        metrics.operations.of(OperationKind::Get, OperationResult::Expired).add(2);
        metrics.request_latency.observe(Duration::from_micros(7));

        let readings = vec![
            Reading { name: "doors", help: "Doors", value: ReadingValue::Count(2) },
            Reading { name: "draught", help: "Draught", value: ReadingValue::Level(0.5) },
        ];
        let page = render(&metrics, readings).expect("formatting into a string");
        for line in [
            "druse_doors_total 2",
            "druse_draught 0.5",
            "druse_connections_open 3",
            "druse_sent_bytes_total 17",
            "druse_logins_total{result=\"renewed\"} 1",
            "druse_connections_refused_total{reason=\"tls\"} 1",
            "druse_operations_total{operation=\"get\",result=\"expired\"} 2",
            "druse_request_latency_seconds_bucket{le=\"0.001\"} 1",
            "druse_request_latency_seconds_bucket{le=\"+Inf\"} 1",
            "# EOF",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is missing in\n{page}");
        }
    }
}
