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
    let mut history = UserHistory::default();
    // Newest first, one sum grows; each window takes its value when the first event too old for it comes by.
    let mut sum = WindowSummary::default();
    let mut open = 0..USER_WINDOWS_MS.len();
    for event in events.iter().rev().filter(|event| event.id() != id) {
        let age_ms = at - event.millis();
        if age_ms < 0 {
            continue;
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::testing::{crowded, plain};
    use crate::domain::{Timestamp, Transaction};
    use crate::history::testing::{history_before, kept};

    const MINUTE_MS: i64 = 60_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;

    fn record_all<'a>(transactions: impl IntoIterator<Item = &'a Transaction>) -> (Vec<Event>, u64) {
        let mut events = Vec::new();
        let dropped = transactions.into_iter().map(|t| record(&mut events, Event::of(t))).sum();
        (events, dropped)
    }

    /// Records one after another and compares every step with the oracle.
    fn agrees_with_the_oracle(transactions: &[Transaction]) -> Result<(), TestCaseError> {
        let mut events = Vec::new();
        for (seen, transaction) in transactions.iter().enumerate() {
            let kept = kept(&transactions[..seen]);
            let oldest_first: Vec<Event> = kept.iter().rev().map(|t| Event::of(t)).collect();
            prop_assert_eq!(&events, &oldest_first);
            prop_assert_eq!(summarise(&events, &Event::of(transaction)), history_before(&kept, transaction));
            record(&mut events, Event::of(transaction));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn minutes_apart(stream in prop::collection::vec(crowded(60, 40, MINUTE_MS / 2), 0..60)) {
            agrees_with_the_oracle(&stream)?;
        }

        #[test]
        fn hours_apart_over_months(stream in prop::collection::vec(crowded(60, 90 * 24 / 6, 6 * HOUR_MS), 0..60)) {
            agrees_with_the_oracle(&stream)?;
        }

        /// Windows are open at their old end and closed at the new one, to the millisecond.
        #[test]
        fn at_the_edges_of_windows(
            edge in prop::sample::select(USER_WINDOWS_MS.to_vec()),
            mut stream in prop::collection::vec(crowded(20, 4, 1), 1..20),
            late in crowded(1000, 6, 1),
        ) {
            let at = Timestamp::from_millis(late.timestamp.millis() + edge).unwrap();
            stream.push(Transaction { timestamp: at, ..late });
            agrees_with_the_oracle(&stream)?;
        }

        /// What is kept depends on what was recorded, not on when it arrived.
        #[test]
        fn the_kept_set_forgets_the_order_of_arrival(
            (stream, shuffled) in prop::collection::vec(crowded(60, 50, 24 * HOUR_MS), 0..80)
                .prop_flat_map(|stream| (Just(stream.clone()), Just(stream).prop_shuffle())),
        ) {
            prop_assert_eq!(record_all(&stream).0, record_all(&shuffled).0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// More events than are kept, some late, some twice.
        #[test]
        fn a_user_with_thousands_of_events(
            (stream, shuffled) in prop::collection::vec(crowded(1500, 38 * 24, HOUR_MS), 1600..1800)
                .prop_flat_map(|stream| (Just(stream.clone()), Just(stream).prop_shuffle())),
        ) {
            let kept = kept(&stream);
            let (events, dropped) = record_all(&stream);
            prop_assert_eq!(&events, &kept.iter().rev().map(|t| Event::of(t)).collect::<Vec<_>>());
            prop_assert_eq!(&events, &record_all(&shuffled).0);
            prop_assert!(events.len() < MAX_EVENTS || dropped > 0);
            for transaction in stream.iter().step_by(50) {
                prop_assert_eq!(
                    summarise(&events, &Event::of(transaction)),
                    history_before(&kept, transaction)
                );
            }
        }
    }

    #[test]
    fn dropped_events_are_counted_and_expired_or_repeated_ones_are_not() {
        let at = |n: u32, millis: i64| Event::of(&plain(n, millis));
        let mut events = Vec::new();
        for n in 0..1000 {
            assert_eq!(record(&mut events, at(n, KEPT_MS + i64::from(n))), 0);
        }
        assert_eq!(record(&mut events, at(7, KEPT_MS + 7)), 0, "a repetition");
        assert_eq!(record(&mut events, at(1000, KEPT_MS + 1000)), 1, "the oldest makes room");
        assert_eq!(record(&mut events, at(1001, KEPT_MS)), 1, "older than all that are kept");
        assert_eq!((events.len(), events[0]), (MAX_EVENTS, at(1, KEPT_MS + 1)));
        assert_eq!(record(&mut events, at(1002, 3 * KEPT_MS)), 0, "all others expire");
        assert_eq!(record(&mut events, at(1003, 2 * KEPT_MS)), 1, "37 days late");
        assert_eq!(record(&mut events, at(1004, 2 * KEPT_MS + 1)), 0, "a millisecond less");
        assert_eq!(events, [at(1004, 2 * KEPT_MS + 1), at(1002, 3 * KEPT_MS)]);
    }

    /// The crowds of these tests hold no two ids with one hash, which would be another, correct, result.
    #[test]
    fn ids_of_the_crowd_are_told_apart() {
        let mut hashes: Vec<u32> = (0..1500).map(|n| Event::of(&plain(n, 0)).id()).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 1500);
    }
}
