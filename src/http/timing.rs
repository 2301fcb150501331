//! The header `Server-Timing`: where the time of a scoring answer went.

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::scoring::Stages;

/// Tells the stages of an answer.
pub fn insert(headers: &mut HeaderMap, parse: Duration, stages: Stages) {
    headers.insert(HeaderName::from_static("server-timing"), server_timing(parse, stages));
}

/// Writes the stages in milliseconds, in the order in which they happen.
fn server_timing(parse: Duration, stages: Stages) -> HeaderValue {
    let Stages { history, features, queue, model, explain } = stages;
    let mut text = String::with_capacity(120);
    for (name, duration) in [
        ("parse", parse),
        ("history", history),
        ("features", features),
        ("queue", queue),
        ("model", model),
        ("explain", explain),
    ] {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        write!(text, "{comma}{name};dur={:.3}", duration.as_secs_f64() * 1e3).unwrap_or_default();
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The stages of a batch: for each, the longest that a part of it took. Its parts run side by side.
#[must_use]
pub fn longest(stages: impl IntoIterator<Item = Stages>) -> Stages {
    stages.into_iter().fold(Stages::default(), |longest, stages| Stages {
        history: longest.history.max(stages.history),
        features: longest.features.max(stages.features),
        queue: longest.queue.max(stages.queue),
        model: longest.model.max(stages.model),
        explain: longest.explain.max(stages.explain),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_milliseconds_in_order() {
        let stages =
            Stages { history: Duration::from_micros(1500), model: Duration::from_nanos(400), ..Stages::default() };
        assert_eq!(
            server_timing(Duration::from_micros(12), longest([stages, Stages::default()])),
            "parse;dur=0.012, history;dur=1.500, features;dur=0.000, queue;dur=0.000, model;dur=0.000, explain;dur=0.000"
        );
    }
}
