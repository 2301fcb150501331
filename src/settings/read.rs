//! Every key's type and range, and the rules between keys.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::reader::Reader;
use super::{
    ApiKeys, DecisionsSettings, Environment, FeedbackSettings, HistorySettings, HttpSettings, LogSettings, Machine,
    ModelSettings, PrivacySettings, RuntimeSettings, ScoringSettings, Secret, Settings, ShutdownSettings,
    TimestampSettings,
};
use crate::model::ModelPointer;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// A shorter key could be guessed, and with it every user id.
const SHORTEST_PRIVACY_KEY: usize = 16;

/// Reads every key. What it returns is of use only if the reader has no faults.
pub(super) fn settings(reader: &mut Reader, machine: Machine) -> Settings {
    let settings = Settings {
        environment: environment(reader),
        http: http(reader),
        runtime: RuntimeSettings { async_threads: threads(reader, "runtime.async_threads", machine) },
        scoring: scoring(reader, machine),
        history: history(reader, machine),
        decisions: DecisionsSettings {
            ttl: reader.duration("decisions.ttl", seconds(1)..=seconds(30 * 86_400)),
            memory_limit: reader.bytes("decisions.memory_limit", MIB..=TIB, None),
        },
        feedback: FeedbackSettings { memory_limit: reader.bytes("feedback.memory_limit", MIB..=TIB, None) },
        model: model(reader),
        privacy: privacy(reader),
        timestamps: TimestampSettings { zone: zone(reader) },
        log: log(reader),
        shutdown: ShutdownSettings {
            drain_delay: reader.duration("shutdown.drain_delay", seconds(0)..=seconds(300)),
            grace: reader.duration("shutdown.grace", seconds(0)..=seconds(300)),
            flush: reader.duration("shutdown.flush", seconds(0)..=seconds(60)),
        },
        summary: reader.summary(),
    };
    cross_check(reader, &settings);
    settings
}

/// Transactions in the largest `/batch`: each needs room for its line.
pub(super) const LARGEST_BATCH: usize = 1000;

/// The rules between keys.
fn cross_check(reader: &mut Reader, settings: &Settings) {
    let Settings { http, scoring, history, privacy, .. } = settings;
    reader.cross_check(
        ["http.batch_deadline", "http.deadline"],
        http.batch_deadline > http.deadline,
        "must be longer than http.deadline",
    );
    reader.cross_check(
        ["history.timeout", "http.deadline"],
        history.timeout < http.deadline,
        "must be shorter than http.deadline",
    );
    reader.cross_check(
        ["http.batch_body_limit", "http.predict_body_limit"],
        http.batch_body_limit >= http.predict_body_limit,
        "must be at least http.predict_body_limit",
    );
    reader.cross_check(
        ["http.bytes_in_flight", "http.batch_body_limit"],
        http.bytes_in_flight >= http.batch_body_limit,
        "must be at least http.batch_body_limit, else such a batch is always refused",
    );
    reader.cross_check(
        ["scoring.max_batch", "scoring.queue_rows"],
        scoring.max_batch <= scoring.queue_rows,
        "must be at most scoring.queue_rows",
    );
    reader.cross_check(
        ["log.buffer_lines", "http.max_connections"],
        settings.log.buffer_lines >= http.max_connections + LARGEST_BATCH,
        "must be at least http.max_connections and 1000 more, else batches could wait for each other's lines",
    );
    if settings.environment == Environment::Production {
        reader.demand(
            "http.api_keys",
            http.allow_anonymous || !http.api_keys.is_empty(),
            "production needs API keys (or FRAUD_HTTP__ALLOW_ANONYMOUS=true)",
        );
        reader.demand("privacy.key", privacy.key.is_some(), "production needs a key to hash user ids with");
    }
}

fn environment(reader: &mut Reader) -> Environment {
    reader.parse("environment", "development, test, staging or production", Environment::Development, |text| {
        Environment::ALL.into_iter().find(|environment| text.eq_ignore_ascii_case(environment.as_str()))
    })
}

pub(super) fn http(reader: &mut Reader) -> HttpSettings {
    HttpSettings {
        host: reader
            .parse("http.host", "an IPv4 or IPv6 address", IpAddr::from(Ipv4Addr::LOCALHOST), |text| text.parse().ok()),
        port: reader.parse("http.port", "a port from 0 to 65535", 0, |text| text.parse().ok()),
        base_path: reader.parse("http.base_path", "empty, or a path such as /ml", String::new(), |text| {
            base_path(text).then(|| text.to_owned())
        }),
        deadline: reader.duration("http.deadline", milliseconds(1)..=seconds(60)),
        batch_deadline: reader.duration("http.batch_deadline", milliseconds(1)..=seconds(600)),
        body_timeout: reader.duration("http.body_timeout", milliseconds(10)..=seconds(60)),
        keep_alive: reader.duration("http.keep_alive", seconds(1)..=seconds(3600)),
        max_connections: reader.integer("http.max_connections", 1..=1_000_000),
        probe_connections: reader.integer("http.probe_connections", 1..=1024),
        predict_body_limit: reader.bytes("http.predict_body_limit", KIB..=MIB, None),
        batch_body_limit: reader.bytes("http.batch_body_limit", KIB..=64 * MIB, None),
        bytes_in_flight: reader.bytes("http.bytes_in_flight", KIB..=16 * GIB, None),
        public_docs: reader.flag("http.public_docs"),
        api_keys: api_keys(reader),
        allow_anonymous: reader.flag("http.allow_anonymous"),
    }
}

/// Empty, or segments of unreserved characters, each after a slash.
fn base_path(text: &str) -> bool {
    let segment = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
    };
    text.is_empty() || text.strip_prefix('/').is_some_and(|path| path.split('/').all(segment))
}

fn api_keys(reader: &mut Reader) -> ApiKeys {
    let mut problems = Vec::new();
    let keys = reader.parse("http.api_keys", "", ApiKeys::default(), |text| {
        Some(ApiKeys::parse(text).unwrap_or_else(|found| {
            problems = found;
            ApiKeys::default()
        }))
    });
    for problem in problems {
        reader.fault("http.api_keys", problem);
    }
    keys
}

/// 0 stands for the machine's own number.
fn threads(reader: &mut Reader, key: &'static str, machine: Machine) -> usize {
    match reader.integer(key, 0..=1024) {
        0 => machine.cpus,
        threads => threads,
    }
}

fn scoring(reader: &mut Reader, machine: Machine) -> ScoringSettings {
    ScoringSettings {
        threads: threads(reader, "scoring.threads", machine),
        queue_rows: reader.integer("scoring.queue_rows", 1..=1_000_000),
        max_batch: reader.integer("scoring.max_batch", 1..=4096),
        runtime_library: Some(reader.text("scoring.runtime_library"))
            .filter(|path| !path.is_empty())
            .map(std::path::PathBuf::from),
    }
}

fn history(reader: &mut Reader, machine: Machine) -> HistorySettings {
    reader.parse("history.store", "memory", (), |text| (text == "memory").then_some(()));
    let range: RangeInclusive<u64> = MIB..=TIB;
    let quarter = (machine.memory_bytes / 4).clamp(*range.start(), *range.end());
    HistorySettings {
        memory_limit: reader.bytes("history.memory_limit", range, Some(quarter)),
        timeout: reader.duration("history.timeout", milliseconds(1)..=seconds(10)),
    }
}

fn model(reader: &mut Reader) -> ModelSettings {
    ModelSettings {
        path: reader
            .parse("model.path", "the path of a folder", String::new(), |text| {
                (!text.is_empty()).then(|| text.to_owned())
            })
            .into(),
        version: reader.parse(
            "model.version",
            "current, a version such as v1.0, or one pinned by its manifest's hash: v1.0@sha256:<64 hexadecimal digits>",
            ModelPointer::Current,
            |text| ModelPointer::parse(text).ok(),
        ),
    }
}

fn privacy(reader: &mut Reader) -> PrivacySettings {
    let key = reader.parse("privacy.key", "16 characters or more", None, |text| match text.chars().count() {
        0 => Some(None),
        length => (length >= SHORTEST_PRIVACY_KEY).then(|| Some(Secret::new(text))),
    });
    PrivacySettings { key }
}

fn zone(reader: &mut Reader) -> TimeZone {
    reader.parse("timestamps.zone", "an IANA time zone such as UTC or Europe/Berlin", TimeZone::UTC, |text| {
        TimeZone::get(text).ok().filter(|zone| !zone.is_unknown())
    })
}

fn log(reader: &mut Reader) -> LogSettings {
    LogSettings {
        level: reader.parse("log.level", "error, warn, info, debug or trace", tracing::Level::INFO, |text| match text
            .to_ascii_lowercase()
            .as_str()
        {
            "error" => Some(tracing::Level::ERROR),
            "warn" | "warning" => Some(tracing::Level::WARN),
            "info" => Some(tracing::Level::INFO),
            "debug" => Some(tracing::Level::DEBUG),
            "trace" => Some(tracing::Level::TRACE),
            _ => None,
        }),
        approve_sample: reader.number("log.approve_sample", 0.0..=1.0),
        // A batch of 1000 reserves 1001 lines at once.
        buffer_lines: reader.integer("log.buffer_lines", 1024..=1_000_000),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
