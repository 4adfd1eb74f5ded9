//! Figures as `OpenMetrics` text, which Prometheus and its like read.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// A metric with its samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without `_total`.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// Whether it only grows.
    pub counter: bool,
    /// Values, each with its labels.
    pub samples: Vec<(Vec<(&'static str, String)>, u64)>,
}

impl Metric {
    /// A metric of one sample without labels.
    #[must_use]
    pub fn one(name: &'static str, help: &'static str, counter: bool, value: u64) -> Self {
        Self { name, help, counter, samples: vec![(Vec::new(), value)] }
    }
}

/// The media type of what [`text`] gives.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug)]
struct Metrics(Vec<Metric>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in &self.0 {
            let (counter, gauge) = (ConstCounter::new(0_u64), ConstGauge::new(0_i64));
            let kind = if metric.counter { counter.metric_type() } else { gauge.metric_type() };
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            for (labels, value) in &metric.samples {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let sample = family.encode_family(&labels)?;
                if metric.counter {
                    ConstCounter::new(*value).encode(sample)?;
                } else {
                    ConstGauge::new(i64::try_from(*value).unwrap_or(i64::MAX)).encode(sample)?;
                }
            }
        }
        Ok(())
    }
}

/// The text of some metrics.
pub fn text(metrics: Vec<Metric>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(metrics)));
    let mut out = String::new();
    prometheus_client::encoding::text::encode(&mut out, &registry)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_with_their_labels() {
        let labelled = |place: &str| vec![("place", place.to_owned())];
        let metrics = vec![
            Metric {
                name: "spanlight_dropped_packets",
                help: "Packets lost",
                counter: true,
                samples: vec![(labelled("ring_full"), 7), (labelled("a\"b"), 0)],
            },
            Metric::one("spanlight_endpoints", "Endpoints", false, 3),
        ];
        assert_eq!(
            text(metrics).unwrap(),
            "# HELP spanlight_dropped_packets Packets lost\n\
             # TYPE spanlight_dropped_packets counter\n\
             spanlight_dropped_packets_total{place=\"ring_full\"} 7\n\
             spanlight_dropped_packets_total{place=\"a\\\"b\"} 0\n\
             # HELP spanlight_endpoints Endpoints\n\
             # TYPE spanlight_endpoints gauge\n\
             spanlight_endpoints 3\n\
             # EOF\n"
        );
    }
}
