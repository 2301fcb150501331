//! Fraud scoring for card transactions: `POST /predict` in, decision, risk score, red flags and reasoning out.
//!
//! # The way of the data
//!
//! ```text
//! request ──► Transaction ──► (History) ──► FeatureVector ──► Score ──► Decision ──► response
//!  http::wire    domain         history        features        scoring    domain       http::wire
//!        └──────────────── scoring::Scorer::assess holds the middle ────────────────┘
//! edge only:  http::middleware and observability (one ScoringEvent per request)
//! off path:   model loading, snapshots of metrics
//! ```
//!
//! # Invariants
//!
//! - `domain` and `features` name no axum, tokio, ort, tracing, clock or environment; time is an argument.
//! - Dependencies point one way: `main → app → {http, observability, settings, lifecycle} → scoring → {model,
//!   features, history} → domain`, never upward. `tests/tidy.rs` proves it.
//! - Only `model::onnx` names `ort`.
//! - A refused request leaves no trace in history or in the memory of decisions.
//! - No answer and no log line holds a rejected value, a user id, a merchant, a place or an amount, but for the
//!   transaction's own numbers in its own `reasoning`.

pub mod domain;

pub mod features;
pub mod history;
pub mod model;

pub mod scoring;

pub mod http;
pub mod lifecycle;
pub mod observability;
pub mod settings;

pub mod app;
pub mod offline;
