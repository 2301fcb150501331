//! What a user's events mean: the exact sliding windows before a transaction, and which events are kept after it.
//!
//! Both are pure functions over one sorted list, used by every store. Amounts are summed as integers, so the result
//! does not depend on the order of summation, and hardly on the order of arrival: which events are kept is decided by
//! the set of events recorded alone (see [`record`]).

use crate::domain::history::USER_WINDOWS_MS;
use crate::domain::{LastPlace, UserHistory, WindowSummary};
use crate::history::Event;

/// The most events kept of one user; from there on the oldest make room.
pub const MAX_EVENTS: usize = 1000;

/// How far an event's timestamp may lie behind the user's newest one: the longest window, and a week for late arrivals.
pub const KEPT_MS: i64 = USER_WINDOWS_MS[USER_WINDOWS_MS.len() - 1] + 7 * 86_400_000;

/// What `events`, sorted and of one user, say before the transaction `before`: its windows are `(t - w, t]`, and
/// events with a later timestamp or with its own id are not seen.
#[must_use]
pub fn summarise(events: &[Event], before: &Event) -> UserHistory {
    let (at, id, category) = (before.millis(), before.id(), before.category());
    let visible = &events[..events.partition_point(|event| event.millis() <= at)];

    let mut history = UserHistory::default();
    // Newest first, one sum grows; each window takes its value when the first event too old for it comes by.
    let mut sum = WindowSummary::default();
    let mut open = 0..USER_WINDOWS_MS.len();
    for event in visible.iter().rev().filter(|event| event.id() != id) {
        let age_ms = at - event.millis();
        while !open.is_empty() && age_ms >= USER_WINDOWS_MS[open.start] {
            history.windows[open.start] = sum;
            open.start += 1;
        }
        if !open.is_empty() {
            sum.add(event.amount_units());
            if category.is_some() && event.category() == category {
                history.category_window.add(event.amount_units());
            }
        }
        history.merchant_seen |= event.merchant() == before.merchant();
        if history.last_at.is_none() {
            history.last_at = event.timestamp();
        }
        if history.last_place.is_none() {
            history.last_place = event.place().zip(event.timestamp()).map(|(place, at)| LastPlace { place, at });
        }
    }
    history.windows[open].fill(sum);
    history
}

/// Records `event` in `events`, sorted and of one user, and forgets what need not be kept. Returns how many events
/// were dropped, this one perhaps, that a longer list or an earlier arrival would have saved.
///
/// Kept are the newest [`MAX_EVENTS`] of all events ever recorded that are newer than the newest timestamp less
/// [`KEPT_MS`]; of several with one id the greatest counts. A set so defined is the same for every order of arrival.
pub fn record(events: &mut Vec<Event>, event: Event) -> u64 {
    if let Some(held) = events.iter().position(|held| held.id() == event.id()) {
        if events[held] >= event {
            return 0;
        }
        events.remove(held);
    }
    let newest = events.last().map_or(i64::MIN, Event::millis).max(event.millis());
    let oldest_kept = newest - KEPT_MS + 1;
    if event.millis() < oldest_kept {
        return 1;
    }
    events.drain(..events.partition_point(|held| held.millis() < oldest_kept));
    let place = events.partition_point(|held| *held < event);
    if events.len() < MAX_EVENTS {
        events.insert(place, event);
        return 0;
    }
    if place > 0 {
        events[..place].rotate_left(1);
        events[place - 1] = event;
    }
    1
}
