//! JSON as it arrives: its grammar, proven over the whole body before any rule is looked at, and the faults told of it.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Fault;

/// One broken rule, as answers and offline messages tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldFault {
    /// The field as it is named in JSON; `body` for the whole body.
    #[schema(example = "amount")]
    pub field: &'static str,
    /// What the field must be; never the rejected value.
    #[schema(example = "must be at least 0 and at most 1000000000000")]
    pub problem: &'static str,
}

impl From<Fault> for FieldFault {
    fn from(Fault { field, problem }: Fault) -> Self {
        Self { field, problem }
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// Not JSON.
    #[error("not valid JSON at line {line}, column {column}")]
    MalformedJson {
        /// Counted from 1.
        line: usize,
        /// How many bytes of that line were read before it stopped making sense.
        column: usize,
    },
    /// JSON that breaks rules: every one of them, in the order of the contract's fields.
    #[error("{}", sentence(.0))]
    Invalid(Vec<FieldFault>),
}

/// The faults as one sentence.
fn sentence(faults: &[FieldFault]) -> String {
    let told: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.problem)).collect();
    told.join("; ")
}

/// What is wrong with a field that stands twice in one object.
pub(super) const GIVEN_TWICE: &str = "is given more than once";

/// Reads `T`, which fails on valid JSON only by being of another `shape`.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8], shape: &'static str) -> Result<T, WireFault> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let valid = &body[..error.valid_up_to()];
        let line_start = valid.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        WireFault::MalformedJson { line, column: 1 + valid.len() - line_start }
    })?;
    serde_json::from_str(text).map_err(|error| {
        // The wrong shape stops the pass early: only the whole body tells whether it is JSON at all.
        let grammar = if error.is_data() { serde_json::from_str::<IgnoredAny>(text).err() } else { Some(error) };
        match grammar {
            Some(error) => WireFault::MalformedJson { line: error.line(), column: error.column() },
            None => WireFault::Invalid(vec![FieldFault { field: "body", problem: shape }]),
        }
    })
}

/// Reads a JSON string, borrowed where nothing in it is escaped.
pub(super) fn string(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    let inner = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or("must be a string")?;
    if inner.as_bytes().contains(&b'\\') {
        // The grammar is proven; what is left to go wrong is half of a surrogate pair.
        serde_json::from_str(raw).map(Cow::Owned).map_err(|_| "must be valid Unicode text")
    } else {
        Ok(Cow::Borrowed(inner))
    }
}
