//! What is known of a user before a transaction, as numbers that features are made of.
//!
//! Sums are in ten-thousandths and exact; instants are event time, never the clock.

use crate::domain::{Place, Timestamp};

/// The user windows' lengths in milliseconds, shortest first: 10 min, 1 h, 24 h, 7 d, 30 d.
pub const USER_WINDOWS_MS: [i64; 5] = [600_000, 3_600_000, 86_400_000, 604_800_000, 2_592_000_000];

/// A keyed hash of a `user_id`: 128 bits, the only form in which a user is stored or logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey(pub [u8; 16]);

impl std::fmt::Display for UserKey {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The transactions of one window `(t - w, t]`: their count, and the exact sums of their amounts in ten-thousandths
/// and of the squares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowSummary {
    /// How many transactions.
    pub count: u32,
    /// The sum of the amounts, in ten-thousandths.
    pub sum: i128,
    /// The sum of the squared amounts, in ten-thousandths squared.
    pub sum_of_squares: i128,
}

/// Where the user last was before the transaction, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastPlace {
    /// The place of the newest earlier transaction that had one.
    pub place: Place,
    /// When that transaction happened.
    pub at: Timestamp,
}

/// What is known of a user before one transaction, that transaction excluded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UserHistory {
    /// One summary for each of [`USER_WINDOWS_MS`].
    pub windows: [WindowSummary; USER_WINDOWS_MS.len()],
    /// The longest window, only the transactions in this transaction's merchant category.
    pub category_window: WindowSummary,
    /// When the newest earlier transaction happened.
    pub last_at: Option<Timestamp>,
    /// Where the user last was.
    pub last_place: Option<LastPlace>,
    /// Whether the user has been at this merchant before, as far as history reaches.
    pub merchant_seen: bool,
}

/// How much history a decision was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryStatus {
    /// The user's history was read (it may be empty).
    Full,
    /// The transaction names no user.
    None,
    /// The store did not answer in time.
    Unavailable,
}

impl HistoryStatus {
    /// The word used in JSON, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::None => "none",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Everything known before one transaction. `user` is present exactly when `status` is [`HistoryStatus::Full`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct History {
    status: HistoryStatus,
    user: Option<UserHistory>,
}

impl History {
    /// The transaction names no user.
    pub const NO_USER: Self = Self { status: HistoryStatus::None, user: None };
    /// The store did not answer.
    pub const UNAVAILABLE: Self = Self { status: HistoryStatus::Unavailable, user: None };

    /// The user's history was read.
    #[must_use]
    pub fn of_user(user: UserHistory) -> Self {
        Self { status: HistoryStatus::Full, user: Some(user) }
    }

    /// How much is known.
    #[must_use]
    pub fn status(&self) -> HistoryStatus {
        self.status
    }

    /// The user's history, where it is known.
    #[must_use]
    pub fn user(&self) -> Option<&UserHistory> {
        self.user.as_ref()
    }
}
