//! A snapshot as the text that Prometheus scrapes (OpenMetrics 1.0).
//!
//! `FraudDetected` becomes `fraud_detection_fraud_detected`, a unit is appended to the name, dimensions become labels.
//! An observation is counted under a bound by the mean of its fine bucket: within 2 % of the bound it may stand on the
//! other side. Sums and counts are exact.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as PrometheusUnit};

use super::histogram::Histogram;
use super::metrics::{DEFINITIONS, Definition, Kind, Unit};
use super::recorder::{Series, Snapshot, Value};

/// The `Content-Type` of the page.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PREFIX: &str = "fraud_detection";

/// The page.
#[must_use]
pub fn encode(snapshot: &Snapshot) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Page(snapshot.clone())));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .expect("a String takes every text and the recorder fits kinds to values");
    text
}

/// The metric's name on the page, without prefix and unit: `FraudDetected` is `fraud_detected`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The full name of a metric on the page; a counter's samples end in `_total` besides, a histogram's in `_sum`, `_count`
/// and `_bucket`.
#[must_use]
pub fn name_of(definition: &Definition) -> String {
    let unit = unit(definition).map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
    format!("{PREFIX}_{}{unit}", snake_case(definition.name))
}

fn unit(definition: &Definition) -> Option<PrometheusUnit> {
    match definition.unit {
        Unit::Count | Unit::None => None,
        Unit::Seconds => Some(PrometheusUnit::Seconds),
        Unit::Milliseconds => Some(PrometheusUnit::Other("milliseconds".to_owned())),
        Unit::Bytes => Some(PrometheusUnit::Bytes),
    }
}

#[derive(Debug)]
struct Page(Snapshot);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for definition in DEFINITIONS {
            let mut series = self.0.of(definition.metric).peekable();
            if series.peek().is_none() {
                continue;
            }
            let kind = match definition.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Balance | Kind::Gauge => MetricType::Gauge,
                Kind::Histogram { .. } => MetricType::Histogram,
            };
            let (name, unit) = (snake_case(definition.name), unit(definition));
            let mut encoder = encoder.encode_descriptor(&name, definition.help, unit.as_ref(), kind)?;
            for Series { dimensions, value, .. } in series {
                let labels: Vec<(String, &str)> =
                    dimensions.iter().map(|(dimension, value)| (snake_case(dimension.name()), &**value)).collect();
                if labels.is_empty() {
                    encode_value(&mut encoder, definition, value)?;
                } else {
                    encode_value(&mut encoder.encode_family(&labels)?, definition, value)?;
                }
            }
        }
        Ok(())
    }
}

fn encode_value(encoder: &mut MetricEncoder<'_>, definition: &Definition, value: &Value) -> fmt::Result {
    match (value, definition.kind) {
        (Value::Counter(count), _) => encoder.encode_counter::<NoLabelSet, u64, u64>(count, None),
        (Value::Gauge(value), _) => encoder.encode_gauge(value),
        (Value::Histogram(histogram), Kind::Histogram { tick, bounds }) => {
            let sum = histogram.sum() as f64 * tick;
            encoder.encode_histogram::<NoLabelSet>(sum, histogram.count(), &below(histogram, tick, bounds), None)
        }
        (Value::Histogram(_), Kind::Counter | Kind::Balance | Kind::Gauge) => Err(fmt::Error),
    }
}

/// How many observations lie between each bound and the one before it, then above all of them.
fn below(histogram: &Histogram, tick: f64, bounds: &[f64]) -> Vec<(f64, u64)> {
    let mut counted: Vec<(f64, u64)> = bounds.iter().chain([&f64::INFINITY]).map(|bound| (*bound, 0)).collect();
    for bucket in histogram.buckets() {
        let value = bucket.mean() * tick;
        if let Some((_, count)) = counted.iter_mut().find(|(bound, _)| value <= *bound) {
            *count += bucket.count;
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::{Decision, RiskScore};
    use crate::observability::metrics::{Metric, Route};
    use crate::observability::recorder::Metrics;

    #[test]
    fn the_page_has_every_kind_of_metric_with_unit_labels_and_exact_sums() {
        let metrics = Metrics::default();
        let version: Arc<str> = "v1.0".into();
        metrics.record(|cells| {
            cells.request(Route::Predict, 200);
            cells.decided(&version, Decision::Decline, RiskScore::new(91.5).unwrap(), Duration::from_micros(300));
            cells.decided(&version, Decision::Approve, RiskScore::new(3.25).unwrap(), Duration::from_micros(700));
            cells.predict_latency(Duration::from_micros(1500));
        });
        metrics.register(|readings| readings.set(Metric::QueueDepth, 12.0));
        let page = encode(&metrics.snapshot());
        for line in [
            "# TYPE fraud_detection_fraud_detected histogram",
            "fraud_detection_fraud_detected_sum{model_version=\"v1.0\"} 1.0",
            "fraud_detection_fraud_detected_count{model_version=\"v1.0\"} 2",
            "fraud_detection_fraud_detected_bucket{le=\"0.0\",model_version=\"v1.0\"} 1",
            "fraud_detection_risk_score_sum{model_version=\"v1.0\"} 94.75",
            "fraud_detection_risk_score_bucket{le=\"90.0\",model_version=\"v1.0\"} 1",
            "# UNIT fraud_detection_model_latency_seconds seconds",
            "fraud_detection_model_latency_seconds_bucket{le=\"0.0005\",model_version=\"v1.0\"} 1",
            "fraud_detection_model_latency_seconds_bucket{le=\"+Inf\",model_version=\"v1.0\"} 2",
            "fraud_detection_predict_latency_milliseconds_sum 1.5",
            "# TYPE fraud_detection_requests counter",
            "fraud_detection_requests_total{route=\"/predict\",status_class=\"2xx\"} 1",
            "fraud_detection_decisions_total{decision=\"decline\"} 1",
            "fraud_detection_rejected_total{reason=\"overloaded\"} 0",
            "fraud_detection_in_flight 0.0",
            "fraud_detection_queue_depth 12.0",
            "# HELP fraud_detection_replayed Decisions answered from memory to a retry",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n--- not in ---\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
        assert!(!page.contains("history_evicted"), "nobody reads it here");
    }

    /// `docs/observability.md` has a row for each metric: name, name on this page, unit, dimensions, meaning.
    #[test]
    fn the_documentation_lists_every_metric() {
        let documentation = include_str!("../../docs/observability.md");
        let documented: Vec<&str> = documentation.lines().filter(|line| line.contains("| `fraud_detection_")).collect();
        let rows: Vec<String> = DEFINITIONS
            .iter()
            .map(|definition| {
                let page = name_of(definition);
                let name = definition.name;
                let suffix = if definition.kind == Kind::Counter { "_total" } else { "" };
                let unit = if definition.unit == Unit::None { String::new() } else { format!("{:?}", definition.unit) };
                let dimensions: Vec<&str> = definition.dimensions.iter().map(|dimension| dimension.name()).collect();
                let dimensions = dimensions.join(", ");
                let cells =
                    [format!("`{name}`"), format!("`{page}{suffix}`"), unit, dimensions, definition.help.to_owned()];
                format!("| {} |", cells.join(" | "))
            })
            .collect();
        assert_eq!(documented, rows, "the rows should be:\n{}", rows.join("\n"));
        assert_eq!(snake_case("LogLinesWritten"), "log_lines_written");
    }
}
